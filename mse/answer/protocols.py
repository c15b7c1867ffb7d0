"""One estimator on many tables: what resampling asks of a fit."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, is_dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from mse._drawing import Drawn
from mse._saving import Saved
from mse.answer.intervals import DEFAULT_LEVEL, REPEATED
from mse.core.existence import FINITE, INDETERMINATE, LIMITS
from mse.data.count_table import CountTable
from mse.data.persons import PersonTable
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from mse._typing import FloatArray, IntArray, Limit, Status
    from mse.answer.population import Given, PopulationEstimate
    from mse.data.table import CaptureTable


@runtime_checkable
class Fit(Protocol):
    """What an estimator learned from a table, immutable."""

    @property
    def estimator(self) -> Any:
        """What was fitted."""
        ...

    @property
    def table(self) -> CaptureTable:
        """The table it was fitted to."""
        ...

    @property
    def status(self) -> Status:
        """Whether the data determine the hidden number."""
        ...

    @property
    def limit(self) -> Limit:
        """Where the hidden number goes as the likelihood approaches its supremum."""
        ...

    @property
    def reason(self) -> str:
        """Why the status is not ``ok``, in words."""
        ...

    @property
    def population(self) -> PopulationEstimate:
        """The answer."""
        ...


@runtime_checkable
class Estimator(Protocol):
    """Assumptions and settings, without data: an immutable object with a ``fit`` method.

    Its ``repr`` shows all settings, and equal settings make equal, hashable estimators.
    """

    def fit(self, table: CaptureTable, /) -> Fit:
        """Fit to a table. Data that determine nothing give a status, never an exception."""
        ...


def settings_of(estimator: Any) -> Iterator[tuple[str, Any]]:
    """List the settings of an estimator that are shown; of those with ``repr=False`` the unusual ones."""
    for part in fields(estimator):
        value = getattr(estimator, part.name)
        if part.repr or value != part.default:
            yield part.name, value


def label_of(estimator: Any) -> str:
    """Write an estimator with its model or criterion and what is not default: short, and read back the same.

    Examples
    --------
    >>> import mse
    >>> label_of(mse.LogLinearSearch(criterion="aic")), label_of(mse.LogLinear("[12,3]"))
    ("LogLinearSearch('aic')", "LogLinear('[12,3]')")
    """
    if not is_dataclass(estimator):
        return repr(estimator)
    said = []
    for at, part in enumerate(fields(estimator)):
        usual = part.default if part.default_factory is MISSING else part.default_factory()
        value = getattr(estimator, part.name)
        if value != usual or (at == 0 and isinstance(value, str)):
            said.append(f"{part.name}={value!r}" if at or part.kw_only else repr(value))
    return f"{type(estimator).__name__}({', '.join(said)})"


class Sparing:
    """An estimator that is written with what `settings_of` finds."""

    def __repr__(self) -> str:
        settings = (f"{name}={value!r}" for name, value in settings_of(self))
        return f"{type(self).__name__}({', '.join(settings)})"


def check_lists_alone(estimator: object, table: CaptureTable) -> None:
    """Raise ``ModelError`` unless a table has lists alone, with all counts and memberships known."""
    name = type(estimator).__name__
    if table.covariates:
        raise ModelError(
            f"{name} takes no covariates and the table has {', '.join(table.covariates)}. Fit each "
            "of table.by(...), or sum over them with table.collapse(...)."
        )
    if not table.is_complete:
        raise ModelError(
            f"{name} needs every count and every list membership; in the table some are known in "
            "part, or only as margins. LogLinear takes such tables; or leave out the lists concerned with "
            "table.drop_lists(...)."
        )


def takes(estimator: object) -> str:
    """Say whether an estimator, or the one within it, takes lists, persons or counts, as its `Method` does."""
    inner = getattr(estimator, "estimator", estimator)
    return str(getattr(getattr(inner, "method", None), "takes", "lists"))


def suited(estimator: object, table: Any) -> Any:
    """Give an estimator a table as it takes it: of persons, those that take lists see the lists alone.

    Raises ModelError: if it takes another kind of table
    """
    wanted = takes(estimator)
    given = {CountTable: "counts", PersonTable: "persons"}.get(type(table), "lists")
    if (wanted, given) == ("lists", "persons"):
        return table.counted()
    if wanted == given:
        return table
    kind, how = {
        "lists": (
            "overlapping lists, a CaptureTable",
            "SingleRegister(...) is for counts of one register",
        ),
        "persons": (
            "persons with their covariates",
            (
                "read a file of persons with `individual` (--individual), or make a table with "
                "mse.PersonTable.from_frame(...)"
            ),
        ),
        "counts": (
            "how often persons were seen in one register",
            "read a file with `times_seen` (--times-seen), or make a table with mse.CountTable.from_frame(...)",
        ),
    }[wanted]
    raise ModelError(
        f"{type(estimator).__name__} takes {kind}, and was given a {type(table).__name__}; {how}."
    )


class Refits(NamedTuple):
    """Answers for B tables.

    Attributes
    ----------
    hidden : float64 array (B, S)
        Hidden persons by stratum; NaN where not estimable.
    limits : int8 array (B, S)
        Codes of `mse.core.existence.LIMITS`.
    failed : bool array (B,)
        Tables on which a computation failed.
    chosen : int64 array (B,)
        Number of the chosen model, for a search over a list of models; -1 elsewhere.
    settling : float64 array (B, J)
        Hidden persons of the choice among fewer and fewer candidates; infinite, zero or NaN like
        the limits; J is 0 where there are no candidates.
    """

    hidden: FloatArray
    limits: np.ndarray[tuple[int, int], np.dtype[np.int8]]
    failed: np.ndarray[tuple[int], np.dtype[np.bool_]]
    chosen: IntArray
    settling: FloatArray


class Refitter(Protocol):
    """Repeats a fitted estimator on other counts of the same table; can be sent to a worker."""

    @property
    def given(self) -> str:
        """What intervals from such refits take for granted."""
        ...

    @property
    def releases_gil(self) -> bool:
        """Whether threads run it in parallel."""
        ...

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """Numbers of candidates for ``Refits.settling``; empty where there are none."""
        ...

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, C), persons by cell."""
        ...


