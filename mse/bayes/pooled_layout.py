"""A table and the settings of `PooledLogLinear` as arrays for `mse.core.pooled`."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from mse.bayes.pooled_centering import choose_centering
from mse.core.pooled_draws import Prior
from mse.core.pooled_effects import Pooled
from mse.errors import ModelError
from mse.loglinear.observing import is_vague, look_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mse._typing import FloatArray, IntArray
    from mse.bayes.pooled import PooledLogLinear
    from mse.loglinear.observing import Seen
    from mse.table import CaptureTable

__all__ = ["Layout", "lay_out"]

#: Fewest persons of a stratum whose expected number in sight is sampled itself.
CENTERED_FROM = 3.0
#: Standard deviations that the spread of sizes, log scale, may be below a first guess of it.
RESERVE = 8.0
#: Smallest guess of that spread.
LEAST_SPREAD = 0.05
#: Prior standard deviation of the level of persons in sight, log scale: a factor of 50 either way.
LEVEL_SD = 2.0
#: Steps of a random walk have this part of the prior scale of exchangeable levels.
WALK = 0.5
#: Persons that a count without upper bound may hold beyond its lower one, for a start.
SPARE = 10


@dataclass(frozen=True, eq=False)
class Layout:
    """What a sampler needs to know.

    Attributes
    ----------
    data : Pooled
        What is known, and how strata hang together.
    prior : Prior
        Priors that are not standard normal.
    scale_names : tuple of str
        What each scale is of.
    """

    data: Pooled
    prior: Prior
    scale_names: tuple[str, ...]

    @cached_property
    def dimension(self) -> int:
        """Parameters in all."""
        return int(self.prior.cuts[2]) + len(self.data.counts)

    @cached_property
    def start(self) -> FloatArray:
        """A point amid the prior, at the data where there are any."""
        point = np.zeros(self.dimension)
        point[0] = self.prior.level[0]
        cuts = self.prior.cuts
        point[cuts[0] : cuts[1]] = np.log(self.prior.scales / 2)
        return point

    @property
    def uncentered(self) -> Pooled:
        """The same data with every stratum's size measured from its prior, for draws from that."""
        return self.data._replace(width=np.zeros_like(self.data.width))


