"""Log-linear model in which people differ and lists depend, with a stated prior on both."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from mse._settings import check_positive, check_whole
from mse.answer.intervals import GIVEN_PRIOR
from mse.answer.method import Method
from mse.bayes.base import BayesianFit, Chains, CredibleInterval, Undetermined
from mse.core.heterogeneity import (
    FLAT,
    Columns,
    Mixture,
    Records,
    Scales,
    draw_coefficients,
    hidden_of,
    interactions,
    means_of,
    moved_by_persons,
    posterior,
)
from mse.core.partly_known import IMPOSSIBLE
from mse.errors import ModelError
from mse.loglinear.fit import LogLinear
from mse.loglinear.partly_known import look_at, whole_persons
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mse._typing import FloatArray, IntArray
    from mse.answer.intervals import IntervalMethod
    from mse.answer.protocols import Estimator
    from mse.data.table import CaptureTable
    from mse.loglinear.partly_known import Seen

#: Points of the grid of the spread of single interactions.
GRID = 7
#: Standard deviation of the effects of levels of covariates on lists, and of log sizes of strata.
LEVEL_EFFECTS, SIZES = 1.0, 2.0
#: The same of differences in heterogeneity between levels of a covariate.
LEVEL_STRENGTH = 0.1
#: Most parameters: the normal approximation holds a square of them for each point of the grid.
MOST_PARAMETERS = 2_500
#: Most interactions of lists; beyond, triples are left out.
MOST_INTERACTIONS = 400


@dataclass(frozen=True)
class HeterogeneousLogLinear:
    r"""Estimate N allowing for people who differ and lists that depend, by as much as a prior says.

    All pairs and triples of lists interact. Interactions of pairs vary about a common mean, which is
    what heterogeneity of people does to them; interactions of triples about another; and both vary by
    list, which is what lists have to do with each other. How far is learned from the table as far as it
    tells, and is the prior's otherwise: no table shows who is on no list.

    Parameters
    ----------
    mean, sd : float, default 0.50 and 0.42
        Normal prior of the common log odds ratio of pairs of lists: how far people differ. It is the
        variance of a normal score of visibility on the logit scale. ``mean=0, sd=0.01`` takes people for
        alike.
    triples : float, default 0.35
        Standard deviation of the common interaction of triples, whose prior mean is 0.
    dependence : pair of float, default (0.05, 3.0)
        Range of the spread of single interactions about the common ones, of equal prior probability on
        the log scale.
    draws : int, default 4000
        Independent draws of the posterior.
    seed : int, default 1
        Equal settings give equal answers.

    Notes
    -----
    .. math::

        \log \mu(x) = \alpha + \sum_j \beta_j x_j + \sum_{i<j} u_{ij} x_i x_j + \sum_{i<j<k} u_{ijk} x_i x_j x_k,
        \quad u_{ij} \sim N(\tau, \omega^2), \; \tau \sim N(m, s^2), \;
        u_{ijk} \sim N(\kappa, \omega^2), \; \kappa \sim N(0, t^2)

    A common :math:`\tau` alone is the model of Darroch, Fienberg, Glonek & Junker (1993, JASA 88,
    1137-1148) for people who differ along one scale. The posterior is a mixture, over a grid of
    :math:`\omega`, of normal approximations (Tierney & Kadane 1986, JASA 81, 82-86). With covariates, lists
    have effects of each level, and strata have sizes of their own.

    The prior was calibrated on simulated populations of many kinds and judged on others and on real ones
    of known size: ``docs/truth.md``.

    Examples
    --------
    >>> import mse
    >>> fit = mse.HeterogeneousLogLinear().fit(mse.load_dataset("kosovo"))
    >>> low, high = fit.population.interval(0.95)
    >>> low < 10_357 < high
    True
    """

    method: ClassVar[Method] = Method(
        Message("method.heterogeneous"),
        Message("assumption.heterogeneity"),
        (
            (
                "Darroch, J. N., Fienberg, S. E., Glonek, G. F. V. and Junker, B. W. (1993). A three-sample "
                "multiple-recapture approach to census population estimation with heterogeneous catchability. "
                "Journal of the American Statistical Association 88, 1137-1148."
            ),
            (
                "Tierney, L. and Kadane, J. B. (1986). Accurate approximations for posterior moments and marginal "
                "densities. Journal of the American Statistical Association 81, 82-86."
            ),
        ),
        homogeneity="",
    )

    mean: float = 0.50
    sd: float = 0.42
    triples: float = 0.35
    dependence: tuple[float, float] = (0.05, 3.0)
    draws: int = 4000
    seed: int = 1

    def __post_init__(self) -> None:
        if not np.isfinite(self.mean):
            raise ModelError(f"mean={self.mean!r}: expected a number.")
        for name in ("sd", "triples"):
            check_positive(name, getattr(self, name))
        ends = tuple(map(float, self.dependence))
        if len(ends) != 2 or not 0 < ends[0] <= ends[1] < np.inf:
            raise ModelError(
                f"dependence={self.dependence!r}: expected two positive numbers, the smaller first."
            )
        object.__setattr__(self, "dependence", ends)
        check_whole("draws", self.draws, 100)
        check_whole("seed", self.seed, 0)

    def fit(self, table: CaptureTable) -> HeterogeneousLogLinearFit:
        """Find the posterior for a table.

        Parameters
        ----------
        table : CaptureTable
            Any table but one of margins; counts within bounds are taken at the middle of these.

        Returns
        -------
        HeterogeneousLogLinearFit

        Raises
        ------
        ModelError
            If the table holds margins only, or has more than 2,500 strata and effects together.
        """
        if table.margins is not None:
            raise ModelError(
                "The table holds list totals and their union only, which say nothing about dependence. "
                "HeterogeneousLogLinear needs a table of capture histories."
            )
        return HeterogeneousLogLinearFit(self, table, _posterior(self, table))

    @staticmethod
    def suits(table: CaptureTable) -> bool:
        """Whether the table has histories, and strata and effects few enough for the normal approximation."""
        return table.margins is None and _size(table) <= MOST_PARAMETERS

    @property
    def scales(self) -> Scales:
        """The prior as the numerical core takes it."""
        first, last = self.dependence
        spreads = np.geomspace(first, last, GRID if first < last else 1)
        return Scales(self.mean, self.sd, self.triples, spreads, SIZES)


class _Found(NamedTuple):
    """What was fitted, and the posterior."""

    records: Records
    columns: Columns
    mixture: Mixture


def _posterior(estimator: HeterogeneousLogLinear, table: CaptureTable) -> _Found | Undetermined:
    """Find the posterior, or say why the data leave it to the prior."""
    size = _size(table)
    if size > MOST_PARAMETERS:
        raise ModelError(
            f"The table has {table.n_strata:,} strata, and the model {size:,} parameters with them, more "
            f"than {MOST_PARAMETERS:,}. Collapse covariates, or merge levels."
        )
    why = _undetermined(table)
    if why is not None:
        return why
    records, columns = _records(look_at(table), table.n_strata), _columns(table)
    found = posterior(records, columns, estimator.scales)
    return (
        Undetermined("indeterminate", Message("reason.no_mode"))
        if found is None
        else _Found(records, columns, found)
    )


def _undetermined(table: CaptureTable) -> Undetermined | None:
    """Say why the effects of lists, whose prior is flat, are not determined; None if they are."""
    if table.n_observed == 0:
        return Undetermined("indeterminate", Message("nobody.observed"))
    main = LogLinear("main").fit(table)
    if main.status in ("ok", "boundary"):
        return None
    return Undetermined(main.limit, main.reason)


def _records(seen: Seen, n_strata: int) -> Records:
    """Take what was seen; a count within bounds stands at their middle."""
    given = seen.observations
    owner = np.repeat(np.arange(given.low.size), np.diff(given.first))
    inside = given.boxes != IMPOSSIBLE
    high = np.where(given.high < np.iinfo(np.int64).max // 2, given.high, given.low)
    persons = (given.low + high) / 2
    return Records(
        seen.base, owner[inside], given.boxes[inside], persons, seen.observable, n_strata
    )


def _orders(k: int) -> tuple[int, ...]:
    """Orders of the interactions of k lists."""
    return (2,) if k * (k - 1) * (k + 1) // 6 > MOST_INTERACTIONS else (2, 3)


def _size(table: CaptureTable) -> int:
    """Count the parameters: strata, lists and their interactions, and both by level of covariates."""
    k = table.n_lists
    levels = sum(size for size in map(len, table.covariates.values()) if size > 1)
    return table.n_strata + k + sum(math.comb(k, each) for each in _orders(k)) + levels * (k + 1)


def _columns(table: CaptureTable) -> Columns:
    """Make the columns: lists, their interactions, and what levels of covariates change about both."""
    k = table.n_lists
    together, order = interactions(k, _orders(k))
    histories = (np.arange(2**k)[:, None] >> np.arange(k)[::-1]) & 1
    levels = _levels(table)
    on, among = histories.sum(axis=1), (order == 2)
    shared = np.column_stack([histories, together])
    by_level = [np.outer(histories[:, j], level) for j in range(k) for level in levels]
    strength = [np.outer(on * (on - 1) / 2, level) for level in levels] if among.any() else []
    rows = np.repeat(shared, table.n_strata, axis=0)
    changes = [each.ravel() for each in (*by_level, *strength)]
    if changes:
        rows = np.column_stack([rows, *changes])
    flat = np.concatenate(
        [
            np.full(k, FLAT),
            np.zeros(order.size),
            np.full(len(by_level), LEVEL_EFFECTS),
            np.full(len(strength), LEVEL_STRENGTH),
        ]
    )
    orders = np.concatenate([np.zeros(k), order, np.zeros(len(changes))]).astype(np.int64)
    return Columns(np.ascontiguousarray(rows, dtype=np.float64), flat, orders)


def _levels(table: CaptureTable) -> list[FloatArray]:
    """Mark the strata (S,) of each level of each covariate with two levels or more."""
    sizes = [len(levels) for levels in table.covariates.values()]
    places = np.indices(sizes).reshape(len(sizes), -1) if sizes else np.zeros((0, 1))
    return [
        (places[axis] == level).astype(np.float64)
        for axis, size in enumerate(sizes)
        if size > 1
        for level in range(size)
    ]


@dataclass(frozen=True, eq=False, repr=False)
class HeterogeneousLogLinearFit(BayesianFit):
    """What the model learned from a table.

    Attributes
    ----------
    estimator : HeterogeneousLogLinear
        Assumptions and settings.
    table : CaptureTable
        The data.
    """

    estimator: HeterogeneousLogLinear
    table: CaptureTable
    _found: _Found | Undetermined = field(repr=False)

    @property
    def _undetermined(self) -> Undetermined | None:
        return self._found if isinstance(self._found, Undetermined) else None

    def _need(self) -> _Found:
        """Give the posterior; ``ModelError`` where there is none."""
        if isinstance(self._found, Undetermined):
            raise ModelError(f"There is no posterior: {self.reason}")
        return self._found

    @cached_property
    def chains(self) -> Chains:
        """Independent draws of N, hidden persons by stratum, and the ``common`` log odds ratio of pairs."""
        size, n_strata = self.estimator.draws, self.table.n_strata
        if isinstance(self._found, Undetermined):
            nothing = np.full((1, size, n_strata), np.nan)
            return Chains({"N": nothing.sum(axis=2), "hidden": nothing}, independent=True)
        records, columns, mixture = self._found
        rng = np.random.default_rng(self.estimator.seed)
        drawn = draw_coefficients(mixture, size, rng)
        hidden = hidden_of(drawn, records, columns, rng)[None]
        common = drawn[:, n_strata:][:, columns.order == 2].mean(axis=1)[None]
        total = hidden.sum(axis=2) + self.table.n_observed
        return Chains({"N": total, "hidden": hidden, "common": common}, independent=True)

    @cached_property
    def moves(self) -> tuple[FloatArray, FloatArray]:
        """How a person more in each cell, (C, S), moves the logarithms of hidden numbers, and these, (S,)."""
        records, columns, mixture = self._need()
        return moved_by_persons(mixture, records, columns)

    @property
    def dependence(self) -> Mapping[float, float]:
        """Posterior probability of each spread of single interactions."""
        weights = self._need().mixture.weights
        return dict(zip(self.estimator.scales.spreads.tolist(), weights.tolist(), strict=True))

    @property
    def _observed_by_stratum(self) -> IntArray:
        completed = self._need().mixture.completed
        return whole_persons(completed.reshape(-1, self.table.n_strata).sum(axis=0))

    @property
    def _uncertainty(self) -> IntervalMethod:
        return CredibleInterval(self.chains.flat("N"), given=GIVEN_PRIOR)

    @property
    def _remarks(self) -> tuple[str, ...]:
        return (Message("remark.prior_alone"),) if self.table.n_lists == 2 else ()

    def _predict(self, size: int, rng: np.random.Generator) -> IntArray:
        records, columns, mixture = self._need()
        drawn = draw_coefficients(mixture, size, rng)
        means = means_of(drawn, columns, records.n_strata)
        return np.where(records.observable, rng.poisson(means), 0).astype(np.int64)

    def _other_priors(self) -> Mapping[str, Estimator]:
        asked = self.estimator
        return {
            "people alike": replace(asked, mean=0.0, sd=0.01, triples=0.01),
            "people differ less": replace(asked, mean=asked.mean / 2),
            "people differ more": replace(asked, mean=2 * asked.mean),
            "twice as uncertain how far": replace(asked, sd=2 * asked.sd),
            "little dependence between single lists": replace(
                asked, dependence=(asked.dependence[0], asked.dependence[0] * 4)
            ),
        }
