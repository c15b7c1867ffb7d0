"""On how few persons an estimate leans: whoever has it can compute how many they are.

With the log-likelihood of a log-linear model at its maximum, a person more in cell x moves the logarithm
of the hidden number by g_x = w' I^-1 X_x, where I is the information, X_x the row of the cell and w that of
the hidden cells, weighted by their fitted means; of a posterior g_x is the covariance of both logarithms. Cells of one g are one margin of a closed form: of two
lists g is -1/m for those on both, m of them, so that m times |g| is 1. An estimate leans on a set of
persons that moves it at least half as much as they themselves change, relatively.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from mse._typing import FrozenDict
from mse.answer.intervals import DEFAULT_LEVEL
from mse.data.count_table import CountTable
from mse.data.persons import PersonTable
from mse.errors import MSEError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.answer.population import PopulationEstimate, Strata
    from mse.data.table import CaptureTable

#: Relative change of the hidden number for that of a set of persons, from which it leans on them.
_LEANS = 0.5
#: Estimators that are asked again with one person more in each history.
_QUICK = ("Chapman", "ClosedPopulation", "LincolnPetersen", "SampleCoverage")
#: The posterior that is asked how each person moves it.
_POSTERIOR = "HeterogeneousLogLinear"
#: Cells times parameters up to which the matrix of a model is made.
_MOST = 20_000_000


@dataclass(frozen=True, eq=False)
class Leaning:
    """What an estimate leans on, in all and by stratum.

    Attributes
    ----------
    estimate : PopulationEstimate
        The estimate.
    table : CaptureTable, CountTable or PersonTable, optional
        What it was estimated from; without it the width of the interval tells.
    """

    estimate: PopulationEstimate
    table: CaptureTable | CountTable | None

    def __post_init__(self) -> None:
        if isinstance(self.table, PersonTable):
            # What persons are beside their lists and categories is no count that could be small.
            object.__setattr__(self, "table", self.table.counted(*self.table.levels))

    def persons(self, members: Sequence[int] | None = None, row: Any = None) -> float:
        """Count the smallest set of persons that the hidden number leans on; inf where it leans on none.

        members: positions of strata, of a sum of them; all without
        row: its figures, hidden, low and high; of the estimate without
        """
        if self._model is not None:
            return self._by_model(members)
        if members is None and (asked := self._by_asking) is not None:
            return asked
        # Of other methods nobody knows the form: they rest on all overlaps, or as their interval says.
        return max(self.smallest_overlap(members), self._by_width(row))

    def known(self, members: Sequence[int] | None = None) -> float:
        """Count as `persons` does, all at most; NaN where nothing but the width of the interval tells.

        members: positions of strata, of a sum of them; all without
        """
        text = str(self.estimate.provenance.get("estimator", ""))
        if self.parallel or ("heterogeneity=" in text and "heterogeneity=None" not in text):
            # A posterior rests on its prior besides; the model that is fitted again has no such term.
            return math.nan
        if self._model is not None:
            found = self._by_model(members)
        else:
            asked = self._by_asking if members is None else None
            found = math.nan if asked is None else asked
        return min(found, float(self.estimate.observed)) if found == found else found

    @property
    def parallel(self) -> bool:
        """Whether the ends of intervals move as the middle does, since the prior tells how far apart they are."""
        return str(self.estimate.provenance.get("estimator", "")).startswith(_POSTERIOR)

    @cached_property
    def summed(self) -> CaptureTable | None:
        """The table by the covariates of the estimate."""
        table, strata = self.table, self.estimate.strata
        if table is None or isinstance(table, CountTable) or table.margins is not None:
            return None
        names = () if strata is None else strata.names
        extra = [name for name in table.covariates if name not in names]
        return table.collapse(*extra) if extra else table

    def smallest_overlap(self, members: Sequence[int] | None = None) -> float:
        """Count the persons on both lists of the pair that shares the fewest, as `smallest_overlap`."""
        if isinstance(self.table, CountTable):
            strata = self.estimate.strata
            return fewest_repeats(self.table, () if strata is None else strata.names, members)
        table = self.summed
        return 0.0 if table is None else smallest_overlap(table, members)

    def _by_width(self, row: Any) -> float:
        """Persons that a hidden number with such an interval rests on: 1 / CV^2."""
        estimate = self.estimate
        if row is None:
            try:
                low, high = estimate.interval(DEFAULT_LEVEL)
            except MSEError:
                return 0.0
            observed = float(estimate.observed)
        else:
            low, high, observed = row["low"], row["high"], row["observed"]
        if not low > observed or not math.isfinite(high):
            return 0.0
        width = math.log((high - observed) / (low - observed))
        return math.inf if width <= 0 else float((2 * ndtri((1 + DEFAULT_LEVEL) / 2) / width) ** 2)

    # Log-linear models ---------------------------------------------------------------------------

    @cached_property
    def _model(self) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        """Sensitivities X I^-1 X_0' to observed cells of hidden ones, hidden means, counts."""
        table, text = self.summed, self.estimate.model
        named = str(self.estimate.provenance.get("estimator", "LogLinear"))
        if table is None or not table.is_complete:
            return None
        if self.parallel:
            return _of_posterior(named, table)
        if not text:
            return None
        # What a trend smooths leans on fewer parameters: its interval tells.
        if not named.startswith("LogLinear") or ("trend=" in named and "trend={}" not in named):
            return None
        from mse.loglinear import LogLinear
        from mse.models.terms import parse_model

        try:
            model = parse_model(text, table.lists, table.covariates)
            fit = LogLinear(text).fit(table)
        except MSEError:
            return None
        cells = model.parameters(table.shape)
        if fit.status not in ("ok", "boundary") or len(cells) * math.prod(table.shape) > _MOST:
            return None
        return _sensitivities(cells, table, np.asarray(fit.fitted, dtype=np.float64).ravel())

    def _by_model(self, members: Sequence[int] | None) -> float:
        assert self._model is not None
        moves, counts = self.moves(members), self._model[2]
        if moves is None:
            return 0.0
        if not self.parallel:
            return leaned_on(moves, counts)
        # A prior has no closed form, so no margins: what one person moves it by is that of one of so many.
        most = float(np.max(np.abs(moves), where=counts > 0, initial=0.0))
        return 1.0 / most if most > 0 else math.inf

    @property
    def computed(self) -> bool:
        """Whether the estimate follows from the counts by a formula or a likelihood, so that it is an equation of them."""
        text = str(self.estimate.provenance.get("estimator", ""))
        return text.startswith(("LogLinear", *_QUICK))

    def moves(self, members: Sequence[int] | None = None) -> FloatArray | None:
        """How a person more in each observed cell moves the logarithm of the hidden number, (O,); None if not known.

        members: positions of strata, of a sum of them; all without
        """
        if self._model is None:
            return self._asked if members is None else None
        moves, hidden, _ = self._model
        chosen = np.arange(len(hidden)) if members is None else np.asarray(members)
        weights = hidden[chosen]
        return moves[:, chosen] @ weights / weights.sum() if weights.sum() > 0 else None

    # Others --------------------------------------------------------------------------------------

    @cached_property
    def _by_asking(self) -> float | None:
        if self._asked is None or self.summed is None:
            return None
        known = bool(np.all(np.isfinite(self._asked)))
        return leaned_on(self._asked, cell_counts(self.summed)) if known else 0.0

    @cached_property
    def _asked(self) -> FloatArray | None:
        """Ask the estimator again with one person more in each history; None of costly ones, NaN of no answer."""
        from mse.registry import estimator_of

        text = str(self.estimate.provenance.get("estimator", ""))
        table = self.summed
        # Of a search the model would be chosen again; what it chose is known by its model.
        quick = (*_QUICK, "LogLinear(")
        if table is None or not text.startswith(quick) or table.covariates or not table.is_complete:
            return None
        if text.startswith("LogLinear") and not math.isfinite(self.estimate.hidden):
            # What has no number is no equation of the counts.
            return None
        counts, estimator = cell_counts(table), estimator_of(text)
        moves = np.zeros(len(counts))
        try:
            before = math.log(estimator.fit(table).population.hidden)
            for at in np.flatnonzero(counts):
                more = counts.copy()
                more[at] += 1
                rows = {f"{cell + 1:0{table.n_lists}b}": int(n) for cell, n in enumerate(more) if n}
                again = type(table).from_counts(rows, lists=list(table.lists))
                moves[at] = math.log(estimator.fit(again).population.hidden) - before
        except (MSEError, ValueError):
            return np.full(len(counts), np.nan)
        return moves