def lay_out(estimator: PooledLogLinear, table: CaptureTable) -> Layout:
    """Put a table and the settings together.

    Parameters
    ----------
    estimator : PooledLogLinear
        Settings.
    table : CaptureTable
        With covariates; known in part or not.

    Raises
    ------
    ModelError
        If the table has margins only or no covariates, or `time` is not one of them.
    """
    _check(estimator, table)
    seen = look_at(table)
    n_strata, n_cells = table.n_strata, 2**table.n_lists
    counts = np.ascontiguousarray(seen.base.reshape(n_cells, n_strata).T)
    boxes = seen.observations.boxes
    places = np.where(boxes < 0, -1, boxes % n_strata * n_cells + boxes // n_strata)
    kind, n_kinds = _kinds(seen)
    expected = (counts + _partly_known(seen, places, counts.shape)).sum(axis=1)
    place, first, steps, sized = _covariates(estimator, table)
    many = _many(expected.reshape(table.shape[table.n_lists :]), residual=bool(sized.any()))
    width = np.where(expected >= many, 1 / np.sqrt(expected + 1), 0.0)
    lists = range(table.n_lists)
    bits = [1 << (table.n_lists - 1 - k) for k in lists]
    data = Pooled(
        shape=np.full(table.n_lists, 2, dtype=np.int64),
        counts=counts,
        observable=np.ascontiguousarray(seen.observable.reshape(n_cells, n_strata).T),
        anchor=np.log(expected + 0.5),
        width=width,
        place=place,
        first=first,
        steps=steps,
        sized=sized,
        deviating=np.asarray([len(table.covariates) > 1]),
        cells=np.asarray([*bits, *(bits[i] + bits[j] for i, j in combinations(lists, 2))]),
        rate_prior=np.asarray(estimator.rate, dtype=np.float64),
        first_box=seen.observations.first,
        boxes=places.astype(np.int64),
        low=np.ascontiguousarray(seen.observations.low),
        high=np.ascontiguousarray(seen.observations.high),
        kind=kind,
        n_kinds=np.asarray([n_kinds]),
    )
    names, scales = zip(*_scales(estimator, table, data), strict=True)
    return Layout(data, _prior(data, np.asarray(scales), expected), names)


def _check(estimator: PooledLogLinear, table: CaptureTable) -> None:
    if table.margins is not None:
        raise ModelError(
            "The table holds margins only; PooledLogLinear needs counts by capture history. "
            "LogLinear('main') takes margins."
        )
    if not table.covariates:
        raise ModelError(
            "The table has no covariates, so there are no strata to pool: use BayesianLogLinear or "
            "ThresholdedLogLinear, or name covariates when the table is made."
        )
    names = list(table.covariates)
    if estimator.time is not None and estimator.time not in names:
        near = get_close_matches(estimator.time, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ModelError(
            f"time={estimator.time!r} is not a covariate; the table has {', '.join(names)}.{hint}"
        )


def _kinds(seen: Seen) -> tuple[IntArray, int]:
    """Give a number to each kind of record, where it matters which entries are missing.

    That is where counts within bounds stand beside records that lack entries: the mean of such a count
    is then only a share of that of its cells (see `mse.loglinear.observing.make_data`).
    """
    occurring = np.unique(np.concatenate([[0], seen.kinds]))
    if not is_vague(seen) or occurring.size == 1:
        return np.zeros(seen.kinds.size, dtype=np.int64), 1
    return np.searchsorted(occurring, seen.kinds).astype(np.int64), int(occurring.size)


def _partly_known(seen: Seen, places: IntArray, shape: tuple[int, int]) -> FloatArray:
    """Persons of partly known records, (S, C), spread over the cells they may be in."""
    observations = seen.observations
    middle = (observations.low + np.minimum(observations.high, observations.low + SPARE)) / 2
    owner = np.repeat(np.arange(middle.size), np.diff(observations.first))
    inside = places >= 0
    share = middle / np.maximum(np.bincount(owner[inside], minlength=middle.size), 1)
    found = np.zeros(shape[0] * shape[1])
    np.add.at(found, places[inside], share[owner[inside]])
    return found.reshape(shape)


def _many(expected: FloatArray, *, residual: bool) -> float:
    """Find the persons of a stratum from which they say more about its size than their prior does.

    That is where their Poisson error, log scale, is below any likely value of the spread of sizes: else
    sampling expected numbers themselves makes a funnel at a small spread.
    """
    logs = np.log(expected + 0.5)
    spare = float(expected.size - 1)
    left = logs - logs.mean()
    if residual:
        for axis, size in enumerate(expected.shape):
            others = tuple(other for other in range(expected.ndim) if other != axis)
            left = left - left.mean(axis=others, keepdims=True)
            spare -= size - 1
    noise = float((1 / (expected + 1)).mean())
    variance = float((left**2).sum()) / spare - noise if spare > 0 else 0.0
    spread = max(np.sqrt(max(variance, 0.0)), LEAST_SPREAD)
    least = spread * np.exp(-RESERVE / np.sqrt(2 * max(spare, 1.0)))
    return max(CENTERED_FROM, float(least**-2))


def _covariates(
    estimator: PooledLogLinear, table: CaptureTable
) -> tuple[IntArray, IntArray, FloatArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Level of each stratum on each covariate, and how the levels hang together."""
    sizes = [len(levels) for levels in table.covariates.values()]
    place = np.stack(np.unravel_index(np.arange(table.n_strata), sizes)).astype(np.int64)
    steps = [
        _steps(levels) if name == estimator.time else np.full(len(levels), -1.0)
        for name, levels in table.covariates.items()
    ]
    # With one covariate without order its levels are the strata, whose sizes vary by themselves.
    sized = [len(sizes) > 1 or name == estimator.time for name in table.covariates]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return place, first, np.concatenate(steps), np.asarray(sized)


def _steps(levels: tuple[object, ...]) -> FloatArray:
    """Scale the steps of a random walk, in units of the standard deviation of one of distance 1."""
    numbers = [level for level in levels if isinstance(level, (int, float))]
    gaps = np.diff(np.asarray(numbers, dtype=np.float64))
    if len(numbers) < len(levels) or not (gaps > 0).all():
        gaps = np.ones(len(levels) - 1)
    return np.concatenate([[0.0], np.sqrt(gaps)])


def _scales(
    estimator: PooledLogLinear, table: CaptureTable, data: Pooled
) -> Iterator[tuple[str, float]]:
    """Yield what each scale is of, and the scale of its half-normal prior."""
    yield "sizes of strata", estimator.size_variation
    yield "dependence", estimator.dependence
    for name, sized in zip(table.covariates, data.sized, strict=True):
        part = WALK if name == estimator.time else 1.0
        if sized:
            yield f"sizes by {name}", part * estimator.size_variation
        yield f"all lists by {name}", part * estimator.variation
        for each in table.lists:
            yield f"{each} by {name}", part * estimator.variation
        yield f"dependence by {name}", part * estimator.dependence_variation
    if data.deviating[0]:
        yield "all lists by stratum", estimator.variation
        for each in table.lists:
            yield f"{each} by stratum", estimator.variation


def _prior(data: Pooled, scales: FloatArray, expected: FloatArray) -> Prior:
    centering = choose_centering(expected, data, scales)
    cuts = np.cumsum([1, scales.size, centering.owner.size]).astype(np.int64)
    level = np.asarray([np.log(max(float(expected.mean()), 0.5)), LEVEL_SD])
    return Prior(level, scales.astype(np.float64), cuts, *centering)
