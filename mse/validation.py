"""Validation against known truths: each list in turn as a population that the others estimate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from mse._progress import track
from mse.answer.intervals import DEFAULT_LEVEL, check_level
from mse.answer.shown import Result, Section, layout, persons, span
from mse.comparing import NOT_APPLICABLE, Trial, attempt_on_other, check_estimator, skipped
from mse.data.datasets import data_from, table_from
from mse.data.persons import PersonTable
from mse.errors import ModelError
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse.answer.protocols import Estimator
    from mse.data.table import CaptureTable

#: A list with fewer persons than this on any other list is no test of an estimator.
FEWEST_OBSERVED = 5
_INTERRUPTED = Message("reason.interrupted")


class Target(NamedTuple):
    """A list as a population of known size."""

    name: str
    truth: int  # persons on it: the size of the population
    observed: int  # those who are on another list as well; the others are hidden
    table: (
        CaptureTable | PersonTable | None
    )  # their histories on the other lists; None where they cannot be used
    why_not: str  # empty where they can


@dataclass(frozen=True, slots=True)
class Validated:
    """An estimator on one list as the population."""

    estimator: Estimator
    list: str
    truth: int  # persons on it
    observed: int  # those of them on another list
    trial: Trial
    ends: tuple[float, float]  # the interval, persons; NaN where there is none

    @property
    def log_bias(self) -> float:
        """Log of the estimate over the truth; NaN where there is no estimate."""
        total = self.trial.total
        return math.log(total / self.truth) if total > 0 else math.nan

    @property
    def miss(self) -> str:
        """Where the interval lies: ``"under"`` or ``"over"`` the truth; empty if neither."""
        # A population without hidden persons is covered by an interval that starts at it.
        if self.ends[1] < self.truth:
            return "under"
        return "over" if self.ends[0] > self.truth else ""

    @property
    def covered(self) -> bool | None:
        """Whether the interval holds the truth; None where there is no interval."""
        return None if math.isnan(self.ends[0]) or math.isnan(self.ends[1]) else not self.miss


@dataclass(frozen=True, eq=False, repr=False)
class Validation(Result):
    """How well estimators find populations of known size: the lists of a table.

    Attributes
    ----------
    table : CaptureTable
        The table.
    estimators : tuple of Estimator
        What was validated.
    results : tuple of Validated
        One for each estimator and list, in that order.
    level : float
        Level of the intervals.
    """

    references = (
        "Binette, O. and Steorts, R. C. (2022). On the reliability of multiple systems estimation. Journal of the Royal Statistical Society A 185, 640-676.",
    )

    table: CaptureTable
    estimators: tuple[Estimator, ...]
    results: tuple[Validated, ...]
    level: float

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each estimator and list.

        Returns
        -------
        DataFrame
            ``estimator`` (its ``repr``), ``list``, ``truth`` (persons on the list), ``observed``
            (on another list as well), ``estimate``, ``log_bias``, ``low``, ``high``, ``covered``
            (nullable boolean: NA without an interval), ``miss`` (``"under"``, ``"over"`` or
            empty), ``interval_kind``, ``model``, ``status``, ``reason``, ``lower_bound``.
        """
        frame = pd.DataFrame([_row(each) for each in self.results])
        return frame.astype({"covered": "boolean"})

    def by_estimator(self) -> pd.DataFrame:
        """Sum the lists up for each estimator.

        Returns
        -------
        DataFrame
            Indexed by the estimators' ``repr``: ``n_lists``; ``n_estimated``, ``n_not_estimable``
            (failed computations included) and ``n_not_applicable``, which add up to it;
            ``mean_log_bias`` and ``rms_log_error`` over the lists with an estimate;
            ``n_intervals``, ``n_covered``, ``n_under``, ``n_over`` and ``coverage``, the share of
            the intervals that hold the truth.
        """
        rows = [
            {"estimator": repr(estimator), **_summed(self._own(i))}
            for i, estimator in enumerate(self.estimators)
        ]
        return pd.DataFrame(rows).set_index("estimator")

    def __repr__(self) -> str:
        return f"<Validation: {len(self.estimators)} estimators, {self.table.n_lists} lists>"

    def _sections(self) -> list[Section]:
        text = (
            "Each list in turn is taken as a population of known size, which the other lists estimate. "
            "Persons on that list alone are the hidden ones. A method that misses here has no claim on the "
            "population at large; one that does not miss has been tested on people who came onto a list, "
            "who may be easier to find than the others."
        )
        names = tuple(
            (str(i + 1), f"{each!r}{' (a lower bound)' * self.is_bound(i)}")
            for i, each in enumerate(self.estimators)
        )
        sections = [
            Section("Lists as populations of known size", paragraphs=(text,)),
            Section("Methods", rows=names),
            Section("By method", verbatim=self._methods()),
            Section("By method and list", verbatim=self._lists()),
        ]
        failures = self._failures()
        return [*sections, Section("Not estimated", bullets=failures)] if failures else sections

    def is_bound(self, i: int) -> bool:
        """Whether an estimator, by its place, gives lower bounds."""
        return any(each.trial.lower_bound for each in self._own(i))

    def _own(self, i: int) -> tuple[Validated, ...]:
        """Take the results of one estimator."""
        return self.results[i * self.table.n_lists : (i + 1) * self.table.n_lists]

    def _numbered(self) -> Iterator[tuple[str, Validated]]:
        """Give the results with the numbers of their estimators."""
        for at, each in enumerate(self.results):
            yield str(at // self.table.n_lists + 1), each

    def _failures(self) -> tuple[str, ...]:
        """Say once for each list and reason what was not estimated, and by which methods."""
        who: dict[tuple[str, str], list[str]] = {}
        for method, each in self._numbered():
            if math.isnan(each.trial.total):
                who.setdefault((each.list, each.trial.reason), []).append(method)
        return tuple(
            f"{name}, method {', '.join(methods)}: {reason}"
            for (name, reason), methods in who.items()
        )

    def _methods(self) -> str:
        head = ["method", "lists", "estimated", "mean log-bias", "covered", "too low", "too high"]
        rows = []
        for i, row in enumerate(self.by_estimator().to_dict("records"), start=1):
            bias = "-" if math.isnan(row["mean_log_bias"]) else f"{row['mean_log_bias']:+.2f}"
            covered = f"{row['n_covered']} of {row['n_intervals']}"
            counts = (row[name] for name in ("n_lists", "n_estimated", "n_under", "n_over"))
            n_lists, n_estimated, under, over = map(str, counts)
            rows.append([str(i), n_lists, n_estimated, bias, covered, under, over])
        return layout(head, rows)

    def _lists(self) -> str:
        interval = f"{100 * self.level:g}% interval"
        head = ["method", "list", "truth", "observed", interval, "point", "status", ""]
        rows = []
        for method, each in self._numbered():
            verdict = {"under": "too low", "over": "too high"}.get(each.miss, "")
            truth, observed = persons(each.truth), persons(each.observed)
            figures = [truth, observed, span(*each.ends), each.trial.point]
            rows.append([method, each.list, *figures, each.trial.status, verdict])
        return layout(head, rows)


def _row(each: Validated) -> dict[str, Any]:
    found = each.trial.population
    return {
        "estimator": repr(each.estimator),
        "list": each.list,
        "truth": each.truth,
        "observed": each.observed,
        "estimate": each.trial.total,
        "log_bias": each.log_bias,
        "low": each.ends[0],
        "high": each.ends[1],
        "covered": each.covered,
        "miss": each.miss,
        "interval_kind": "" if found is None else found.interval_kind,
        "model": "" if found is None else found.model,
        "status": each.trial.status,
        "reason": each.trial.reason,
        "lower_bound": each.trial.lower_bound,
    }


def _summed(own: tuple[Validated, ...]) -> dict[str, Any]:
    biases = np.asarray([each.log_bias for each in own if not math.isnan(each.log_bias)])
    judged = [each for each in own if each.covered is not None]
    n_covered = sum(each.covered is True for each in judged)
    n_skipped = sum(each.trial.status == NOT_APPLICABLE for each in own)
    return {
        "n_lists": len(own),
        "n_estimated": biases.size,
        "n_not_estimable": len(own) - biases.size - n_skipped,
        "n_not_applicable": n_skipped,
        "mean_log_bias": float(biases.mean()) if biases.size else math.nan,
        "rms_log_error": float(np.sqrt((biases**2).mean())) if biases.size else math.nan,
        "n_intervals": len(judged),
        "n_covered": n_covered,
        "n_under": sum(each.miss == "under" for each in judged),
        "n_over": sum(each.miss == "over" for each in judged),
        "coverage": n_covered / len(judged) if judged else math.nan,
    }


def targets(
    table: CaptureTable | PersonTable, *, min_observed: int = FEWEST_OBSERVED
) -> tuple[Target, ...]:
    """Take each list as a population of known size, seen by the other lists.

    Lists on which nobody of the target list stands are left out of its table: they say nothing about it.

    Examples
    --------
    >>> import mse
    >>> from mse.validation import targets
    >>> [(t.name, t.truth, t.observed) for t in targets(mse.load_dataset("korea"))]
    [('b', 77, 72), ('c', 71, 66), ('d', 59, 18)]
    """
    if isinstance(table, PersonTable):
        return tuple(
            _of_persons(each, table) for each in targets(table.counted(), min_observed=min_observed)
        )
    table = table_from(table)
    if table.n_lists < 3:
        raise ModelError(
            f"The table has {table.n_lists} lists; with one of them as the population fewer than "
            "two are left to estimate it. Expected at least three."
        )
    if not table.is_complete:
        raise ModelError(
            "In the table some counts or memberships are known in part, or only as margins, so the "
            "truth about a list is not known. Validate on the fully known part."
        )
    return tuple(_target(table, axis, min_observed) for axis in range(table.n_lists))


def _of_persons(target: Target, table: PersonTable) -> Target:
    """Put the persons themselves, with their covariates, in the place of their counts."""
    if target.table is None:
        return target
    members = table.members_of(target.name).keep_lists(target.table.lists)
    return target._replace(table=members.with_info(scope=target.table.info.scope))


def _target(table: CaptureTable, axis: int, min_observed: int) -> Target:
    name = table.lists[axis]
    members = np.take(table.counts, 1, axis=axis)
    truth = int(members.sum())
    members[(0,) * (table.n_lists - 1)] = 0
    observed = int(members.sum())
    seen = table.drop_lists([name]).with_counts(members)
    totals = np.diag(seen.overlaps().to_numpy(dtype=np.int64))
    useful = [other for other, total in zip(seen.lists, totals, strict=True) if total]
    why_not = ""
    if len(useful) < 2:
        why_not = Message("nobody.elsewhere", name=name)
        if useful:
            why_not = Message("reason.list_persons_on", name=name, other=useful[0])
    elif observed < min_observed:
        why_not = Message("reason.too_few_observed", n=observed, name=name, least=min_observed)
    if why_not:
        return Target(name, truth, observed, None, why_not)
    if len(useful) < len(seen.lists):
        seen = seen.keep_lists(useful)
    scope = f"persons on the list {name}, a known {truth:,}"
    return Target(name, truth, observed, seen.with_info(scope=scope), "")


def validate(
    table: CaptureTable,
    estimators: Iterable[Estimator] | Estimator,
    level: float = DEFAULT_LEVEL,
    *,
    n_jobs: int | None = None,
    progress: bool | None = None,
    min_observed: int = FEWEST_OBSERVED,
) -> Validation:
    """Test estimators on populations of known size: each list, as the other lists see it.

    The persons on one list are a population whose size is known. Their histories on the other lists make
    a table in which those on no other list are hidden; each estimator estimates the size of
    the list from it (Binette & Steorts 2022).

    Parameters
    ----------
    table : CaptureTable or PersonTable
        At least three lists, all counts and memberships known.
    estimators : Estimator or iterable of Estimator
        Any. A model that names the list loses the terms with it. One that cannot be asked of a list's
        table gives rows with the status ``not_applicable`` and the reason.
    level : float, default 0.95
        Level of the intervals.
    n_jobs : int, optional
        Workers of joblib, one task for each estimator and list; by default those of
        ``joblib.parallel_config``, else one. The answers do not depend on it.
    progress : bool, optional
        Show a bar; by default in a terminal or notebook.
    min_observed : int, default 5
        Lists of which fewer persons are on another list are not tried: ``not_applicable``.

    Returns
    -------
    Validation
        ``to_frame()`` by estimator and list, ``by_estimator()``, ``summary()``. If interrupted
        from the keyboard, what was not reached is ``not_applicable``, and says so.

    Raises
    ------
    ModelError
        If the table has fewer than three lists, or is known in part; or one of the estimators is
        none.

    Notes
    -----
    The lists of a table share their persons, so the rows are not independent: coverage over so
    few lists tells gross failures, not the last percent. For the intervals that include the choice
    of model give `mse.comparing.Bootstrapped` of an estimator.

    Examples
    --------
    >>> import mse
    >>> v = mse.validate(mse.load_dataset("kosovo"), [mse.LogLinear("main")])
    >>> v.to_frame()[["list", "truth", "observed", "estimate", "miss"]].round(0)
       list  truth  observed  estimate   miss
    0   EXH   1910       779    1117.0  under
    1   ABA   1528       683     894.0  under
    2  OSCE   1786       850    1259.0  under
    3   HRW    685       379     546.0  under
    """
    check_level(level)
    table = data_from(table)
    chosen = tuple(estimators) if isinstance(estimators, Iterable) else (estimators,)
    for estimator in chosen:
        check_estimator(estimator)
    if not chosen:
        raise ModelError("There is nothing to validate: give at least one estimator.")
    work = list(product(chosen, targets(table, min_observed=min_observed)))
    outcomes = _outcomes(table, work, level, n_jobs, progress)
    results = tuple(
        Validated(estimator, target.name, target.truth, target.observed, trial, ends)
        for (estimator, target), (trial, ends) in zip(work, outcomes, strict=True)
    )
    return Validation(table, chosen, results, level)


_Outcome = tuple[Trial, tuple[float, float]]


def _outcomes(
    table: CaptureTable,
    work: list[tuple[Estimator, Target]],
    level: float,
    n_jobs: int | None,
    progress: bool | None,
) -> list[_Outcome]:
    """Try each estimator on each target; what an interruption leaves out says so."""
    from joblib import Parallel, delayed

    missing = (skipped(_INTERRUPTED), (math.nan, math.nan))
    outcomes: list[_Outcome] = [missing] * len(work)
    tasks = (delayed(_outcome)(*each, level, table) for each in work)
    found = Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    try:
        for i, outcome in enumerate(track(found, len(work), "Validating", progress=progress)):
            outcomes[i] = outcome
    except (KeyboardInterrupt, BrokenExecutor):
        found.close()
    return outcomes


def _outcome(estimator: Estimator, target: Target, level: float, whole: CaptureTable) -> _Outcome:
    if target.table is None:
        return skipped(target.why_not), (math.nan, math.nan)
    trial = attempt_on_other(estimator, whole, target.table)
    # The interval may be costly (a profile likelihood): it is computed here, in the worker.
    return trial, trial.interval(level)
