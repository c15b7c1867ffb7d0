"""Models by number, as a search tries them: of a catalogue, of a list, of several searches."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mse.core.fitting import BatchFit, fit_models
from mse.core.newton import Design, make_design
from mse.loglinear.design import table_design
from mse.models.catalogue import Catalogue, catalogue
from mse.models.heterogeneity import with_form
from mse.models.terms import HierarchicalModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import BoolArray
    from mse.data.table import CaptureTable
    from mse.loglinear.design import TableDesign
    from mse.models.heterogeneity import Heterogeneity


class ModelSource(Protocol):
    """Models by number, written or built when somebody asks."""

    def notation(self, i: int) -> str:
        """Write model i."""
        ...

    def structure(self, i: int) -> HierarchicalModel:
        """Build model i."""
        ...

    def form(self, i: int) -> str | None:
        """Say how persons differ in model i."""
        ...


@dataclass(frozen=True)
class CatalogueModels:
    """Models of a catalogue, all with one form of heterogeneity."""

    lists: tuple[str, ...]
    max_order: int | None
    heterogeneity: str | None = None

    def notation(self, i: int) -> str:
        """Write model i."""
        model = catalogue(len(self.lists), self.max_order).notation(i)
        return with_form(model, self.heterogeneity)

    def form(self, i: int) -> str | None:  # noqa: ARG002 (it is that of all)
        """Say how persons differ in model i."""
        return self.heterogeneity

    def structure(self, i: int) -> HierarchicalModel:
        """Build model i."""
        return catalogue(len(self.lists), self.max_order).model(i, self.lists)


@dataclass(frozen=True)
class ListedModels:
    """Models in a list, all with one form of heterogeneity."""

    models: tuple[HierarchicalModel, ...]
    heterogeneity: str | None = None

    def notation(self, i: int) -> str:
        """Write model i."""
        return with_form(self.models[i].notation(), self.heterogeneity)

    def structure(self, i: int) -> HierarchicalModel:
        """Build model i."""
        return self.models[i]

    def form(self, i: int) -> str | None:  # noqa: ARG002 (it is that of all)
        """Say how persons differ in model i."""
        return self.heterogeneity


@dataclass(frozen=True)
class JoinedModels:
    """Models of several searches, one after the other."""

    parts: tuple[ModelSource, ...]
    firsts: tuple[int, ...]

    def _at(self, i: int) -> tuple[ModelSource, int]:
        part = bisect_right(self.firsts, i) - 1
        return self.parts[part], i - self.firsts[part]

    def notation(self, i: int) -> str:
        """Write model i."""
        part, j = self._at(i)
        return part.notation(j)

    def structure(self, i: int) -> HierarchicalModel:
        """Build model i."""
        part, j = self._at(i)
        return part.structure(j)

    def form(self, i: int) -> str | None:
        """Say how persons differ in model i."""
        part, j = self._at(i)
        return part.form(j)


def joined_fits(parts: Sequence[BatchFit]) -> BatchFit:
    """Put the fits of several searches of one table one after the other."""
    widest = max(part.coefficients.shape[2] for part in parts)
    alike = [
        part._replace(
            coefficients=np.pad(
                part.coefficients, ((0, 0), (0, 0), (0, widest - part.coefficients.shape[2]))
            )
        )
        for part in parts
    ]
    return BatchFit(*(np.concatenate(each, axis=1) for each in zip(*alike, strict=True)))


def differing_design(
    models: Catalogue, table: CaptureTable, asked: Heterogeneity
) -> tuple[TableDesign, BoolArray]:
    """Design of a catalogue's models with heterogeneity in each, and their parameters, (M, P)."""
    every = HierarchicalModel(table.lists, table.n_lists, models.terms)
    layout = table_design(table, every, {}, asked)
    members = np.tile(layout.strengths, (len(models), 1))
    members[:, 0] = True
    members[:, [layout.terms.index(term) for term in models.terms]] = models.members
    return layout, members


def list_design(models: Catalogue) -> tuple[Design, BoolArray]:
    """Design of a catalogue's models and their parameters, (M, U), the constant first."""
    axis_cells = 1 << np.arange(models.n_lists)[::-1]
    cells = np.asarray([0, *(int(axis_cells[list(term)].sum()) for term in models.terms)])
    design = make_design((2,) * models.n_lists, models.n_lists, cells)
    return design, np.column_stack([np.ones(len(models), dtype=np.bool_), models.members])


@lru_cache(maxsize=8)
def fits_of_catalogue(counts: bytes, n_lists: int, max_order: int | None) -> BatchFit:
    """Fit every model of a catalogue to a table, or remember the fits: they serve every criterion.

    counts: persons by cell, as doubles; the last tables are remembered, those of each list left out among them
    n_lists, max_order: as of `mse.models.catalogue.catalogue`
    """
    design, members = list_design(catalogue(n_lists, max_order))
    fits = fit_models(np.frombuffer(counts)[None], members, design)
    for each in fits:
        each.setflags(write=False)
    return fits
