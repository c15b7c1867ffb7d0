"""Counts of a table as a report shows them: suppressed ones are NaN."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import FloatArray, Level
    from mse.table import CaptureTable, TableInfo

__all__ = ["Counts", "counts_of"]


@dataclass(frozen=True, eq=False)
class Counts:
    """What may be shown of a table.

    Attributes
    ----------
    lists : tuple of str
        Names of the lists.
    covariates : mapping of str to tuple
        Levels of the covariates.
    info : TableInfo
        What the table is about.
    observed : float
        Persons on at least one list.
    sizes : mapping of str to float
        Persons on each list; NaN where suppressed.
    overlaps : float64 array (K, K) or None
        Persons on both lists of each pair, NaN where suppressed; None where they are not known.
    alone : mapping of str to float
        Persons on each list and no other; empty where they are not known or may not be shown.
    by_number : mapping of int to int
        Persons by the number of lists they are on; empty as `alone`.
    n_cells : int
        Cells of the table.
    is_complete : bool
        Whether everything is exactly known.
    fingerprint : str
        Of the counts; empty where it may not be shown.
    table : CaptureTable or None
        The table, for figures; None where its counts may not be shown.
    suppressed, shown : int
        How many counts are not shown, of how many there is a place for.
    """

    lists: tuple[str, ...]
    covariates: Mapping[str, tuple[Level, ...]]
    info: TableInfo
    observed: float
    sizes: Mapping[str, float]
    overlaps: FloatArray | None
    alone: Mapping[str, float]
    by_number: Mapping[int, int]
    n_cells: int
    is_complete: bool
    fingerprint: str
    table: CaptureTable | None
    suppressed: int = 0
    shown: int = 0

    def both(self, first: str, second: str) -> float:
        """Persons on both of two lists; NaN where suppressed."""
        if self.overlaps is None:
            return math.nan
        return float(self.overlaps[self.lists.index(first), self.lists.index(second)])


def counts_of(table: CaptureTable) -> Counts:
    """Take the counts of a table, all of them."""
    overlaps = table.overlaps().to_numpy(dtype=np.float64, na_value=np.nan)
    on = table.patterns[:, : table.n_lists] == 1
    number = on.sum(axis=1)
    alone: dict[str, float] = {}
    by_number: dict[int, int] = {}
    if table.is_complete:
        persons = np.bincount(number, weights=table.low, minlength=table.n_lists + 1)
        by_number = {i: int(count) for i, count in enumerate(persons) if i}
        single = on[number == 1].T @ table.low[number == 1]
        alone = dict(zip(table.lists, single.astype(float).tolist(), strict=True))
    return Counts(
        lists=table.lists,
        covariates=table.covariates,
        info=table.info,
        observed=float(table.n_observed),
        sizes=dict(zip(table.lists, np.diag(overlaps).tolist(), strict=True)),
        overlaps=None if table.margins is not None else overlaps,
        alone=alone,
        by_number=by_number,
        n_cells=table.n_cells,
        is_complete=table.is_complete,
        fingerprint=table.fingerprint,
        table=table,
    )
