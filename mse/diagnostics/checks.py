"""The usual worries about a table and an estimate, in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from mse._saving import Saved
from mse.answer.goodness import MISFIT, POOR_FIT, deviance_in_words, how_tested, short_p
from mse.answer.protocols import Fit
from mse.comparing import NOT_APPLICABLE
from mse.data.count_table import CountTable
from mse.data.datasets import data_from
from mse.data.histories import in_words
from mse.data.persons import PersonTable
from mse.diagnostics.fit import DEFAULT_SEED, goodness_of_fit, influence
from mse.diagnostics.registers import judged
from mse.errors import ModelError
from mse.loglinear import LogLinearFit, LogLinearSearchFit
from mse.loglinear.fit import complete_counts
from mse.messages import Message, joined
from mse.sensitivity import leave_one_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse._typing import IntArray, Seed
    from mse.data.table import CaptureTable
    from mse.sensitivity import LeaveOneOut

_OTHER = "The fit is of another table; give the table it was fitted to."
#: Whether a check passed, what was found, and the seed of a bootstrap behind it.
Verdict: TypeAlias = tuple[bool | None, str] | tuple[bool | None, str, int | None]

#: Leaving a list out should not change the total by more than this factor, up or down.
MOST_FACTOR = 2.0
#: A list that holds this share of all persons seen more than once is what the overlaps rest on. With
#: two lists each holds them all, with three one holds two thirds on average or more.
MOST_OF_OVERLAPS = 0.9
#: One person in a cell of so few should not change the total by more than a tenth.
SMALL, MOST_CHANGE = 2, 0.1
#: With so large a share of persons on one list only there is little overlap to learn from.
MOST_SINGLE = 0.9


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One worry, and whether there is reason for it.

    Parameters
    ----------
    name : str
        What was checked.
    passed : bool or None
        True: nothing found, which does not show that all is well; False: something to look into;
        None: could not be judged.
    text : str
        What was found, for a reader who is no statistician.
    seed : int or None
        Seed of the bootstrap behind it; None where nothing was drawn, or a generator was given.
    """

    name: str
    passed: bool | None
    text: str
    seed: int | None = None

    def to_frame(self) -> pd.DataFrame:
        """Show the check as a frame of one row."""
        return pd.DataFrame([{"name": self.name, "passed": self.passed, "text": self.text}])

    def summary(self) -> str:
        """Put the check in one line."""
        verdict = {True: "nothing found", False: "LOOK INTO IT", None: "not judged"}[self.passed]
        return f"{self.name}: {verdict}. {self.text}"

    def __str__(self) -> str:
        return self.summary()


@dataclass(frozen=True, repr=False)
class Checks(Saved):
    """The usual worries about one table, to go through one by one, or shown together.

    Attributes
    ----------
    results : tuple of CheckResult
        The checks, in order.
    """

    results: tuple[CheckResult, ...]

    def __iter__(self) -> Iterator[CheckResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, at: int) -> CheckResult:
        return self.results[at]

    def to_frame(self) -> pd.DataFrame:
        """Show the checks as a frame, one row each."""
        return pd.concat([each.to_frame() for each in self.results], ignore_index=True)

    def summary(self) -> str:
        """Put the checks in words, one below the other."""
        return "\n".join(each.summary() for each in self.results)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        worries = sum(each.passed is False for each in self.results)
        return f"<Checks: {len(self.results)} worries gone through, reason for {worries}>"


def check(
    table: CaptureTable | CountTable | PersonTable,
    fit: Fit | None = None,
    *,
    seed: Seed = DEFAULT_SEED,
) -> Checks:
    """Go through the usual worries about a table, and about an estimate from it.

    A check that finds nothing is no assurance: none of them can show that lists are independent, or that
    people have equal chances of being on a list.

    Parameters
    ----------
    table : CaptureTable, CountTable or PersonTable
        Counts of complete histories, or of how often persons were seen in one register. Of persons their lists are
        looked at.
    fit : Fit, optional
        A fit to this table. With it, the estimate is repeated without each list and without single
        persons, selection included, and its model is tested.
    seed : int or numpy.random.Generator, default 1
        For the bootstrap test of fit on a sparse table: the same p-value whenever it is asked again. With
        None a seed is drawn. The result on the fit keeps it.

    Returns
    -------
    Checks
        In this order: do all pairs of lists overlap; does one list carry the estimate; does it rest
        on histories of 1 or 2 persons; are 90% or more on one list only; and with a fit, does one
        person in a larger history change it much, is there an estimate, and does the model fit. Of one
        register: do those seen once decide; and with a fit, is there an estimate, and does the family
        describe how many were seen once, twice and so on.

    Raises
    ------
    ModelError
        If observations are known in part, or the fit is of another table.

    Examples
    --------
    >>> import mse
    >>> for each in mse.diagnostics.check(mse.load_dataset("artificial_3")):
    ...     print(each.name, each.passed)
    overlap of lists False
    one list carries the estimate False
    small histories True
    persons on one list only False
    """
    table = data_from(table)
    if fit is not None and not isinstance(fit, Fit):
        raise ModelError(f"The fit is {fit!r}: expected what fit() of an estimator gives, or None.")
    if isinstance(table, CountTable):
        if fit is not None and fit.table.fingerprint != table.fingerprint:
            raise ModelError(_OTHER)
        return Checks(
            tuple(CheckResult(Message(n), ok, text) for n, ok, text in judged(table, fit))
        )
    if isinstance(table, PersonTable):
        if fit is not None and fit.table.fingerprint != table.fingerprint:
            raise ModelError(_OTHER)
        found = checks_beside(table.counted(), None, None, seed=seed).results
        if fit is None:
            return Checks(found)
        own = CheckResult(Message.known("the data determine an estimate"), *_estimable(fit))
        return Checks((*found, own))
    return checks_beside(table, fit, None, seed=seed)


