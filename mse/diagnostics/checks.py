"""The usual worries about a table and an estimate, in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from mse.answer.goodness import MISFIT, POOR_FIT, deviance_in_words, short_p
from mse.comparing import NOT_APPLICABLE
from mse.data.histories import in_words
from mse.diagnostics.fit import DEFAULT_SEED, goodness_of_fit, influence
from mse.errors import ModelError
from mse.loglinear import LogLinearFit, LogLinearSearchFit
from mse.loglinear.fit import complete_counts
from mse.sensitivity import leave_one_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import IntArray, Seed
    from mse.answer.protocols import Fit
    from mse.data.table import CaptureTable

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
        True: no warning, which does not show that all is well; False: there is a reason to worry;
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
        verdict = {True: "no warning", False: "WARNING", None: "not judged"}[self.passed]
        return f"{self.name}: {verdict}. {self.text}"

    def __str__(self) -> str:
        return self.summary()


def check(
    table: CaptureTable, fit: Fit | None = None, *, seed: Seed = DEFAULT_SEED
) -> tuple[CheckResult, ...]:
    """Go through the usual worries about a table, and about an estimate from it.

    A check that finds nothing is no assurance: none of them can show that lists are independent, or that
    people have equal chances of being on a list.

    Parameters
    ----------
    table : CaptureTable
        Counts of complete histories.
    fit : Fit, optional
        A fit to this table. With it, the estimate is repeated without each list and without single
        persons, selection included, and its model is tested.
    seed : int or numpy.random.Generator, default 1
        For the bootstrap test of fit on a sparse table: the same p-value whenever it is asked again. With
        None a seed is drawn. The result on the fit keeps it.

    Returns
    -------
    tuple of CheckResult
        In this order: do all pairs of lists overlap; does one list carry the estimate; does it rest
        on histories of 1 or 2 persons; are 90% or more on one list only; and with a fit, does one
        person in a larger history change it much, is there an estimate, and does the model fit.

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
    complete_counts(table)
    if fit is not None and fit.table != table:
        raise ModelError("The fit is of another table; give the table it was fitted to.")
    found: dict[str, Verdict] = {
        "overlap of lists": _overlap(table),
        "one list carries the estimate": _carried(table, fit),
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
    return tuple(CheckResult(name, *verdict) for name, verdict in found.items())


def _overlap(table: CaptureTable) -> Verdict:
    both = table.overlaps().to_numpy(dtype=np.int64)
    pairs = zip(*np.triu_indices(table.n_lists, k=1), strict=True)
    empty = [(a, b) for a, b in pairs if both[a, b] == 0]
    if not empty:
        return True, "Each pair of lists has persons in common."
    shared = both - np.diag(np.diag(both))
    lonely = [table.lists[i] for i in np.flatnonzero(shared.sum(axis=0) == 0)]
    named = "; ".join(f"{table.lists[a]} and {table.lists[b]}" for a, b in empty[:6])
    more = _more(len(empty) - 6, "pair")
    text = (
        f"Nobody is on both lists of {len(empty):,} of {math.comb(table.n_lists, 2):,} pairs "
        f"({named}{more}). Whether they avoid each other's persons or are small cannot be told "
        "from the data."
    )
    if lonely:
        text += f" No one of {', '.join(lonely)} is on any other list, which may be faulty linkage."
    return False, text


def _more(number: int, noun: str) -> str:
    """Count what is not named; empty where everything is."""
    return f"; and {number:,} {noun}{'s' * (number != 1)} more" if number > 0 else ""


def _carried(table: CaptureTable, fit: Fit | None) -> Verdict:
    if table.n_lists < 3:
        return None, "With two lists each carries the estimate: neither can go."
    worries = [*_holds_overlaps(table)]
    judged = ""
    if fit is not None and not math.isnan(fit.population.total):
        found = leave_one_out(fit.estimator, table)
        asked = [each for each in found.variants if each.trial.status != NOT_APPLICABLE]
        factors = {each.lists[0]: each.trial.total / found.whole.total for each in asked}
        known = [factor for factor in factors.values() if not math.isnan(factor)]
        if not known and not worries:
            none = "The method gives no estimate without any one list."
            return None, none if asked else _NOT_ASKED
        worries += _changed(factors)
        if known:
            most = max(max(factor, 1 / factor) for factor in known)
            judged = f"Leaving one list out changes the estimated total by a factor of at most {most:.2f}."
    if worries:
        return False, " ".join(worries)
    return True, judged or "No list holds nearly all of the overlaps."


_NOT_ASKED = "The method is for these lists together and cannot be asked of fewer."


def _holds_overlaps(table: CaptureTable) -> Iterator[str]:
    """Name the lists that hold nearly everyone who was seen more than once."""
    number, counts = _numbers(table)
    again = counts * (number >= 2)
    total = again.sum()
    for axis, name in enumerate(table.lists):
        held = np.take(again, 1, axis=axis).sum()
        if total and held >= MOST_OF_OVERLAPS * total:
            yield (
                f"{held:,} of the {total:,} persons on two lists or more are on {name}: the overlaps "
                "of the other lists with each other say little."
            )


def _changed(factors: dict[str, float]) -> Iterator[str]:
    for name, factor in factors.items():
        if math.isnan(factor):
            yield f"Without {name} the method gives no estimate."
        elif not 1 / MOST_FACTOR <= factor <= MOST_FACTOR:
            yield f"Without {name} the estimated total is {factor:.2f} times what it is with all lists."


def _numbers(table: CaptureTable) -> tuple[IntArray, IntArray]:
    """Give the number of lists of each history, and its count: tensors of shape ``(2,) * K``."""
    covariates = tuple(range(table.n_lists, len(table.axes)))
    counts: IntArray = table.counts.sum(axis=covariates) if covariates else table.counts
    return np.indices(counts.shape).sum(axis=0), counts


def _small_histories(table: CaptureTable, influences: pd.DataFrame | None) -> Verdict:
    if influences is None:
        return None, "There is no estimate that could rest on them."
    moving = _moving(influences[influences["observed"] <= SMALL])
    if moving.empty:
        return True, (
            f"No single person in a history of {SMALL} or fewer changes the estimated total by more "
            f"than {MOST_CHANGE:.0%}."
        )
    return False, (
        f"One person less in a history of {SMALL} or fewer changes the estimated total by more than "
        f"{MOST_CHANGE:.0%}. {_named(table, moving)}. One wrong or missed link would do the same."
    )


def _single_persons(table: CaptureTable, influences: pd.DataFrame | None) -> Verdict:
    """Judge histories that are not small: there one person matters when the model flips."""
    if influences is None:
        return None, "There is no estimate that could change."
    moving = _moving(influences[influences["observed"] > SMALL])
    if moving.empty:
        text = f"No single person in a larger history changes it by more than {MOST_CHANGE:.0%}."
        return True, text
    return False, (
        f"One person less changes the estimated total by more than {MOST_CHANGE:.0%}, though the "
        f"history holds more than {SMALL}. {_named(table, moving)}. Other models are about as good "
        "as the chosen one, or the overlaps are few: give the interval with the model re-selected."
    )


def _moving(influences: pd.DataFrame) -> pd.DataFrame:
    """Take the histories of which one person changes the total much, the most influential first."""
    size = influences["relative"].abs()
    order = size.sort_values(ascending=False, kind="stable", na_position="first").index
    return influences.loc[order][~(size.loc[order] <= MOST_CHANGE)]


def _named(table: CaptureTable, moving: pd.DataFrame) -> str:
    parts = [
        f"{in_words(table, int(row['cell']))} ({row['observed']:,}): {_effect(row['relative'])}"
        for row in moving.head(4).to_dict("records")
    ]
    more = "; and 1 history more" if len(moving) == 5 else _more(len(moving) - 4, "historie")
    return "; ".join(parts) + more


def _effect(relative: float) -> str:
    if math.isnan(relative):
        return "no estimate is left"
    return "no bound is left" if math.isinf(relative) else f"{relative:+.0%}"


def _small_overlaps(table: CaptureTable) -> Verdict:
    """Judge the table alone: whether most persons seen again are in small histories."""
    number, counts = _numbers(table)
    again = counts[number >= 2]
    total, few = int(again.sum()), int(again[again <= SMALL].sum())
    if not total:
        return False, "Nobody is on more than one list: there is no overlap at all."
    return 2 * few <= total, (
        f"{few:,} of the {total:,} persons on two lists or more are in histories of {SMALL} persons "
        "or fewer."
    )


def _single(table: CaptureTable) -> Verdict:
    number, counts = _numbers(table)
    n, single = int(counts.sum()), int(counts[number == 1].sum())
    if not n:
        return None, "Nobody was observed."
    passed = single < MOST_SINGLE * n
    text = f"{single:,} of {n:,} persons ({single / n:.0%}) are on one list only."
    return passed, text if passed else f"{text} The estimate rests on the other {n - single:,}."


def _estimable(fit: Fit) -> Verdict:
    text = "The data determine a total." if fit.status == "ok" else fit.reason
    return fit.status in ("ok", "boundary"), text


def _fits(fit: Fit, seed: Seed) -> Verdict:
    if not isinstance(fit, LogLinearFit | LogLinearSearchFit):
        return None, "There is no test of fit for this kind of method."
    found, how = goodness_of_fit(fit, replicates=0), "chi-squared"
    if found.sparse:
        found = goodness_of_fit(fit, seed=seed)
        how = "bootstrap" if found.seed is None else f"bootstrap, seed {found.seed}"
    if math.isnan(found.p_value):
        return None, "The model has no degrees of freedom left to test it."
    if isinstance(fit, LogLinearSearchFit) and fit.n_models > 1:
        how += ", too kind after selection"
    least = found.least_p if found.sparse else 0.0
    text = deviance_in_words(found.deviance, found.df, short_p(found.p_value, least), how)
    if found.p_value < POOR_FIT:
        return False, f"{text} {MISFIT}", found.seed
    return True, f"{text} No test of fit sees those on no list.", found.seed
