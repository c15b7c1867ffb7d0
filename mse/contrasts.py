"""Contrasts of parts of the population, by expression, from draws that they have in common."""

from __future__ import annotations

import ast
import math
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mse.answer.intervals import DEFAULT_LEVEL, TOO_FEW, check_level
from mse.answer.shown import Result, Section
from mse.data.checks import listed, near
from mse.errors import ModelError
from mse.monitoring.draws import Figure, figure, holding_both
from mse.monitoring.result import Monitor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mse._typing import FloatArray
    from mse.answer.population import Given, PopulationEstimate, Strata

_PART = re.compile(r"\[([^\[\]]*)\]")
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
}
_COMPARED: dict[type, Callable[[Any, Any], Any]] = {ast.Lt: operator.lt, ast.Gt: operator.gt}
_EXPECTED = (
    "expected parts in brackets with + - * / and numbers, and at most one < or > at the end: "
    "'[year=2018, age=minor] / [year=2015, age=minor] < 1'"
)


@dataclass(frozen=True, eq=False, repr=False)
class Contrast(Result):
    """A figure made of several parts of the population, with a joint interval.

    Attributes
    ----------
    expression : str
        As it was asked for.
    point, low, high : float
        Of what stands before the comparison; NaN where a part has no estimate.
    probability : float
        Share of the draws in which the comparison holds, ties and undetermined ones counted half; NaN where
        nothing is compared.
    level : float
        Of the interval.
    given : str
        What the interval takes for granted.
    """

    expression: str
    point: float
    low: float
    high: float
    probability: float
    level: float
    given: str

    def to_frame(self) -> pd.DataFrame:
        """Show the figure as a DataFrame of one row: its attributes."""
        return pd.DataFrame([vars(self)])

    def __repr__(self) -> str:
        return f"<Contrast {self.expression}: {self.low:.3g} to {self.high:.3g}>"

    def _sections(self) -> list[Section]:
        span = f"{self.low:,.3g} to {self.high:,.3g}"
        rows = [(f"{100 * self.level:g}% interval", span), ("Point", f"{self.point:,.3g}")]
        if not math.isnan(self.probability):
            rows.append(("Probability that it holds", f"{100 * self.probability:.1f}%"))
        rows.append(("Takes for granted", self.given))
        return [Section(f"Contrast: {self.expression}", rows=tuple(rows))]


def contrast(
    found: PopulationEstimate | Monitor,
    expression: str,
    *,
    level: float = DEFAULT_LEVEL,
    given: Given | None = None,
) -> Contrast:
    """Compute a figure of several parts of the population, with what their draws have in common.

    Parameters
    ----------
    found : PopulationEstimate or Monitor
        With draws by stratum: of `mse.estimate`, `mse.bootstrap` or `mse.monitor` of a table with covariates.
    expression : str
        Parts in brackets with ``+ - * /`` and numbers, and at most one ``<`` or ``>``:
        ``"[year=2018, age=minor] / [year=2015, age=minor] < 1"``. A part is the estimated total of all strata
        with these levels; ``form=labor|sexual`` takes two, and ``[]`` everybody.
    level : float, default 0.95
        Level of the interval.
    given : {"heterogeneity", "alike"}, optional
        As of `PopulationEstimate.interval`.

    Returns
    -------
    Contrast

    Raises
    ------
    ModelError
        If the expression is not understood, names what the table does not have, or compares periods of different
        scope; or if there are no draws.

    Examples
    --------
    >>> import numpy as np, mse
    >>> counts = np.zeros((2, 2, 2), dtype=int)
    >>> counts[1, 0], counts[0, 1], counts[1, 1] = (60, 90), (40, 70), (20, 30)
    >>> table = mse.CaptureTable.from_array(counts, ["police", "care"], {"year": [2014, 2015]})
    >>> model = mse.LogLinear("police*year + care*year")
    >>> p = mse.bootstrap(model, table, 200, seed=1)
    >>> ratio = mse.contrast(p, "[year=2015] / [year=2014] > 1")
    >>> round(ratio.point, 2), ratio.low < ratio.point < ratio.high, ratio.probability > 0.9
    (1.67, True, True)
    """
    check_level(level)
    source = _source_of(found, given)
    if source.size < TOO_FEW or not source.draws.shape[1]:
        raise ModelError(
            "There are no draws by stratum to contrast: expected the answer of mse.estimate, mse.bootstrap or "
            f"mse.monitor with {TOO_FEW} replicates or more, not protected."
        )
    wanted = [_levels_of(text, source.strata.levels) for text in _PART.findall(expression)]
    if isinstance(found, Monitor):
        _check_scopes(found, wanted)
    shown, probability = _figure_of(source, wanted, expression, level)
    other = _source_of(found, "alike")
    if given != "alike" and other.size >= TOO_FEW and other.draws.shape[1]:
        # What allows for people who differ holds what takes them for alike, as everywhere.
        shown = holding_both(shown, _figure_of(other, wanted, expression, level)[0])
    return Contrast(expression, *shown, probability, level, source.given)


