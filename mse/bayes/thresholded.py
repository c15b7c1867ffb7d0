"""Log-linear model with the effects whose posterior is clearly away from zero."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, product
from math import prod
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from mse._settings import check_positive, check_whole
from mse.answer.intervals import GIVEN_MODEL
from mse.answer.method import Method
from mse.bayes.base import (
    BayesianFit,
    Chains,
    CredibleInterval,
    Undetermined,
    announce,
    diagnose,
    warn_of,
    without_observed,
)
from mse.core.newton import make_design, with_unions
from mse.core.thresholded import Target, cell_means, draw, find_mode
from mse.errors import ModelError
from mse.loglinear import LogLinear
from mse.messages import Message
from mse.models.terms import HierarchicalModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mse._typing import FloatArray, IntArray, Limit
    from mse.answer.intervals import IntervalMethod
    from mse.answer.protocols import Estimator
    from mse.data.table import CaptureTable
    from mse.models.terms import Term


# Priors of effects, and what their posterior says: sizes in standard deviations, level by ---------

#: Standard errors of Monte Carlo within which a size cannot be told from the threshold.
DOUBT = 2.0


def term_sizes(terms: Sequence[Term], shape: Sequence[int]) -> list[int]:
    """Count the coefficients of each term."""
    return [prod(shape[axis] - 1 for axis in term) for term in terms]


def prior_precision(
    terms: Sequence[Term], shape: Sequence[int], interaction_sd: float, field_variance: float
) -> FloatArray:
    """Inverse prior covariance of the coefficients.

    The intercept and the main effects have independent priors of a large variance. Interactions have
    mean 0 and standard deviation `interaction_sd`; those of a covariate with several levels are
    differences of independent effects of the levels to that of the first, so that it makes no
    difference which level comes first: each coefficient has the standard deviation, and two of them
    have the correlation 1/2.

    terms: terms of the model, the constant's empty one first
    shape: levels of each axis
    interaction_sd, field_variance: log scale
    Returns (p, p)

    Examples
    --------
    >>> prior_precision([(), (0,), (1,), (0, 1)], (2, 2), 0.5, 100.0).diagonal()
    array([0.01, 0.01, 0.01, 4.  ])
    """
    sizes = term_sizes(terms, shape)
    precision = np.zeros((sum(sizes), sum(sizes)))
    start = 0
    for term, size in zip(terms, sizes, strict=True):
        block = np.eye(size) / field_variance
        if len(term) > 1:
            sides = [np.eye(shape[axis] - 1) + 1.0 for axis in term]
            block = np.asarray(np.linalg.inv(_product(sides) / 2 ** len(term)) / interaction_sd**2)
        precision[start : start + size, start : start + size] = block
        start += size
    return precision


def _product(matrices: Iterable[FloatArray]) -> FloatArray:
    whole: FloatArray = np.ones((1, 1))
    for matrix in matrices:
        whole = np.asarray(np.kron(whole, matrix), dtype=np.float64)
    return whole


def _comparisons(table: CaptureTable, axis: int) -> tuple[FloatArray, list[str]]:
    """Rows that turn the coefficients of an axis into effects, and the names of these."""
    if axis < table.n_lists:
        return np.ones((1, 1)), [table.lists[axis]]
    name, levels = list(table.covariates.items())[axis - table.n_lists]
    if len(levels) == 2:
        return np.ones((1, 1)), [f"{name}={levels[1]}"]
    rows = np.vstack([np.zeros(len(levels) - 1), np.eye(len(levels) - 1)])
    # Against the average of all levels: then it makes no difference which one comes first.
    return rows - rows.mean(axis=0), [f"{name}={level}" for level in levels]


def effect_sizes(
    table: CaptureTable, terms: Sequence[Term], draws: FloatArray, threshold: float
) -> pd.DataFrame:
    """Tabulate the interactions: posterior mean over standard deviation.

    table: lists and covariates
    terms: terms of the model, the constant's empty one first
    draws: (chains, draws, p), coefficients, log scale
    threshold: size from which an effect is retained
    Returns Indexed by the name of the effect: ``mean`` and ``sd`` (log scale), ``z`` (their ratio),
        ``mcse`` (its Monte Carlo standard error), ``retained``, and ``term``. Of a covariate with
        several levels each level is compared with the average of all; the term is retained if any
        of its effects is large enough.
    """
    parts, start = [], 0
    for term, size in zip(terms, term_sizes(terms, table.shape), strict=True):
        if len(term) > 1:
            found = _sizes_of_term(table, term, draws[:, :, start : start + size])
            parts.append(found.assign(retained=bool((found["z"].abs() >= threshold).any())))
        start += size
    return pd.concat(parts)


def _sizes_of_term(table: CaptureTable, term: Term, draws: FloatArray) -> pd.DataFrame:
    from arviz_stats.base import array_stats

    sides = [_comparisons(table, axis) for axis in term]
    effects = draws @ _product(rows for rows, _ in sides).T
    mean, sd = effects.mean(axis=(0, 1)), effects.std(axis=(0, 1))
    z = mean / sd
    ess = np.asarray([array_stats.ess(effects[:, :, i]) for i in range(z.size)])
    # Of a mean over a standard deviation: relative errors 1/sqrt(ess) and 1/sqrt(2 ess).
    mcse = np.sqrt((1 + z**2 / 2) / ess)
    label = ":".join(table.axes[axis] for axis in term)
    names = [":".join(each) for each in product(*(labels for _, labels in sides))]
    columns = {"mean": mean, "sd": sd, "z": z, "mcse": mcse, "term": label}
    return pd.DataFrame(columns, index=pd.Index(names, name="effect"))


def in_doubt(effects: pd.DataFrame, threshold: float) -> list[str]:
    """Name the terms that other draws might have retained, or not.

    effects: as of `effect_sizes`
    threshold: size from which an effect is retained
    """
    size, error = effects["z"].abs(), DOUBT * effects["mcse"]
    surely = (size - error >= threshold).groupby(effects["term"], sort=False).any()
    perhaps = (size + error >= threshold).groupby(effects["term"], sort=False).any()
    return [str(term) for term in surely.index[perhaps & ~surely]]


# Log-linear model with the effects whose posterior is clearly away from zero ----------------------

#: Draws in which the sampler adapts its step; dual averaging is steady after some 200.
WARMUP = 500
#: Draws times cells of a chain from which chains run in parallel.
THREADED = 1_000_000
#: Largest mean whose Poisson draw fits into 64 bits.
LARGEST_MEAN = 1e18
#: Smallest number of draws of a chain that its diagnostics make sense of.
FEWEST_DRAWS = 100


@dataclass(frozen=True)
class ThresholdedLogLinear:
    r"""Estimate N by a log-linear model of the effects that are clearly away from zero.

    The model with all effects is fitted first; effects whose posterior mean is at least
    `threshold` posterior standard deviations away from zero are retained, the others are left out,
    and N comes from the model of the retained ones under the same prior (Silverman 2020, section 6).

    Parameters
    ----------
    threshold : float, default 2.0
        Posterior mean over standard deviation from which an effect is retained; 0 retains all.
    max_order : {2, 3}, default 2
        All effects of pairs, or of pairs and triples. A triple that is retained keeps its pairs.
    interaction_sd : float, default 1.0
        Prior standard deviation of interactions, log scale; their prior mean is 0.
    field_variance : float, default 1e4
        Prior variance of the intercept and the main effects, log scale.
    hidden : {"persons", "mean"}, default "persons"
        What stands for the hidden persons in each draw: a Poisson number of them, or its mean
        :math:`\exp(\text{intercept})`, as the published figures have it.
    draws : int, default 4000
        Draws of each chain.
    chains : int, default 4
        Chains, from over-dispersed starts.
    seed : int, default 1
        Equal settings give equal answers on one machine; draws differ between processors.

    Notes
    -----
    The counts of the observable histories are Poisson with log means :math:`x(c)'\theta`. N is the
    number of observed persons plus a Poisson number with mean :math:`\exp(x(0)'\theta)`: an interval
    of the mean alone is too short where few are hidden. With covariates every pair of axes has effects,
    those of several levels with a prior under which it makes no difference which level comes first.

    The interval takes the retained effects for granted. Where the main effects alone determine no
    hidden number (lists without any overlap), the prior variance of the intercept would decide and
    there is no estimate.

    Examples
    --------
    >>> import mse
    >>> fit = mse.ThresholdedLogLinear().fit(mse.load_dataset("korea"))
    >>> fit.model
    '[12,23]'
    >>> 150 < fit.population.total < 157
    True
    """

    method = Method(
        "Bayesian log-linear model with thresholded effects",
        references=(
            "Silverman, B. W. (2020). Multiple-systems analysis for the quantification of modern slavery: classical and Bayesian approaches. Journal of the Royal Statistical Society A 183, 691-736.",
        ),
    )

    threshold: float = 2.0
    max_order: int = 2
    interaction_sd: float = 1.0
    field_variance: float = 1e4
    hidden: Literal["persons", "mean"] = "persons"
    draws: int = 4000
    chains: int = 4
    seed: int = 1

    def __post_init__(self) -> None:
        if self.max_order not in (2, 3):
            raise ModelError(f"max_order={self.max_order!r} is not known; expected 2 or 3.")
        if self.hidden not in ("persons", "mean"):
            raise ModelError(f"hidden={self.hidden!r} is not known; expected 'persons' or 'mean'.")
        if not self.threshold >= 0:
            raise ModelError(f"threshold={self.threshold!r}: expected a number, 0 or more.")
        for name in ("interaction_sd", "field_variance"):
            check_positive(name, getattr(self, name))
        for name, fewest in (("draws", FEWEST_DRAWS), ("chains", 1), ("seed", 0)):
            check_whole(name, getattr(self, name), fewest)

    def fit(self, table: CaptureTable) -> ThresholdedLogLinearFit:
        """Sample the model with all effects, and then that of the retained ones.

        Parameters
        ----------
        table : CaptureTable
            A complete table of three lists or more.

        Returns
        -------
        ThresholdedLogLinearFit

        Raises
        ------
        ModelError
            If the table is known in part, or has too few lists.

        Warns
        -----
        ConvergenceWarning
            If the chains have not settled, or an effect is within Monte Carlo error of the
            threshold.
        """
        active = _active(self, table)
        if isinstance(active, Undetermined):
            return ThresholdedLogLinearFit(self, table, active, None)
        fit = ThresholdedLogLinearFit(self, table, None, _find(self, active))
        announce(fit)
        warn_of(fit.doubt)
        return fit


class _Sampled(NamedTuple):
    """Draws of one model."""

    model: HierarchicalModel
    coefficients: FloatArray  # (chains, draws, p) log scale
    means: FloatArray  # (chains, draws, S) of the hidden cells, persons
    stats: FloatArray  # (chains, draws, 2)


class _Found(NamedTuple):
    """What the two stages found."""

    active: CaptureTable  # without lists that nobody is on
    effects: pd.DataFrame
    everything: _Sampled
    retained: _Sampled
    hidden: FloatArray  # (chains, draws, S) persons


def _active(estimator: ThresholdedLogLinear, table: CaptureTable) -> CaptureTable | Undetermined:
    """Leave out lists that nobody is on, whose effects would repeat the prior; or say why not."""
    if not table.is_complete:
        raise ModelError(
            "The table holds observations that are known in part (an unknown list membership or "
            "covariate, a count within bounds, or margins only). ThresholdedLogLinear takes complete "
            "tables; PooledLogLinear and LogLinear take partly known ones."
        )
    if table.n_lists <= estimator.max_order:
        raise ModelError(
            f"The table has {table.n_lists} lists and max_order is {estimator.max_order}: expected "
            "more lists than that, since no data show the effect of all lists together."
        )
    lists = [name for k, name in enumerate(table.lists) if table.patterns[:, k].any()]
    if len(lists) <= estimator.max_order:
        return Undetermined("indeterminate", Message("reason.few_for_model", n=len(lists)))
    active = table.keep_lists(lists)
    # Given any interactions the main effects have a proper posterior under a flat prior if and
    # only if their maximum likelihood estimate exists; else their prior variance would decide.
    main = LogLinear("main").fit(active)
    if main.status in ("ok", "boundary"):
        return active
    return Undetermined(main.limit, main.reason)


def _find(estimator: ThresholdedLogLinear, active: CaptureTable) -> _Found:
    """Go through both stages."""
    seeds = np.random.SeedSequence(estimator.seed).spawn(3)
    axes = range(len(active.axes))
    largest = HierarchicalModel(
        active.axes, active.n_lists, tuple(combinations(axes, min(estimator.max_order, len(axes))))
    )
    everything = _sample(estimator, active, largest, seeds[0])
    effects = effect_sizes(active, largest.terms, everything.coefficients, estimator.threshold)
    names = set(effects.loc[effects["retained"], "term"])
    kept = [term for term in largest.terms if largest.term_name(term) in names]
    chosen = HierarchicalModel(active.axes, active.n_lists, (*kept, *((axis,) for axis in axes)))
    retained = _sample(estimator, active, chosen, seeds[1])
    hidden = retained.means
    if estimator.hidden == "persons":
        rng = np.random.default_rng(seeds[2])
        hidden = rng.poisson(np.minimum(hidden, LARGEST_MEAN)).astype(np.float64)
    return _Found(active, effects, everything, retained, hidden)


def _target(
    estimator: ThresholdedLogLinear, active: CaptureTable, model: HierarchicalModel
) -> Target:
    """Put together the posterior of a model."""
    cells = model.parameters(active.shape)
    design = with_unions(make_design(active.shape, active.n_lists, cells))
    counts = np.ascontiguousarray(active.counts, dtype=np.float64).ravel()
    precision = prior_precision(
        model.terms, active.shape, estimator.interaction_sd, estimator.field_variance
    )
    return Target(counts, design.observable, design, np.arange(design.cells.size), precision)


def _sample(
    estimator: ThresholdedLogLinear,
    active: CaptureTable,
    model: HierarchicalModel,
    seed: np.random.SeedSequence,
) -> _Sampled:
    """Draw all chains of a model."""
    from joblib import Parallel, delayed

    target = _target(estimator, active, model)
    mode = find_mode(target)
    tasks = (
        delayed(draw)(np.random.default_rng(child), target, mode, estimator.draws, WARMUP)
        for child in seed.spawn(estimator.chains)
    )
    # Below some tenths of a second a chain, handing it to a thread takes longer than it does.
    large = estimator.draws * target.counts.size > THREADED
    found = Parallel(n_jobs=-1 if large else 1, prefer="threads")(tasks)
    coefficients, means, stats = (np.stack([each[i] for each in found]) for i in range(3))
    return _Sampled(model, coefficients, means, stats)


@dataclass(frozen=True, eq=False, repr=False)
class ThresholdedLogLinearFit(BayesianFit):
    """What the thresholded log-linear model learned from a table.

    Attributes
    ----------
    estimator : ThresholdedLogLinear
        Assumptions and settings.
    table : CaptureTable
        The data.
    """

    estimator: ThresholdedLogLinear
    table: CaptureTable
    _reason: Undetermined | None = field(repr=False)
    _found: _Found | None = field(repr=False)

    def __repr__(self) -> str:
        return f"<ThresholdedLogLinearFit {self.model}: {self.status}>"

    @property
    def _undetermined(self) -> Undetermined | None:
        return self._reason

    @cached_property
    def _lost(self) -> Mapping[int, Limit]:
        empty = [] if self._found is None else without_observed(self.table)
        if self._found is None or not empty:
            return {}
        # Where the likelihood says nothing, the prior of the interactions would be the answer.
        found = LogLinear(self._found.retained.model.notation()).fit(self._found.active)
        strata = found.population.strata
        limits = () if strata is None else strata.limit
        return {at: limits[at] for at in empty if limits[at] != "finite"}

    @cached_property
    def structure(self) -> HierarchicalModel:
        """The model of the retained effects, over the axes of the table."""
        axes = self.table.axes
        terms: list[tuple[int, ...]] = [(axis,) for axis in range(len(axes))]
        if self._found is not None:
            own = self._found.active.axes
            terms += [
                tuple(axes.index(own[axis]) for axis in term)
                for term in self._found.retained.model.terms
                if term
            ]
        return HierarchicalModel(axes, self.table.n_lists, tuple(terms))

    @property
    def model(self) -> str:
        """The model of the retained effects in canonical notation, such as ``"[12,23]"``."""
        return self.structure.notation()

    @property
    def _model(self) -> str:
        return self.model

    @property
    def effects(self) -> pd.DataFrame:
        """Interactions in the model with all effects.

        Returns
        -------
        DataFrame
            Indexed by effect: ``mean``, ``sd`` (log scale), ``z`` (mean over sd), ``mcse`` (Monte
            Carlo standard error of ``z``), ``retained``, ``term``. Of a covariate with several
            levels each is compared with the average of all. A pair that a retained triple brings
            along is in the model and not ``retained``. Empty where nothing is estimable.
        """
        if self._found is None:
            columns = ["mean", "sd", "z", "mcse", "term", "retained"]
            return pd.DataFrame(columns=columns, index=pd.Index([], name="effect"))
        return self._found.effects

    @property
    def retained(self) -> tuple[str, ...]:
        """Names of the retained terms."""
        effects = self.effects
        return tuple(dict.fromkeys(effects.loc[effects["retained"].astype(bool), "term"]))

    @cached_property
    def doubt(self) -> str:
        """Which effects are within Monte Carlo error of the threshold, in words; empty if none is."""
        if self._found is None:
            return ""
        names = in_doubt(self.effects, self.estimator.threshold)
        if not names:
            return ""
        return Message("remark.near_threshold", threshold=self.estimator.threshold, names=names)

    @cached_property
    def chains(self) -> Chains:
        """Draws of the model of the retained effects: N, hidden persons by stratum, coefficients."""
        if self._found is None:
            nothing = np.full((1, FEWEST_DRAWS, self.table.n_strata), np.nan)
            return Chains({"N": nothing.sum(axis=2), "hidden": nothing})
        return _chains(self.table, self._found.retained, self._found.hidden)

    @cached_property
    def screening(self) -> Chains:
        """Draws of the model with all effects, whose hidden numbers are means."""
        if self._found is None:
            return self.chains
        return _chains(self.table, self._found.everything, self._found.everything.means)

    @cached_property
    def diagnostics(self) -> pd.DataFrame:
        """R-hat and effective sample sizes of log N, in both models."""
        if self._found is None:
            return diagnose(self.chains, [])
        before = diagnose(self.screening, ["log N"]).rename({"log N": "log N, all effects"})
        return pd.concat([diagnose(self.chains, ["log N"]), before])

    @property
    def _remarks(self) -> tuple[str, ...]:
        on = () if self._found is None else self._found.active.lists
        silent = [name for name in self.table.lists if self._found is not None and name not in on]
        alone = Message("nobody.silent", names=silent) if silent else ""
        return (self.doubt, alone)

    @property
    def _uncertainty(self) -> IntervalMethod:
        return CredibleInterval(self.chains.flat("N"), given=GIVEN_MODEL)

    def _predict(self, size: int, rng: np.random.Generator) -> IntArray:
        if self._found is None:
            raise ModelError(f"Nothing can be predicted: {self.reason}")
        active, sampled = self._found.active, self._found.retained
        flat = sampled.coefficients.reshape(-1, sampled.coefficients.shape[2])
        picked = flat[rng.integers(len(flat), size=size)]
        drawn = rng.poisson(cell_means(picked, _target(self.estimator, active, sampled.model)))
        # Cells of lists that nobody is on stay empty.
        whole = np.zeros((size, *self.table.shape), dtype=np.int64)
        on = tuple(slice(None) if name in active.axes else 0 for name in self.table.axes)
        whole[(slice(None), *on)] = drawn.reshape(size, *active.shape)
        return whole.reshape(size, -1)

    def _other_priors(self) -> Mapping[str, Estimator]:
        asked = self.estimator
        return {
            "interactions half as wide": replace(asked, interaction_sd=asked.interaction_sd / 2),
            "interactions twice as wide": replace(asked, interaction_sd=asked.interaction_sd * 2),
            "main effects with variance 100": replace(asked, field_variance=100.0),
            "threshold 25% lower": replace(asked, threshold=asked.threshold * 0.75),
            "threshold 25% higher": replace(asked, threshold=asked.threshold * 1.25),
            "all effects retained": replace(asked, threshold=0.0),
        }


def _chains(table: CaptureTable, sampled: _Sampled, hidden: FloatArray) -> Chains:
    """Name the draws of a model."""
    names = _coefficient_names(table, sampled.model)
    draws = {
        "N": hidden.sum(axis=2) + table.n_observed,
        "hidden": hidden,
        "coefficients": sampled.coefficients,
    }
    strata = pd.MultiIndex.from_product([*table.covariates.values()]) if table.covariates else [""]
    return Chains(
        draws,
        coords={"stratum": [str(each) for each in strata], "coefficient": names},
        dims={"hidden": ("stratum",), "coefficients": ("coefficient",)},
        stats={"acceptance_rate": sampled.stats[:, :, 0], "lp": sampled.stats[:, :, 1]},
    )


def _coefficient_names(table: CaptureTable, model: HierarchicalModel) -> list[str]:
    names = []
    for term in model.terms:
        labels = [""]
        for axis in term:
            name = model.axes[axis]
            levels = table.covariates.get(name)
            own = [name] if levels is None else [f"{name}={level}" for level in levels[1:]]
            labels = [f"{label}:{each}".lstrip(":") for label in labels for each in own]
        names += labels
    return ["intercept", *names[1:]]