def checks_beside(
    table: CaptureTable, fit: Fit | None, left_out: LeaveOneOut | None, *, seed: Seed
) -> Checks:
    """Go through the same worries, the estimator of the fit without each list being at hand or not."""
    complete_counts(table)
    if fit is not None and fit.table != table:
        raise ModelError(_OTHER)
    if fit is not None and left_out is not None and left_out.estimator != fit.estimator:
        left_out = None
    found: dict[str, Verdict] = {
        "overlap of lists": _overlap(table),
        "one list carries the estimate": _carried(table, fit, left_out),
        "small histories": _small_overlaps(table),
        "persons on one list only": _single(table),
    }
    if fit is not None:
        influences = None
        if not math.isnan(fit.population.total):
            cells = np.flatnonzero(table.counts.ravel())
            influences = influence(fit, reselect=True).to_frame().assign(cell=cells)
        found |= {
            "small histories": _small_histories(table, influences),
            "one person more or less": _single_persons(table, influences),
            "the data determine an estimate": _estimable(fit),
            "the model fits": _fits(fit, seed),
        }
    results = (CheckResult(Message.known(name), *verdict) for name, verdict in found.items())
    return Checks(tuple(results))


def _overlap(table: CaptureTable) -> Verdict:
    both = table.overlaps().to_numpy(dtype=np.int64)
    pairs = zip(*np.triu_indices(table.n_lists, k=1), strict=True)
    empty = [(a, b) for a, b in pairs if both[a, b] == 0]
    if not empty:
        return True, Message("found.all_pairs")
    shared = both - np.diag(np.diag(both))
    lonely = [table.lists[i] for i in np.flatnonzero(shared.sum(axis=0) == 0)]
    both_of = [Message("joined.and", parts=(table.lists[a], table.lists[b])) for a, b in empty]
    text = Message(
        "nobody.pairs",
        n=len(empty),
        of=math.comb(table.n_lists, 2),
        names=_first(both_of, 6, "joined.more_pairs"),
    )
    return False, joined(text, Message("found.lonely", names=lonely) if lonely else "")


def _first(said: Sequence[str], most: int, rest: str) -> Message:
    """Name the first of several, and count what is not named."""
    more = [Message(rest, n=len(said) - most)] if len(said) > most else []
    return Message("joined.series", parts=(*said[:most], *more))


def _carried(table: CaptureTable, fit: Fit | None, left_out: LeaveOneOut | None) -> Verdict:
    if table.n_lists < 3:
        return None, Message("found.two_carry")
    worries = [*_holds_overlaps(table)]
    judged = ""
    if fit is not None and not math.isnan(fit.population.total):
        found = left_out or leave_one_out(fit.estimator, table)
        asked = [each for each in found.variants if each.trial.status != NOT_APPLICABLE]
        factors = {each.lists[0]: each.trial.total / found.whole.total for each in asked}
        known = [factor for factor in factors.values() if not math.isnan(factor)]
        if not known and not worries:
            return None, Message("found.none_without" if asked else "reason.not_asked")
        worries += _changed(factors)
        if known:
            most = max(max(factor, 1 / factor) for factor in known)
            judged = Message("found.leaving_out", factor=most)
    if worries:
        return False, joined(*worries)
    return True, judged or Message("found.no_hub")


def _holds_overlaps(table: CaptureTable) -> Iterator[str]:
    """Name the lists that hold nearly everyone who was seen more than once."""
    number, counts = _numbers(table)
    again = counts * (number >= 2)
    total = again.sum()
    for axis, name in enumerate(table.lists):
        held = np.take(again, 1, axis=axis).sum()
        if total and held >= MOST_OF_OVERLAPS * total:
            yield Message("found.hub", held=held, of=total, name=name)