def _figure_of(
    source: _Source, wanted: Sequence[Mapping[str, Sequence[Any]]], expression: str, level: float
) -> tuple[Figure, float]:
    """Compute what an expression says from the draws of one source, and how probable its comparison is."""
    parts = [source.part(where) for where in wanted]
    names = iter(range(len(parts)))
    plain = _PART.sub(lambda _: f"part{next(names)}", expression).strip()
    left, compare, right = _parsed(plain, expression)

    def value(node: ast.expr, which: int) -> Any:
        with np.errstate(all="ignore"):
            return _value(
                node, {f"part{i}": each[which] for i, each in enumerate(parts)}, expression
            )

    draws = np.broadcast_to(np.asarray(value(left, 1), np.float64), (source.size,))
    shown = figure(float(value(left, 0)), draws, level)
    probability = math.nan
    if compare is not None and right is not None:
        other = np.asarray(value(right, 1), np.float64)
        neither = np.isnan(draws) | np.isnan(other) | (draws == other)
        probability = float((compare(draws, other) & ~neither).mean() + 0.5 * neither.mean())
    return shown, probability


@dataclass(frozen=True)
class _Source:
    """Strata with their draws."""

    strata: Strata
    draws: FloatArray  # (M, S) persons
    given: str

    @property
    def size(self) -> int:
        return len(self.draws)

    def part(self, where: Mapping[str, Sequence[Any]]) -> tuple[float, FloatArray]:
        """Sum the strata with some levels: point and draws."""
        names = self.strata.names
        inside = [
            at
            for at, cell in enumerate(self.strata.cells)
            if all(cell[names.index(name)] in levels for name, levels in where.items())
        ]
        totals = self.strata.observed + self.strata.hidden
        return float(totals[inside].sum()), self.draws[:, inside].sum(axis=1)


def _check_scopes(monitor: Monitor, wanted: Sequence[Mapping[str, Sequence[Any]]]) -> None:
    """Refuse to compare periods of different scope, unless that was asked for."""
    scopes = monitor.crossing(
        (each, where) for where in wanted for each in where.get(monitor.period, monitor.levels)
    )
    if scopes and not monitor.across_scopes:
        raise ModelError(
            f"The expression compares periods of different scope of the registers, {listed(scopes)}. Compare "
            "periods of one scope, or make the monitor with across_scopes=True."
        )


def _source_of(found: Any, given: Given | None) -> _Source:
    """Find strata and draws of what is contrasted."""
    if isinstance(found, Monitor):
        monitor = found.alike if given == "alike" else found
        return _Source(monitor.joint.strata, monitor.joint.totals, monitor.joint.given)
    population = getattr(found, "population", found)
    if population.strata is None:
        raise ModelError("The estimate has no strata to contrast: its table has no covariates.")
    wide = population.allowing if given != "alike" else None
    drawn = (population if wide is None else wide).stratum_draws
    draws = np.zeros((0, 0)) if drawn is None else drawn.to_numpy(np.float64)
    said = (population.alike if wide is None else wide).interval_given
    return _Source(population.strata, draws, said)


def _levels_of(text: str, known: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Read a part, ``year=2018, age=minor|adult``."""
    where: dict[str, list[Any]] = {}
    for each in filter(str.strip, text.split(",")):
        name, equals, asked = (piece.strip() for piece in each.partition("="))
        if not equals or name not in known:
            raise ModelError(
                f"[{text}] is not understood: {_EXPECTED}. The covariates are {listed(known, 12)}."
                f"{near(name, list(known))}"
            )
        levels = {str(level): level for level in known[name]}
        wanted = [piece.strip() for piece in asked.split("|")]
        unknown = [piece for piece in wanted if piece not in levels]
        if unknown:
            raise ModelError(
                f"{name} has no level {unknown[0]!r}: there are {listed(levels, 12)}."
                f"{near(unknown[0], list(levels))}"
            )
        where[name] = [levels[piece] for piece in wanted]
    return where


def _parsed(
    plain: str, expression: str
) -> tuple[ast.expr, Callable[[Any, Any], Any] | None, ast.expr | None]:
    """Split an expression into what is computed, and with what it is compared."""
    try:
        body = ast.parse(plain, mode="eval").body
    except SyntaxError:
        raise ModelError(f"{expression!r} is not understood: {_EXPECTED}.") from None
    if not isinstance(body, ast.Compare):
        return body, None, None
    if len(body.ops) != 1 or type(body.ops[0]) not in _COMPARED:
        raise ModelError(f"{expression!r} is not understood: {_EXPECTED}.")
    return body.left, _COMPARED[type(body.ops[0])], body.comparators[0]


def _value(node: ast.expr, parts: Mapping[str, Any], expression: str) -> Any:
    """Compute an expression of parts; nothing else in it is run."""
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        sides = _value(node.left, parts, expression), _value(node.right, parts, expression)
        return _ARITHMETIC[type(node.op)](*sides)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, parts, expression)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id in parts:
        return parts[node.id]
    raise ModelError(f"{expression!r} is not understood: {_EXPECTED}.")