@runtime_checkable
class Refittable(Protocol):
    """A fit that knows a fast way to repeat itself."""

    def refitter(self, candidates: int | None = None) -> Refitter:
        """Return what repeats the fit, choosing among the best ``candidates`` models if given."""
        ...


@dataclass(frozen=True)
class TableRefitter:
    """Repeats any estimator by fitting it to a table with one set of counts after another."""

    estimator: Estimator
    table: CaptureTable
    given: str = REPEATED

    @property
    def releases_gil(self) -> bool:
        """Python code does not."""
        return False

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """There are no candidates."""
        return ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, C), persons by cell."""
        answers = [self._answer(row) for row in counts]
        hidden = np.stack([answer[0] for answer in answers])
        limits = np.stack([answer[1] for answer in answers])
        failed = np.asarray([answer[2] for answer in answers], dtype=np.bool_)
        none = np.zeros((len(counts), 0))
        return Refits(hidden, limits, failed, np.full(len(counts), -1, dtype=np.int64), none)

    def _answer(self, row: FloatArray) -> tuple[FloatArray, Any, bool]:
        table = self.table.with_counts(row.reshape(self.table.shape).astype(np.int64))
        found = self.estimator.fit(table).population
        strata = found.strata
        if strata is None:
            hidden, limits = np.asarray([found.hidden]), [found.limit]
        else:
            hidden, limits = strata.hidden, list(strata.limit)
        codes = np.asarray([LIMITS.index(limit) for limit in limits], dtype=np.int8)
        failed = found.status == "not_converged"
        # A failed fit has no limit to count with.
        codes[np.isnan(hidden) & (codes == FINITE)] = INDETERMINATE
        return hidden, codes, failed


# Fits shown: what was learned, above the answer, as text and as HTML ------------------------------


class _Answering(Protocol):
    @property
    def population(self) -> PopulationEstimate: ...

    def _headline(self) -> str: ...


class Fitted(Drawn, Saved):
    """What all fits can do beside giving their ``population``, whose status is theirs.

    Examples
    --------
    >>> import mse
    >>> fit = mse.LogLinear("[12,23]").fit(mse.load_dataset("korea"))
    >>> print(fit.summary().splitlines()[0])
    [12,23]: 6 parameters, deviance 1.93 on 1 df, AIC 40.27, BIC 57.14
    """

    __slots__ = ()

    @property
    def status(self: _Answering) -> Status:
        """Whether the data determine the total: ``ok``, ``boundary``, ``not_estimable``, ``not_converged``."""
        return self.population.status

    @property
    def limit(self: _Answering) -> Limit:
        """Where the hidden number goes as the likelihood approaches its supremum."""
        return self.population.limit

    @property
    def reason(self: _Answering) -> str:
        """Why the status is not ``ok``, in words; empty where it is."""
        return self.population.reason

    def to_frame(self: _Answering, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Show the answer as a DataFrame of one row, as `PopulationEstimate.to_frame` does."""
        return self.population.to_frame(level)

    def conf_int(
        self: _Answering, level: float = DEFAULT_LEVEL, given: Given | None = None
    ) -> tuple[float, float]:
        """Interval of the total, persons, as of `PopulationEstimate.interval`."""
        return self.population.interval(level, given)

    def _headline(self) -> str:
        """Say what was fitted and how well; empty where the answer says it all."""
        return ""

    def summary(self: _Answering) -> str:
        """Describe what was learned, and the answer, in words."""
        head = self._headline()
        answer = self.population.summary()
        return f"{head}\n\n{answer}" if head else answer

    def _repr_html_(self: _Answering) -> str:
        head = self._headline()
        answer = self.population._repr_html_()
        return f"<pre>{escape(head)}</pre>{answer}" if head else answer


@dataclass(frozen=True, eq=False, repr=False)
class Answered(Fitted):
    """A fit that is its answer and nothing more.

    Attributes
    ----------
    estimator : Estimator
        What was fitted.
    table : CaptureTable
        To what.
    population : PopulationEstimate
        The answer.
    """

    estimator: Any
    table: CaptureTable
    population: PopulationEstimate

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.estimator!r}: {self.status}>"
