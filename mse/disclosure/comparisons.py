"""Comparisons made fit to leave: every estimate in them, and no measure that counts can be tried against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mse._text import Section, as_html, as_text, comparison_sections
from mse.disclosure.cells import Book
from mse.disclosure.populations import (
    ProtectedPopulation,
    described,
    margins_of,
    note_population,
    protect_with,
)
from mse.disclosure.protected import Protected, publish
from mse.estimators import Comparison
from mse.intervals import DEFAULT_LEVEL, STORED_LEVELS
from mse.table import CaptureTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from mse._typing import Limit, Status
    from mse.disclosure.publication import Publication
    from mse.disclosure.rules import Rules
    from mse.estimators import Fit

__all__ = [
    "ProtectedComparison",
    "ProtectedFit",
    "comparison_with",
    "margins_of_comparison",
    "note_comparison",
    "protect_comparison",
]

#: How well models fit: whoever knows all counts but some can try which ones fit as well.
_MEASURES = ("n_parameters", "deviance", "aic", "bic")


@dataclass(frozen=True, eq=False)
class ProtectedFit:
    """What leaves of a fit: the estimator and the answer.

    Attributes
    ----------
    estimator : object
        What was fitted.
    population : ProtectedPopulation
        The answer.
    table : CaptureTable
        The lists and covariates, and nobody on them.
    """

    estimator: Any
    population: ProtectedPopulation
    table: CaptureTable

    @property
    def status(self) -> Status:
        """The status of the answer."""
        return self.population.status

    @property
    def limit(self) -> Limit:
        """The limit of the answer."""
        return self.population.limit

    @property
    def reason(self) -> str:
        """Why there is no figure."""
        return self.population.reason


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ProtectedComparison(Comparison, Protected):
    """A comparison fit to leave, for whatever shows comparisons.

    Attributes
    ----------
    publication : Publication
        The counts as they leave.
    """

    publication: Publication

    def to_frame(self, level: float = DEFAULT_LEVEL) -> pd.DataFrame:
        """Show the answers as `Comparison.to_frame`, without measures of fit."""
        frame = super().to_frame(level)
        return frame.drop(columns=[name for name in _MEASURES if name in frame])

    def to_dict(self, *, levels: Iterable[float] = STORED_LEVELS) -> dict[str, Any]:
        """Write the comparison as `Comparison.to_dict`, with what was done to it."""
        return super().to_dict(levels=levels) | {"disclosure": described(self)}

    def summary(self, level: float = DEFAULT_LEVEL) -> str:
        """Put the comparison in words, with a mark for what is not shown."""
        return as_text(self._sections(level))

    def _repr_html_(self) -> str:
        return as_html(self._sections(DEFAULT_LEVEL))

    def _sections(self, level: float) -> list[Section]:
        sections = comparison_sections(self, level)
        return [*sections, Section("Disclosure control", paragraphs=(self.note,))]


def protect_comparison(
    comparison: Comparison,
    rules: Rules,
    *,
    margins: Iterable[Sequence[str]] | None = None,
    levels: Iterable[float] = STORED_LEVELS,
) -> ProtectedComparison:
    """Suppress and round the estimates of a comparison; parameters as of `protect_population`.

    Raises
    ------
    InvalidTableError
        If the estimates are of different persons.

    Examples
    --------
    >>> import mse
    >>> table = mse.load_dataset("kosovo")
    >>> c = mse.compare(table, [mse.LogLinear("main"), mse.LogLinear("all two-way")])
    >>> safe = mse.disclosure.protect_comparison(c, mse.disclosure.rules("cbs"))
    >>> safe.to_frame()["total"].tolist()
    [7395.0, 14400.0]
    """
    chosen = margins_of_comparison(comparison, margins)
    book = Book()
    note_comparison(book, comparison, chosen)
    known = tuple(levels)
    return comparison_with(comparison, publish(book.cells(), rules), margins=chosen, levels=known)


def margins_of_comparison(
    comparison: Comparison, margins: Iterable[Sequence[str]] | None = None
) -> tuple[tuple[str, ...], ...]:
    """By which covariates estimates are published: those of the first estimate that has strata."""
    with_strata = [each for each in comparison.populations if each.strata is not None]
    return margins_of(with_strata[0], margins) if with_strata else ()


def note_comparison(book: Book, comparison: Comparison, margins: Sequence[tuple[str, ...]]) -> None:
    """Note the observed persons of all estimates, which are those of the table."""
    for population in comparison.populations:
        note_population(book, population, margins if population.strata is not None else ())


def comparison_with(
    comparison: Comparison,
    publication: Publication,
    *,
    margins: Sequence[tuple[str, ...]],
    levels: Sequence[float] = STORED_LEVELS,
) -> ProtectedComparison:
    """Protect a comparison whose counts are published already."""
    blank = _without_counts(comparison.table)
    fits: list[Fit] = []
    for fit in comparison.fits:
        population = protect_with(
            fit.population,
            publication,
            table=comparison.table,
            margins=margins if fit.population.strata is not None else (),
            levels=levels,
        )
        fits.append(ProtectedFit(fit.estimator, population, blank))
    return ProtectedComparison(table=blank, fits=tuple(fits), publication=publication)


def _without_counts(table: CaptureTable) -> CaptureTable:
    """Keep lists, covariates and description of a table, and nobody in it."""
    nobody = np.zeros(0, dtype=np.int64)
    patterns = nobody.reshape(0, len(table.axes))
    return CaptureTable(table.lists, table.covariates, patterns, nobody, nobody, info=table.info)
