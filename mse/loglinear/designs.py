"""Parameters of hierarchical models on a table: effects of factors, and trends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from mse.core.newton import Design, make_design, with_contrasts
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mse._typing import BoolArray, IntArray
    from mse.model import HierarchicalModel
    from mse.notation import Term
    from mse.table import CaptureTable

#: One step of a parameter's name: an axis, and a level (factor) or a power (trend).
Part = tuple[int, int]


@dataclass(frozen=True, eq=False)
class TableDesign:
    """The parameters that models on one table choose from.

    Attributes
    ----------
    core : Design
        Axes and parameters for the kernels.
    terms : tuple of tuple of int
        Term of each parameter, the constant's empty one first.
    parts : tuple of tuple
        For each parameter the level, or power of the trend, on each axis of its term.
    names : tuple of str
        Name of each parameter.
    """

    core: Design
    terms: tuple[Term, ...]
    parts: tuple[tuple[Part, ...], ...]
    names: tuple[str, ...]

    @cached_property
    def _term_number(self) -> dict[Term, int]:
        return {term: i for i, term in enumerate(dict.fromkeys(self.terms))}

    @cached_property
    def _terms(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.asarray([self._term_number[term] for term in self.terms], dtype=np.int64)

    def member(self, model: HierarchicalModel) -> BoolArray:
        """Which parameters a model has, (P,) bool."""
        present = np.zeros(len(self._term_number), dtype=np.bool_)
        present[[self._term_number[term] for term in model.terms]] = True
        return np.asarray(present[self._terms])

    def n_parameters(self, model: HierarchicalModel) -> int:
        """Count the parameters of a model."""
        return int(self.member(model).sum())

    def ranges(self, terms: Sequence[Term]) -> IntArray:
        """Where terms have their parameters, and how the cells of pairs of factors are numbered.

        Parameters
        ----------
        terms : sequence of tuple of int
            Terms of the design.

        Returns
        -------
        int64 array (T, 6)
            First parameter, and the one behind the last. For pairs of axes without a trend also the
            distances between cells along both axes and their numbers of levels beyond the first;
            otherwise zeros.
        """
        shape = self.core.shape
        strides = np.concatenate([np.cumprod(shape[:0:-1])[::-1], [1]])
        found = np.zeros((len(terms), 6), dtype=np.int64)
        for row, term in zip(found, terms, strict=True):
            first = self.terms.index(term)
            row[:2] = first, first + self.terms.count(term)
            if len(term) == 2 and self.core.starts.size == 0:
                row[2:4], row[4:6] = strides[list(term)], shape[list(term)] - 1
        return found


def check_trend(trend: Mapping[str, int], table: CaptureTable) -> dict[int, int]:
    """Degrees of the trends by axis.

    Parameters
    ----------
    trend : mapping of str to int
        Degree of the polynomial by covariate.
    table : CaptureTable
        Has these covariates.

    Raises
    ------
    ModelError
        If a name is not that of a covariate, or a degree does not fit its levels.
    """
    degrees: dict[int, int] = {}
    names = list(table.covariates)
    for name, degree in trend.items():
        if name not in names:
            known = ", ".join(names) or "none"
            raise ModelError(f"trend names {name!r}; the covariates of the table are: {known}.")
        most = len(table.covariates[name]) - 1
        if degree != int(degree) or not 1 <= degree <= most:
            raise ModelError(
                f"The trend of {name!r} has degree {degree!r}; with {most + 1} levels expected a "
                f"whole number from 1 to {most}."
            )
        degrees[table.n_lists + names.index(name)] = int(degree)
    return degrees


def table_design(
    table: CaptureTable, largest: HierarchicalModel, trend: Mapping[str, int]
) -> TableDesign:
    """Lay out the parameters of a model and of all models within it.

    A covariate with a trend of degree d enters every term by the powers 1 to d of its distance from
    the first level, in place of its levels. They span the same models as orthogonal polynomials
    do, since lower-order terms are always present, and being integers they keep the existence
    check exact.

    Parameters
    ----------
    table : CaptureTable
        Lists and covariates.
    largest : HierarchicalModel
        Contains every model of interest.
    trend : mapping of str to int
        Degree of the polynomial by covariate.
    """
    degrees = check_trend(trend, table)
    scores = {axis: _scores(table, axis) for axis in degrees}
    core = make_design(table.shape, table.n_lists, largest.parameters(table.shape))
    position = {int(cell): u for u, cell in enumerate(core.cells)}
    strides = [prod(table.shape[axis + 1 :]) for axis in range(len(table.shape))]
    terms: list[Term] = []
    parts: list[tuple[Part, ...]] = []
    columns: list[dict[int, int]] = []
    for term in largest.terms:
        sizes = [degrees.get(axis, table.shape[axis] - 1) for axis in term]
        for choice in product(*(range(1, size + 1) for size in sizes)):
            terms.append(term)
            parts.append(tuple(zip(term, choice, strict=True)))
            columns.append(_column(parts[-1], scores, strides, position))
    names = tuple(_name(table, each, degrees) for each in parts)
    if degrees:
        core = with_contrasts(core, columns)
    return TableDesign(core, tuple(terms), tuple(parts), names)


def _scores(table: CaptureTable, axis: int) -> list[int]:
    """Distance of each level from the first: in their own unit if all are whole numbers."""
    levels = list(table.covariates.values())[axis - table.n_lists]
    numbers = [level for level in levels if isinstance(level, int)]
    if len(numbers) == len(levels):
        return [number - numbers[0] for number in numbers]
    return list(range(len(levels)))


def _column(
    parts: tuple[Part, ...],
    scores: Mapping[int, list[int]],
    strides: Sequence[int],
    position: Mapping[int, int],
) -> dict[int, int]:
    """Weights of the effects that make up a parameter."""
    column = {0: 1}
    for axis, chosen in parts:
        if axis in scores:
            steps = {level: score**chosen for level, score in enumerate(scores[axis]) if score}
        else:
            steps = {chosen: 1}
        column = {
            cell + level * strides[axis]: weight * factor
            for cell, weight in column.items()
            for level, factor in steps.items()
        }
    return {position[cell]: weight for cell, weight in column.items()}


def _name(table: CaptureTable, parts: tuple[Part, ...], degrees: Mapping[int, int]) -> str:
    covariates = list(table.covariates.items())

    def one(axis: int, chosen: int) -> str:
        if axis < table.n_lists:
            return table.lists[axis]
        name, levels = covariates[axis - table.n_lists]
        return f"{name}^{chosen}" if axis in degrees else f"{name}={levels[chosen]}"

    return ":".join(one(axis, chosen) for axis, chosen in parts) or "intercept"
