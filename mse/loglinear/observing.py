"""What a table with unknown entries says about the cells: who could be seen, and where each record may be.

A list of which nothing is known in some stratum did not operate there (Zwane, van der Pal & van der
Heijden 2004, Statistics in Medicine 23, 2267-2281): its membership is missing by design, and persons
only on such lists cannot be seen, just as those on no list. Elsewhere an unknown entry is missing at
random (van der Heijden, Whittaker, Cruyff, Bakker & van der Vliet 2012, Annals of Applied Statistics 6,
831-852; van der Heijden, Smith, Cruyff & Bakker 2018, Journal of Official Statistics 34, 239-263):
the record is in one of the cells that agree with what is known, and a person on a list that
operates is always seen.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core.ascent import Data
from mse.core.newton import make_design, with_contrasts
from mse.core.observed import Observations, make_observations
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design
    from mse.table import CaptureTable

#: Cells that all patterns together may list: 512 MB.
MAX_LISTED = 2**26
#: Covariates whose levels in combination may tell where a list did not operate.
MAX_COMBINED = 3


class Seen(NamedTuple):
    """A table as the observed-data likelihood takes it.

    Attributes
    ----------
    base : float64 array (C,)
        Persons of fully known histories with exact counts.
    observations : Observations
        The other counts, each over the cells that are possible.
    operating : bool array (K, S)
        Whether each list operated in each stratum.
    observable : bool array (C,)
        Cells of persons on a list that operated.
    kinds : int64 array (R,)
        Which entries of an observation are missing at random: kinds numbered from 1, and 0 for none.
    """

    base: FloatArray
    observations: Observations
    operating: BoolArray
    observable: BoolArray
    kinds: IntArray


def look_at(table: CaptureTable) -> Seen:
    """Work out what could be seen in a table, and which cells each of its counts is about.

    Parameters
    ----------
    table : CaptureTable
        Any table but one of margins.

    Raises
    ------
    ModelError
        If the patterns have more cells together than can be listed.
    """
    vague = table.low != table.high
    partial = vague | np.any(table.patterns < 0, axis=1)
    patterns = table.patterns[partial]
    _check_size(patterns, table)
    seen = make_observations(patterns, table.low[partial], table.high[partial], table.shape)
    operating = operating_lists(table)
    seen, operating = _possible(seen, operating, table)
    base = table.counts.ravel().astype(np.float64)
    observable = observable_cells(operating, table.n_lists)
    return Seen(base, seen, operating, observable, _kinds(seen, operating, table))


def _check_size(patterns: IntArray, table: CaptureTable) -> None:
    sizes = np.where(patterns < 0, np.asarray(table.shape, dtype=np.float64), 1.0).prod(axis=1)
    if sizes.sum() > MAX_LISTED:
        raise ModelError(
            f"The {len(patterns):,} partly known patterns stand for {sizes.sum():,.0f} cells together, "
            f"more than {MAX_LISTED:,}. Leave out or merge lists, or collapse covariates."
        )


def operating_lists(table: CaptureTable) -> BoolArray:
    """Infer from a table which lists operated in which strata.

    A list did not operate in the strata with some level of a covariate if persons with that level are
    known and the list's membership is unknown for all of them. Where nobody's membership is unknown
    beside others of the same stratum whose membership is known, the same holds of combinations of
    levels: memberships then lack by design only. A list that is unknown for everybody operated nowhere.

    Parameters
    ----------
    table : CaptureTable
        Any table but one of margins.

    Returns
    -------
    bool array (K, S)
        Strata in C order.
    """
    operating = np.ones((table.n_lists, table.n_strata), dtype=np.bool_)
    for k in np.flatnonzero(np.any(table.patterns[:, : table.n_lists] < 0, axis=0)):
        operating[k] = ~_silent(table.patterns[:, k] < 0, table)
    return operating


def _silent(unknown: BoolArray, table: CaptureTable) -> BoolArray:
    """Strata in which a list did not operate, from the records that lack it."""
    sizes = np.asarray(table.shape[table.n_lists :], dtype=np.int64)
    known = table.patterns[:, table.n_lists :]
    if unknown.all():
        return np.ones(table.n_strata, dtype=np.bool_)
    silent = np.zeros(table.n_strata, dtype=np.bool_)
    if not sizes.size:
        return silent
    strata = np.stack(np.unravel_index(np.arange(table.n_strata), tuple(sizes)), axis=1)
    for size in range(1, min(sizes.size, MAX_COMBINED) + 1):
        for axes in combinations(range(sizes.size), size):
            silent |= _silent_blocks(unknown, known, strata, list(axes), sizes)
        if size == 1 and _mixed(unknown, known, silent, sizes):
            break
    return silent


def _silent_blocks(
    unknown: BoolArray, known: IntArray, strata: IntArray, axes: list[int], sizes: IntArray
) -> BoolArray:
    """Strata whose levels on some axes have records, all of them without the list."""
    rows = np.all(known[:, axes] >= 0, axis=1)
    shape = tuple(sizes[axes])
    block = np.ravel_multi_index(tuple(known[rows][:, axes].T), shape)
    n_blocks = int(np.prod(shape))
    silent = np.bincount(block, minlength=n_blocks) > 0
    silent &= np.bincount(block, weights=~unknown[rows], minlength=n_blocks) == 0
    return np.asarray(silent[np.ravel_multi_index(tuple(strata[:, axes].T), shape)])


def _mixed(unknown: BoolArray, known: IntArray, silent: BoolArray, sizes: IntArray) -> bool:
    """Whether a stratum has records with the list known and records with it unknown."""
    rows = np.all(known >= 0, axis=1)
    stratum = np.ravel_multi_index(tuple(known[rows].T), tuple(sizes))
    without = np.bincount(stratum, weights=unknown[rows], minlength=silent.size) > 0
    having = np.bincount(stratum, weights=~unknown[rows], minlength=silent.size) > 0
    return bool((without & having & ~silent).any())


def observable_cells(operating: BoolArray, n_lists: int) -> BoolArray:
    """Cells of persons on at least one list that operated in their stratum, (C,) bool."""
    histories = np.arange(2**n_lists)
    found = np.zeros((histories.size, operating.shape[1]), dtype=np.bool_)
    for k in range(n_lists):
        on = (histories >> (n_lists - 1 - k)) & 1 == 1
        found |= on[:, None] & operating[k]
    return found.ravel()


def _possible(
    seen: Observations, operating: BoolArray, table: CaptureTable
) -> tuple[Observations, BoolArray]:
    """Leave out of each pattern the strata in which a list that it knows did not operate.

    Where that leaves nothing the list did operate after all.
    """
    owner = np.repeat(np.arange(seen.low.size), np.diff(seen.first))
    stratum = seen.boxes % table.n_strata
    known = seen.patterns[:, : table.n_lists] >= 0
    while True:
        inside = np.ones(owner.size, dtype=np.bool_)
        for k in np.flatnonzero(~operating.all(axis=1)):
            inside &= ~known[owner, k] | operating[k, stratum]
        lost = np.bincount(owner, weights=inside, minlength=seen.low.size) == 0
        if not lost.any():
            break
        for o in np.flatnonzero(lost):
            operating[np.ix_(known[o], np.unique(stratum[owner == o]))] = True
    return seen._replace(boxes=np.where(inside, seen.boxes, -1)), operating


def _kinds(seen: Observations, operating: BoolArray, table: CaptureTable) -> IntArray:
    """Find the number of each combination of entries that are missing at random."""
    missing = seen.patterns < 0
    for o, k in np.argwhere(missing[:, : table.n_lists]):
        boxes = seen.boxes[seen.first[o] : seen.first[o + 1]]
        missing[o, k] = operating[k, boxes[boxes >= 0] % table.n_strata].any()
    combined = np.vstack([np.zeros((1, missing.shape[1]), dtype=np.bool_), missing])
    order = {row.tobytes(): 0 for row in combined}
    numbers = {row: i for i, row in enumerate(order)}
    return np.asarray([numbers[row.tobytes()] for row in missing], dtype=np.int64)


def is_vague(seen: Seen) -> bool:
    """Whether some count is known only within bounds."""
    return bool((seen.observations.low != seen.observations.high).any())


def make_data(seen: Seen, design: Design) -> tuple[Data, int]:
    """Put a table and a model together.

    Parameters
    ----------
    seen : Seen
        The table.
    design : Design
        Axes and parameters of the model.

    Returns
    -------
    data : Data
        For `mse.core.incomplete.fit_incomplete`.
    n_kinds : int
        Levels of an axis that was added behind the others, 1 where none was.

    Notes
    -----
    Exact counts need no model of which entries are missing. A count within bounds does where other
    records of the same cells lack entries: its mean is only a share of that of its cells. The kind of
    record is then one more factor, independent of all others (missing completely at random).
    """
    occurring = np.unique(np.concatenate([seen.kinds, [0] if seen.base.any() else []]))
    if not is_vague(seen) or occurring.size == 1:
        return Data(seen.base, seen.observations, design._replace(observable=seen.observable)), 1
    n = int(occurring.size)
    kinds = np.searchsorted(occurring, seen.kinds)
    patterns = np.column_stack([seen.observations.patterns, kinds])
    shape = (*design.shape.tolist(), n)
    found = make_observations(patterns, seen.observations.low, seen.observations.high, shape)
    old = seen.observations
    kind = np.repeat(kinds, np.diff(old.first))
    found = found._replace(boxes=np.where(old.boxes < 0, -1, old.boxes * n + kind))
    base = np.zeros(seen.base.size * n)
    base[::n] = seen.base
    longer = _with_kinds(design, seen, shape)
    return Data(base, found, longer), n


def _with_kinds(design: Design, seen: Seen, shape: tuple[int, ...]) -> Design:
    """Add the kind of record as a factor with a main effect, its parameters last."""
    n = shape[-1]
    cells = np.concatenate([design.cells * n, np.arange(1, n)])
    n_lists = int(np.log2(seen.observable.size // design.n_hidden))
    longer = make_design(shape, n_lists, cells)
    longer = longer._replace(observable=np.repeat(seen.observable, n))
    if design.starts.size == 0:
        return longer
    columns = list(_columns(design)) + [{design.cells.size + i: 1} for i in range(n - 1)]
    return with_contrasts(longer, columns)


def _columns(design: Design) -> Iterator[dict[int, int]]:
    for start, stop in zip(design.starts[:-1], design.starts[1:], strict=True):
        entries, weights = design.entries[start:stop], design.weights[start:stop]
        yield dict(zip(entries.tolist(), weights.tolist(), strict=True))
