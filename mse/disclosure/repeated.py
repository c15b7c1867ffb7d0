"""Several publications of one table: what all of them tell together, as one system of whole numbers.

Each was checked by itself when it was made (`mse.disclosure.jointly`). Estimates of the same table that leave one after
the other are further equations between the same counts: six totals tell what each of them does not.
"""

from __future__ import annotations

import base64
import io
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from mse.disclosure.cells import label
from mse.disclosure.jointly import Known, system_of
from mse.disclosure.suppression import Protected
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mse.data.table import CaptureTable

#: What of a run makes its table another one.
_TABLE = ("lists", "levels", "patterns", "low", "high")


def together(
    runs: Sequence[Mapping[str, Any]],
    run: Mapping[str, Any],
    table: CaptureTable,
    protected: Iterable[object],
) -> dict[str, str]:
    """Check what a run prints with what earlier runs of the same table printed; gives what it prints, to be kept.

    runs: those before
    run: the present one, with its table
    protected: what it shows
    Raises ModelError: if together they tell a small count
    """
    publications = {
        id(each.publication): each.publication for each in protected if isinstance(each, Protected)
    }
    systems = [
        found for each in publications.values() if (found := system_of(each, table)) is not None
    ]
    own = [system.known for system in systems]
    before = [
        unpacked(each["printed"])
        for each in runs
        if "printed" in each and all(each[name] == run[name] for name in _TABLE)
    ]
    for system in systems if before else ():
        told = system.tells(_distinct(reduce(add, before)))
        if told is not None:
            raise ModelError(
                f"Together with what was published of this table before, this tells how many persons are "
                f"{label(told)}: each estimate is one more equation between the same counts. Publish what was "
                "published before, in one run what belongs together, or a table that differs by more persons."
            )
    return {"printed": _packed(reduce(add, own))} if own else {}


def _distinct(known: Known) -> Known:
    """Leave out what is said twice: the same counts stand in every publication."""
    rows = np.column_stack([known.weights, known.low, known.high])
    _, first = np.unique(rows, axis=0, return_index=True)
    kept = np.sort(first)
    return Known(known.weights[kept], known.low[kept], known.high[kept])


def _packed(known: Known) -> str:
    """Write weighted sums of cells and their bounds as text."""
    file = io.BytesIO()
    np.savez_compressed(file, weights=known.weights, low=known.low, high=known.high)
    return base64.b64encode(file.getvalue()).decode("ascii")


def unpacked(text: str) -> Known:
    """Read weighted sums of cells and their bounds back."""
    with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as kept:
        return Known(kept["weights"], kept["low"], kept["high"])