def _of_posterior(
    named: str, table: CaptureTable
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Find how each observed cell moves the logarithm of each hidden number in a posterior; None without one."""
    from mse.registry import estimator_of

    if table.n_strata * math.prod(table.shape) > _MOST:
        return None
    try:
        moves, hidden = estimator_of(named).fit(table).moves  # type: ignore[attr-defined]
    except MSEError:
        return None
    return moves[table.n_strata :], hidden, cell_counts(table)


def _sensitivities(
    cells: IntArray, table: CaptureTable, fitted: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute how each observed cell moves the logarithm of each hidden one."""
    shape = table.shape
    size, strata = math.prod(shape), math.prod(shape[table.n_lists :])
    own = np.stack(np.unravel_index(np.arange(size), shape))
    low = np.stack(np.unravel_index(cells, shape))
    rows: BoolArray = np.ones((size, len(cells)), dtype=np.bool_)
    for axis in range(len(shape)):
        rows &= (low[axis] == 0) | (own[axis][:, None] == low[axis])
    design = rows.astype(np.float64)
    means = np.nan_to_num(fitted, nan=0.0)
    means[:strata] = np.where(np.isfinite(means[:strata]), means[:strata], 0.0)
    seen = design[strata:]
    information = seen.T @ (means[strata:, None] * seen)
    moves = seen @ np.linalg.pinv(information, hermitian=True) @ design[:strata].T
    return moves, means[:strata], cell_counts(table)


def cell_counts(table: CaptureTable) -> FloatArray:
    """Write down the persons in each observed cell of a complete table, (O,)."""
    counts = np.zeros(math.prod(table.shape))
    np.add.at(counts, np.ravel_multi_index(tuple(table.patterns.T), table.shape), table.low)
    return counts[math.prod(table.shape[table.n_lists :]) :]


def smallest_overlap(table: CaptureTable, members: Sequence[int] | None = None) -> float:
    """Count the persons on both lists of the pair that shares the fewest, of those that share any; 0 if not known.

    members: positions of strata; all without
    """
    if not table.is_complete or table.margins is not None:
        return 0.0
    lists = table.patterns[:, : table.n_lists] == 1
    weights = table.low
    if members is not None:
        codes = tuple(table.patterns[:, table.n_lists :].T)
        at = np.ravel_multi_index(codes, table.shape[table.n_lists :])
        weights = np.where(np.isin(at, members), table.low, 0)
    pairs = (lists.T @ (weights[:, None] * lists))[np.triu_indices(table.n_lists, 1)]
    return float(pairs[pairs > 0].min()) if (pairs > 0).any() else 0.0


def fewest_repeats(
    table: CountTable, names: Sequence[str], members: Sequence[int] | None = None
) -> float:
    """Count those seen twice, or three times if they are fewer, of one register; 0 if nobody is.

    names: covariates that make strata
    members: positions of strata; all without

    Chao's bound moves by as much as those seen twice change, and the one-inflated one by twice as much as those
    seen three times; models of all counts lean on more persons.
    """
    groups, _ = table.strata(names)
    inside = np.ones(groups.size, np.bool_) if members is None else np.isin(groups, members)
    found = [float(table.persons[inside & (table.times == times)].sum()) for times in (2, 3)]
    return min((each for each in found if each > 0), default=0.0)


def leaned_on(moves: FloatArray, counts: FloatArray) -> float:
    """Count the smallest set of persons that moves a hidden number at least half as much as itself.

    moves: (O,), how a person more in each cell moves the logarithm of the hidden number
    counts: (O,), persons

    Examples
    --------
    >>> leaned_on(np.array([-1 / 4, 1 / 600, 1 / 1970]), np.array([4.0, 600.0, 1970.0]))
    4.0
    """
    smallest = math.inf
    for sign in (-1.0, 1.0):
        there = (counts > 0) & (sign * moves > 0)
        order = np.argsort(-sign * moves[there], kind="stable")
        persons, strength = counts[there][order], sign * moves[there][order]
        # Cells that move it alike stand together: they are one margin.
        begins = np.flatnonzero(np.diff(strength, prepend=np.inf) < -1e-6 * strength)
        for begin, end in zip(begins, [*begins[1:], len(strength)], strict=False):
            for part in (slice(begin, end), slice(0, end)):
                if strength[part] @ persons[part] >= _LEANS:
                    smallest = min(smallest, float(persons[part].sum()))
    return smallest


#: Figures up to which it is written down on how many persons each leans.
_MOST_FIGURES = 3000


def leaning_on(
    estimate: PopulationEstimate, table: CaptureTable | CountTable, order: int = 2
) -> FrozenDict[tuple[str, ...], tuple[float, ...]]:
    """Count the persons that the total leans on, that strata do, and that sums of them by a few covariates do.

    table: what it was estimated from
    order: covariates up to which sums are counted, beside the strata themselves

    Examples
    --------
    >>> import mse
    >>> table = mse.load_dataset("kosovo")
    >>> leaning_on(mse.LogLinear("main").fit(table).population, table)
    {(): (528.0,)}
    """
    leaning, strata = Leaning(estimate, table), estimate.strata
    if not math.isfinite(estimate.hidden) and strata is None:
        return FrozenDict()
    found: dict[tuple[str, ...], tuple[float, ...]] = {(): (leaning.known(),)}
    names = () if strata is None else strata.names
    chosen = [each for n in range(1, order + 1) for each in combinations(names, n)]
    for each in dict.fromkeys((*chosen, *([names] if names else []))):
        groups, size = _groups(strata, each)  # type: ignore[arg-type]
        if sum(map(len, found.values())) + size <= _MOST_FIGURES:
            parts = (np.flatnonzero(groups == at).tolist() for at in range(size))
            found[each] = tuple(leaning.known(part) for part in parts)
    told = {names: counts for names, counts in found.items() if not np.isnan(counts).all()}
    return FrozenDict(told)


def _groups(strata: Strata, names: Sequence[str]) -> tuple[IntArray, int]:
    """Say which sum by some covariates each stratum is in, (S,), and how many sums there are."""
    sizes = [len(levels) for levels in strata.levels.values()]
    codes = dict(
        zip(strata.names, np.unravel_index(np.arange(math.prod(sizes)), sizes), strict=True)
    )
    kept = [len(strata.levels[name]) for name in names]
    groups = np.ravel_multi_index(tuple(codes[name] for name in names), kept)
    return np.asarray(groups), math.prod(kept)
