"""Fast ways to repeat a log-linear model, or the search for one, on other counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from mse.core.batch import NOT_CONVERGED, fit_models
from mse.core.descent import descend
from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO
from mse.core.joint_search import search_jointly
from mse.core.newton import make_design
from mse.core.selection import Candidates, Selection, select
from mse.core.stepwise import forward_paths
from mse.loglinear.designs import table_design
from mse.refitting import GIVEN_MODEL, RESELECTED, Refits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design
    from mse.model import HierarchicalModel
    from mse.table import CaptureTable


@dataclass(frozen=True, eq=False)
class ModelRefitter:
    """Fits one model to other counts.

    Parameters
    ----------
    design : Design
        Axes and parameters.
    member : bool array (U,)
        Parameters of the model.
    """

    design: Design = field(repr=False)
    member: BoolArray = field(repr=False)
    given: str = GIVEN_MODEL
    releases_gil: bool = True
    checkpoints: tuple[int, ...] = ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, C), persons by cell."""
        fits = fit_models(counts, self.member[None], self.design)
        limits = fits.limits[:, 0]
        failed = fits.status[:, 0] == NOT_CONVERGED
        limits[failed] = INDETERMINATE
        size = len(counts)
        return Refits(
            fits.hidden[:, 0], limits, failed, np.full(size, -1, np.int64), np.zeros((size, 0))
        )


@dataclass(frozen=True, eq=False)
class SelectionRefitter:
    """Chooses the best model again for other counts.

    Parameters
    ----------
    candidates : Candidates
        Models to choose from, best first on the original table.
    kind : int
        Code of the criterion, see `mse.core.selection`.
    design : Design
        Axes and parameters.
    checkpoints : tuple of int
        Numbers of candidates at which the choice so far is kept; the last is all of them.
    """

    candidates: Candidates = field(repr=False)
    kind: int
    design: Design = field(repr=False)
    checkpoints: tuple[int, ...] = ()
    given: str = RESELECTED
    releases_gil: bool = True

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, C), persons by cell."""
        stops: IntArray = np.asarray(self.checkpoints, dtype=np.int64)
        found = select(counts, self.candidates, self.kind, stops, self.design)
        limits = found.limits[:, -1:].copy()
        limits[(found.chosen[:, -1] < 0) & found.failed] = INDETERMINATE
        return Refits(
            found.hidden[:, -1:],
            limits,
            found.failed & (found.chosen[:, -1] < 0),
            found.chosen[:, -1],
            _settled(found),
        )


def _settled(found: Selection) -> FloatArray:
    """Hidden counts at every checkpoint, the limits written as numbers."""
    hidden = found.hidden.copy()
    hidden[found.limits == INFINITE] = np.inf
    hidden[found.limits == ZERO] = 0.0
    return hidden


@dataclass(frozen=True, eq=False)
class PathRefitter:
    """Searches step by step again for other counts.

    Parameters
    ----------
    design : Design
        Axes and parameters: the main effects and all pairs of lists.
    pairs : int64 array (T,)
        Cells of the pairs, in the order that decides ties.
    threshold : float
        For a search by p-value: pairs are added below it.
    kind : int, optional
        Code of the criterion, see `mse.core.selection`; by p-value where left out.
    """

    design: Design = field(repr=False)
    pairs: IntArray = field(repr=False)
    threshold: float
    kind: int | None = None
    given: str = RESELECTED
    releases_gil: bool = True
    checkpoints: tuple[int, ...] = ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, C), persons by cell."""
        if self.kind is None:
            paths = forward_paths(counts, self.pairs, self.threshold, self.design)
        else:
            paths = descend(counts, self.pairs, self.kind, self.design)
        failed = paths.failed & np.isnan(paths.hidden)
        limits = paths.limits.copy()
        limits[failed] = INDETERMINATE
        hidden = np.where(limits == FINITE, paths.hidden, np.nan)
        size = len(counts)
        return Refits(
            hidden[:, None],
            limits[:, None],
            failed,
            np.full(size, -1, np.int64),
            np.zeros((size, 0)),
        )


@dataclass(frozen=True, eq=False)
class JointRefitter:
    """Searches over lists and covariates again for other counts.

    Parameters
    ----------
    design : Design
        Axes and parameters of all two-way terms.
    main : bool array (P,)
        Parameters of every model: the constant, the main effects, terms that are kept.
    ranges : int64 array (T, 6)
        Parameters and cells of each other two-way term, see
        `mse.loglinear.designs.TableDesign.ranges`.
    kind : int
        Code of the criterion, see `mse.core.selection`.
    """

    design: Design = field(repr=False)
    main: BoolArray = field(repr=False)
    ranges: IntArray = field(repr=False)
    kind: int
    given: str = RESELECTED
    releases_gil: bool = True
    checkpoints: tuple[int, ...] = ()

    def __call__(self, counts: FloatArray) -> Refits:
        """Refit to counts of shape (B, C), persons by cell."""
        found = search_jointly(counts, self.main, self.ranges, self.kind, self.design)
        limits = found.limits.copy()
        limits[found.failed] = INDETERMINATE
        size = len(counts)
        return Refits(
            found.hidden, limits, found.failed, np.full(size, -1, np.int64), np.zeros((size, 0))
        )


def path_refitter(n_lists: int, threshold: float, kind: int | None) -> PathRefitter:
    """Repeat a stepwise search over pairs of lists."""
    axis_cells = 1 << np.arange(n_lists)[::-1]
    pairs = np.asarray([int(axis_cells[list(p)].sum()) for p in combinations(range(n_lists), 2)])
    cells = np.concatenate([[0], axis_cells, pairs])
    return PathRefitter(make_design((2,) * n_lists, n_lists, cells), pairs, threshold, kind)


def joint_refitter(
    table: CaptureTable,
    scope: tuple[HierarchicalModel, HierarchicalModel],
    trend: Mapping[str, int],
    kind: int,
) -> JointRefitter | ModelRefitter:
    """Repeat a stepwise search over lists and covariates, by the two-way terms between two models.

    Where there is none between them there is nothing to choose, and the one model is fitted again.
    """
    least, most = scope
    layout = table_design(table, most, trend)
    terms, kept, ranges = layout.changing(least)
    if not terms:
        return ModelRefitter(layout.core, kept)
    return JointRefitter(layout.core, kept, ranges, kind)
