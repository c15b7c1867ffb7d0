"""What a table with unknown entries says about the cells: who could be seen, and where each record may be.

A list of which nothing is known in some stratum did not operate there, unless it is said to have (Zwane, van der Pal & van der
Heijden 2004, Statistics in Medicine 23, 2267-2281): its membership is missing by design, and persons
only on such lists cannot be seen, just as those on no list. Elsewhere an unknown entry is missing at
random (van der Heijden, Whittaker, Cruyff, Bakker & van der Vliet 2012, Annals of Applied Statistics 6,
831-852; van der Heijden, Smith, Cruyff & Bakker 2018, Journal of Official Statistics 34, 239-263):
the record is in one of the cells that agree with what is known, and a person on a list that
operates is always seen. Somebody reported each person, so a record with no known list is in one of those
cells that are observable: on one of the lists that it lacks, where that list operated.

Users can say where each list operated (`CaptureTable.with_operating`); what they say is never doubted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core.existence import FINITE, INDETERMINATE, INFINITE, ZERO
from mse.core.newton import make_design, with_contrasts, with_unions
from mse.core.partly_known import IMPOSSIBLE, Observations, make_observations
from mse.core.partly_known_fit import Data, spread_over
from mse.data.operating import operating_lists
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design
    from mse.core.partly_known_fit import IncompleteFit
    from mse.data.table import CaptureTable

    Limits = np.ndarray[tuple[int], np.dtype[np.int8]]

#: Cells that all patterns together may list: 512 MB.
MAX_LISTED = 2**26


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

    table: any table but one of margins
    Raises ModelError: if the patterns have more cells together than can be listed
    """
    vague = table.low != table.high
    partial = vague | np.any(table.patterns < 0, axis=1)
    patterns = table.patterns[partial]
    _check_size(patterns, table)
    seen = make_observations(patterns, table.low[partial], table.high[partial], table.shape)
    operating = operating_lists(table)
    base = table.counts.ravel().astype(np.float64)
    observable = observable_cells(operating, table.n_lists)
    seen = _possible(seen, operating, observable, table)
    return Seen(base, seen, operating, observable, _kinds(seen, operating, table))


def _check_size(patterns: IntArray, table: CaptureTable) -> None:
    sizes = np.where(patterns < 0, np.asarray(table.shape, dtype=np.float64), 1.0).prod(axis=1)
    if sizes.sum() > MAX_LISTED:
        raise ModelError(
            f"The {len(patterns):,} partly known patterns stand for {sizes.sum():,.0f} cells together, "
            f"more than {MAX_LISTED:,}. Leave out or merge lists, or collapse covariates."
        )


def observable_cells(operating: BoolArray, n_lists: int) -> BoolArray:
    """Cells of persons on at least one list that operated in their stratum, (C,) bool."""
    histories = np.arange(2**n_lists)
    found = np.zeros((histories.size, operating.shape[1]), dtype=np.bool_)
    for k in range(n_lists):
        on = (histories >> (n_lists - 1 - k)) & 1 == 1
        found |= on[:, None] & operating[k]
    return found.ravel()