def _changed(factors: dict[str, float]) -> Iterator[str]:
    for name, factor in factors.items():
        if math.isnan(factor):
            yield Message("found.without_none", name=name)
        elif not 1 / MOST_FACTOR <= factor <= MOST_FACTOR:
            yield Message("found.without_factor", name=name, factor=factor)


def _numbers(table: CaptureTable) -> tuple[IntArray, IntArray]:
    """Give the number of lists of each history, and its count: tensors of shape ``(2,) * K``."""
    covariates = tuple(range(table.n_lists, len(table.axes)))
    counts: IntArray = table.counts.sum(axis=covariates) if covariates else table.counts
    return np.indices(counts.shape).sum(axis=0), counts


def _small_histories(table: CaptureTable, influences: pd.DataFrame | None) -> Verdict:
    limits = {"most": SMALL, "within": MOST_CHANGE}
    if influences is None:
        return None, Message("found.no_estimate_rests")
    moving = _moving(influences[influences["observed"] <= SMALL])
    if moving.empty:
        return True, Message("found.small_fine", **limits)
    return False, Message("found.small_worry", **limits, names=_named(table, moving))


def _single_persons(table: CaptureTable, influences: pd.DataFrame | None) -> Verdict:
    """Judge histories that are not small: there one person matters when the model flips."""
    if influences is None:
        return None, Message("found.no_estimate_changes")
    moving = _moving(influences[influences["observed"] > SMALL])
    if moving.empty:
        return True, Message("found.person_fine", within=MOST_CHANGE)
    limits = {"most": SMALL, "within": MOST_CHANGE}
    return False, Message("found.person_worry", **limits, names=_named(table, moving))


def _moving(influences: pd.DataFrame) -> pd.DataFrame:
    """Take the histories of which one person changes the total much, the most influential first."""
    size = influences["relative"].abs()
    order = size.sort_values(ascending=False, kind="stable", na_position="first").index
    return influences.loc[order][~(size.loc[order] <= MOST_CHANGE)]


def _named(table: CaptureTable, moving: pd.DataFrame) -> Message:
    """Name histories of which one person matters, with what becomes of the total."""
    parts = [
        Message(
            "history.moves",
            history=in_words(table, int(row["cell"])),
            n=row["observed"],
            effect=_effect(row["relative"]),
        )
        for row in moving.to_dict("records")
    ]
    return _first(parts, 4, "joined.more_histories")


def _effect(relative: float) -> Message:
    if math.isfinite(relative):
        return Message("history.change", change=relative)
    return Message("history.no_estimate" if math.isnan(relative) else "history.no_bound")


def _small_overlaps(table: CaptureTable) -> Verdict:
    """Judge the table alone: whether most persons seen again are in small histories."""
    number, counts = _numbers(table)
    again = counts[number >= 2]
    total, few = int(again.sum()), int(again[again <= SMALL].sum())
    if not total:
        return False, Message("nobody.overlap_at_all")
    return 2 * few <= total, Message("found.small_share", few=few, of=total, most=SMALL)


def _single(table: CaptureTable) -> Verdict:
    number, counts = _numbers(table)
    n, single = int(counts.sum()), int(counts[number == 1].sum())
    if not n:
        return None, Message("nobody.observed")
    passed = single < MOST_SINGLE * n
    text = Message("found.single_share", single=single, of=n, share=single / n)
    return passed, joined(text, "" if passed else Message("found.rests_on_rest", rest=n - single))


def _estimable(fit: Fit) -> Verdict:
    text = Message("found.determined") if fit.status == "ok" else fit.reason
    return fit.status in ("ok", "boundary"), text


def _fits(fit: Fit, seed: Seed) -> Verdict:
    if not isinstance(fit, LogLinearFit | LogLinearSearchFit):
        return None, Message("found.no_test")
    found = goodness_of_fit(fit, replicates=0)
    if found.sparse:
        found = goodness_of_fit(fit, seed=seed)
    if math.isnan(found.p_value):
        return None, Message("found.no_freedom")
    selected = isinstance(fit, LogLinearSearchFit) and fit.n_models > 1
    how = how_tested(selected=selected, drawn=found.sparse, seed=found.seed)
    least = found.least_p if found.sparse else 0.0
    text = deviance_in_words(found.deviance, found.df, short_p(found.p_value, least), how)
    if found.p_value < POOR_FIT:
        return False, joined(text, MISFIT), found.seed
    return True, joined(text, Message("remark.unseen")), found.seed
