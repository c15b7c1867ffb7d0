"""What warnings are worth: how often each stands where an interval misses the truth, and where it holds it.

    python -m benchmarks.truth alarms --worlds 20

A warning is worth its place if it stands more often on misses than on hits: the area under its curve, of one
cut, is (1 + share of misses - share of hits) / 2, and 0.5 says nothing.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import mse
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.truth.worlds import World

LEVEL = 0.95
REPLICATES = 100


class Alarmed(NamedTuple):
    """What was said of a world, and which intervals hold its truth."""

    kind: str
    said: dict[str, bool]
    headline: bool
    alike: bool


def alarmed(world: World, table: mse.CaptureTable) -> Alarmed | None:
    """Estimate a world and note what is said; None where there is no estimate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p = mse.estimate(table, seed=world.number, replicates=REPLICATES, n_jobs=1, progress=False)
        if not p.total > 0:
            return None
        fit = mse.LogLinearSearch(strategy="stepwise" if table.covariates else "exhaustive").fit(
            table
        )
        # The chosen model by itself: influence with the search repeated takes a minute a world.
        checks = mse.diagnostics.check(table, fit.best)
    said = {f"check: {each.name}": each.passed is False for each in checks}
    said |= dict(_of_estimate(p))
    held = {
        given: _holds(p.interval(LEVEL, given=given), world.total)
        for given in ("heterogeneity", "alike")
    }
    return Alarmed(world.kind, said, held["heterogeneity"], held["alike"])


def _holds(ends: tuple[float, float], total: int) -> bool:
    return ends[0] - 0.5 <= total <= ends[1] + 0.5


def _of_estimate(p: mse.PopulationEstimate) -> Iterator[tuple[str, bool]]:
    """What the answer says beside its figures."""
    for each in p.warnings:
        for part in each.parts() if isinstance(each, Message) else ():
            yield f"warning: {part.key}", True
    low, high = p.interval(LEVEL, given="alike")
    if p.model_range is not None:
        yield (
            "models reach beyond the interval",
            p.model_range.low < low or p.model_range.high > high,
        )
    if p.allowing is not None:
        yield "headline's middle above the other interval", p.allowing.total > high
        yield "headline's middle outside the other interval", not low <= p.allowing.total <= high
    fit = p.provenance.get("fit", {})
    if fit.get("df"):
        yield "model does not fit, p < 0.05", fit["p_value"] < 0.05


def table_of_alarms(found: Sequence[Alarmed]) -> str:
    """Lay out how often each alarm stands on misses and hits of both intervals, as Markdown."""
    names = sorted({name for each in found for name in each.said})
    head = "| what is said | stands in | on misses, alike | on hits, alike | AUC | on misses, headline | AUC |"
    rows = [head, "|---|---|---|---|---|---|---|"]
    for name in names:
        cells: list[Any] = [name, _share([each.said.get(name, False) for each in found])]
        for which in ("alike", "headline"):
            miss = [e.said.get(name, False) for e in found if not getattr(e, which)]
            hit = [e.said.get(name, False) for e in found if getattr(e, which)]
            area = (1 + _rate(miss) - _rate(hit)) / 2
            cells += (
                [_share(miss), _share(hit), f"{area:.2f}"]
                if which == "alike"
                else [_share(miss), f"{area:.2f}"]
            )
        rows.append("| " + " | ".join(cells) + " |")
    missed = sum(not each.alike for each in found), sum(not each.headline for each in found)
    rows.append(
        f"\n{len(found)} worlds with an estimate; alike misses {missed[0]}, headline {missed[1]}."
    )
    return "\n".join(rows)


def _rate(said: Sequence[bool]) -> float:
    return sum(said) / len(said) if said else 0.0


def _share(said: Sequence[bool]) -> str:
    return f"{100 * _rate(said):.0f} %"
