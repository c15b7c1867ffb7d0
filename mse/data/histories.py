"""Capture histories as rows of a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mse.core.lattice import levels_of
from mse.messages import Message

if TYPE_CHECKING:
    from mse._typing import IntArray
    from mse.data.table import CaptureTable


def history_frame(table: CaptureTable, cells: IntArray) -> pd.DataFrame:
    """Name cells of a table: ``history`` as a string of 0 and 1, and the level of each covariate.

    table: the table
    cells: positions of the cells in C order

    Examples
    --------
    >>> import mse, numpy as np
    >>> history_frame(mse.load_dataset("korea"), np.array([1, 6]))["history"].tolist()
    ['001', '110']
    """
    levels = levels_of(np.asarray(cells, dtype=np.int64), np.asarray(table.shape, dtype=np.int64))
    on = levels[:, : table.n_lists]
    columns: dict[str, list[object]] = {
        "history": ["".join(map(str, row)) for row in on.tolist()],
    }
    for axis, (name, values) in enumerate(table.covariates.items(), start=table.n_lists):
        columns[name] = [values[level] for level in levels[:, axis].tolist()]
    return pd.DataFrame(columns)


def in_words(table: CaptureTable, cell: int) -> str:
    """Say who is in a cell: ``"police and care only"``."""
    levels = levels_of(np.asarray([cell]), np.asarray(table.shape, dtype=np.int64))[0].tolist()
    lists = [name for name, on in zip(table.lists, levels, strict=False) if on]
    strata = [
        f"{name} {values[level]}"
        for (name, values), level in zip(
            table.covariates.items(), levels[table.n_lists :], strict=True
        )
    ]
    who = Message("history.only" if len(lists) < table.n_lists else "history.all", lists=lists)
    return Message("history.in", who=who, strata=strata) if strata else who