def _possible(
    seen: Observations, operating: BoolArray, observable: BoolArray, table: CaptureTable
) -> Observations:
    """Leave the cells out of each pattern in which its persons would not have been seen as they were.

    Those are the cells of strata in which a list that the pattern knows did not operate, and of persons
    on no list that operated.
    """
    owner = np.repeat(np.arange(seen.low.size), np.diff(seen.first))
    stratum = seen.boxes % table.n_strata
    known = seen.patterns[:, : table.n_lists] >= 0
    inside = observable[seen.boxes]
    for k in np.flatnonzero(~operating.all(axis=1)):
        inside &= ~known[owner, k] | operating[k, stratum]
    return seen._replace(boxes=np.where(inside, seen.boxes, IMPOSSIBLE))


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

    seen: the table
    design: axes and parameters of the model
    Returns data: for `mse.core.partly_known_fit.fit_incomplete`
    Returns n_kinds: levels of an axis that was added behind the others, 1 where none was

    Exact counts need no model of which entries are missing. A count within bounds does where other
    records of the same cells lack entries: its mean is only a share of that of its cells. The kind of
    record is then one more factor, independent of all others (missing completely at random).
    """
    design = with_unions(design)
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
    longer = with_unions(make_design(shape, n_lists, cells))
    longer = longer._replace(observable=np.repeat(seen.observable, n))
    if design.starts.size == 0:
        return longer
    columns = list(_columns(design)) + [{design.cells.size + i: 1} for i in range(n - 1)]
    return with_contrasts(longer, columns)


def _columns(design: Design) -> Iterator[dict[int, int]]:
    for start, stop in zip(design.starts[:-1], design.starts[1:], strict=True):
        entries, weights = design.entries[start:stop], design.weights[start:stop]
        yield dict(zip(entries.tolist(), weights.tolist(), strict=True))


# Sums over what was added to a table for a fit, and allotment of persons to strata ----------------

#: Limits from the most to the least determined.
_ORDER = np.asarray([FINITE, ZERO, INFINITE, INDETERMINATE])


def folded(found: IncompleteFit, n_parameters: int, n_kinds: int) -> IncompleteFit:
    """Sum a fit over the kinds of records that were an axis of it.

    found: a fit with an axis of `n_kinds` levels behind the others
    n_parameters: parameters of the model; those of the kinds come after them
    n_kinds: levels of that axis
    """
    if n_kinds == 1:
        return found
    limits, hidden = folded_strata(found.limits, found.hidden, n_kinds)
    own = found.kept < n_parameters
    coefficients = found.coefficients[own].copy()
    if coefficients.size:
        # A cell of the model is the sum of its kinds.
        coefficients[0] += np.log1p(np.exp(found.coefficients[~own]).sum())
    return found._replace(
        limits=limits,
        hidden=hidden,
        covariance=_folded_covariance(found.covariance, n_kinds),
        means=found.means.reshape(-1, n_kinds).sum(axis=1),
        counts=found.counts.reshape(-1, n_kinds).sum(axis=1),
        face=np.asarray(found.face.reshape(-1, n_kinds).any(axis=1)),
        kept=found.kept[own],
        coefficients=coefficients,
        vanishing=found.vanishing[found.vanishing < n_parameters],
        undetermined=found.undetermined[found.undetermined < n_parameters],
        rank=max(found.rank - int((~own).sum()), 0),
    )


def folded_strata(limits: Limits, hidden: FloatArray, n_kinds: int) -> tuple[Limits, FloatArray]:
    """Sum limits and hidden counts of strata over the kinds of records."""
    worst = np.argsort(_ORDER)[limits.reshape(-1, n_kinds)].max(axis=1)
    return _ORDER[worst].astype(np.int8), hidden.reshape(-1, n_kinds).sum(axis=1)


def _folded_covariance(covariance: FloatArray, n_kinds: int) -> FloatArray:
    n = len(covariance) // n_kinds
    return np.asarray(covariance.reshape(n, n_kinds, n, n_kinds).sum(axis=(1, 3)))


def expected_by_stratum(data: Data, means: FloatArray, n_strata: int) -> FloatArray:
    """Spread the persons known to be observed over strata in proportion to fitted means.

    data: what was seen
    means: (C,), means of the cells of the data
    n_strata: strata S, the last axes of the cells (an axis of kinds behind them is summed)
    Returns (S,), persons, the lower bounds of counts within bounds
    """
    weights = np.where(data.design.observable & np.isfinite(means), means, 0.0)
    persons = data.base + spread_over(weights, data.seen.low.astype(np.float64), data.seen)
    by_kind = persons.reshape(-1, n_strata, data.design.n_hidden // n_strata)
    return np.asarray(by_kind.sum(axis=(0, 2)))


def whole_persons(expected: FloatArray) -> IntArray:
    """Round numbers that add up to a whole one so that they still do: largest remainders up.

    Examples
    --------
    >>> import numpy as np
    >>> whole_persons(np.array([1.4, 2.4, 3.2])).tolist()
    [2, 2, 3]
    """
    # Rounding errors must not take a person from a number that is whole.
    whole = np.floor(expected + 1e-6).astype(np.int64)
    spare = round(float(expected.sum())) - int(whole.sum())
    order = np.argsort(whole - expected, kind="stable")
    whole[order[:spare]] += 1
    return whole
