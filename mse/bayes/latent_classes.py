"""Latent class models: persons who differ in ways that nobody recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.special import expit, log_expit

from mse._progress import track
from mse._settings import check_whole
from mse.answer.method import Method
from mse.bayes.base import BayesianFit, Chains, Undetermined, announce, diagnose, without_observed
from mse.core.latent_classes.chain import FIRST_STEP, Draws, draw_atlas, no_atlas, run, scatter
from mse.core.latent_classes.density import Priors, evaluate, make_target, make_workspace
from mse.errors import ModelError
from mse.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mse._typing import FloatArray, IntArray, Level, Limit
    from mse.answer.protocols import Estimator
    from mse.core.latent_classes.chain import Atlas
    from mse.core.latent_classes.density import Target
    from mse.data.table import CaptureTable


# Chains over latent class models, side by side: scouts, warm-up, draws ----------------------------
# In the first half of the warm-up each chain sends out scouts, short runs from starts far apart, so that
# places that can be jumped to are known even where a chain would need long to find them by itself. In
# the second half chains jump to places learned from the scouts of all chains; what they find there, and
# some of what the scouts found, makes the proposals that are then kept.

#: Scouts of each chain.
SCOUTS = 8
#: Share of a run that is left out when it is learned from: the way from its start.
WAY = 0.5
#: States of chains and of scouts from which is learned; more make no better proposals.
MAX_STATES, MAX_SCOUTED = 3000, 1000
#: Below this share of accepted jumps they cost more than they bring.
WORTHWHILE = 0.002
#: Histories times classes times sweeps of a chain from which chains run in parallel.
THREADED = 1_000_000
#: Expected hidden persons beyond this are not drawn: 64-bit integers end.
LARGEST_COUNT = 1e18


class Length(NamedTuple):
    """How long chains run.

    Attributes
    ----------
    chains, draws : int
        Chains, and draws kept of each.
    thin, warmup : int
        Sweeps for each draw, and before the first one.
    """

    chains: int
    draws: int
    thin: int
    warmup: int


class Sampled(NamedTuple):
    """What the chains found.

    Attributes
    ----------
    theta : float64 array (chains, M, D)
        States.
    hidden : float64 array (chains, M, S)
        Hidden persons by stratum.
    stats : float64 array (chains, M, 3)
        As of `mse.core.latent_classes.chain.Draws`.
    """

    theta: FloatArray
    hidden: FloatArray
    stats: FloatArray


class _Walker(NamedTuple):
    """A chain between two runs."""

    rng: np.random.Generator
    theta: FloatArray
    step: float


def sample(target: Target, length: Length, seed: int, *, progress: bool | None) -> Sampled:
    """Draw from the posterior of a latent class model with several chains.

    target: the posterior
    length: how long
    seed: the same seed gives the same draws, whatever the number of workers
    progress: show a bar; None shows it in a terminal or notebook
    """
    *seeds, own = np.random.SeedSequence(seed).spawn(length.chains + 1)
    rng = np.random.default_rng(own)
    walkers = [_Walker(np.random.default_rng(child), np.zeros(0), FIRST_STEP) for child in seeds]
    atlas, scouted = no_atlas(), np.zeros((0, 0))
    half = length.warmup // 2
    for part in track(("scouts", "warm-up", "draws"), 3, "Sampling", progress=progress):
        if part == "scouts":
            walkers, drawn = _advance(walkers, target, atlas, half // SCOUTS, 1, scouts=SCOUTS)
            scouted = _states(drawn, MAX_STATES)
            atlas = draw_atlas(rng, scouted, target)
        elif part == "warm-up":
            walkers, drawn = _advance(walkers, target, atlas, half, 1)
            seen = np.concatenate([_states(drawn, MAX_STATES), _some(scouted, MAX_SCOUTED)])
            known = _share_of_jumps(drawn) >= WORTHWHILE
            atlas = draw_atlas(rng, seen, target) if known else no_atlas()
        else:
            walkers, drawn = _advance(
                walkers, target, atlas, length.draws, length.thin, adapt=False
            )
    observed = target.histories.observed
    pairs = zip(walkers, drawn, strict=True)
    hidden = [_hidden(walker.rng, each.odds, observed) for walker, (each,) in pairs]
    return Sampled(
        np.stack([each.theta for (each,) in drawn]),
        np.stack(hidden),
        np.stack([each.stats for (each,) in drawn]),
    )


def _advance(
    walkers: Sequence[_Walker],
    target: Target,
    atlas: Atlas,
    n_draws: int,
    thin: int,
    *,
    scouts: int = 0,
    adapt: bool = True,
) -> tuple[list[_Walker], list[list[Draws]]]:
    """Let all chains run for a while, or send out scouts."""
    from joblib import Parallel, delayed

    work = target.histories.counts.size * target.n_classes * n_draws * thin * max(scouts, 1)
    # Below some tenths of a second a chain, handing it to a thread takes longer than it does.
    parallel = Parallel(n_jobs=-1 if work > THREADED else 1, prefer="threads")
    tasks = (
        delayed(_walk)(walker, target, atlas, n_draws, thin, scouts=scouts, adapt=adapt)
        for walker in walkers
    )
    found = parallel(tasks)
    return [walker for walker, _ in found], [drawn for _, drawn in found]


def _walk(
    walker: _Walker,
    target: Target,
    atlas: Atlas,
    n_draws: int,
    thin: int,
    *,
    scouts: int,
    adapt: bool,
) -> tuple[_Walker, list[Draws]]:
    """Let one chain run for a while, or send out its scouts; it goes on from the last of them."""
    rng, theta, step = walker
    runs = []
    for _ in range(max(scouts, 1)):
        if scouts:
            theta, step = scatter(rng, target), FIRST_STEP
        drawn, step = run(rng, theta, target, atlas, step, n_draws=n_draws, thin=thin, adapt=adapt)
        runs.append(drawn)
    # The generator has moved on, in another process if need be: it comes back with the chain.
    return _Walker(rng, runs[-1].theta[-1].copy(), step), runs


def _share_of_jumps(drawn: Sequence[Sequence[Draws]]) -> float:
    return float(np.mean([each.stats[:, 2].mean() for runs in drawn for each in runs]))


def _states(drawn: Sequence[Sequence[Draws]], most: int) -> FloatArray:
    """States of all runs to learn from, (M, D)."""
    runs = [each.theta[int(WAY * len(each.theta)) :] for runs in drawn for each in runs]
    return _some(np.concatenate(runs), most)


def _some(states: FloatArray, most: int) -> FloatArray:
    """Every so many of the states."""
    return np.ascontiguousarray(states[:: max(-(-len(states) // most), 1)])


def _hidden(rng: np.random.Generator, odds: FloatArray, observed: FloatArray) -> FloatArray:
    """Draw hidden persons: negative binomial given the odds, as p(N) is proportional to 1/N."""
    mean = rng.standard_gamma(observed, size=odds.shape) * odds
    large = mean > LARGEST_COUNT
    return np.where(large, mean, rng.poisson(np.where(large, 0.0, mean)))


# What draws of latent class models say about the classes, and tables they predict -----------------
# References
# ----------
# Papastamoulis, P. and Iliopoulos, G. (2010). An artificial allocations based solution to the label
# switching problem in Bayesian analysis of mixtures of distributions. Journal of Computational and
# Graphical Statistics 19, 313-331.

#: Classes with fewer observed persons, in expectation, count as empty.
NOBODY = 0.5
#: Ends of the intervals of class parameters.
TAILS = (0.025, 0.5, 0.975)


class Relabeled(NamedTuple):
    """Parameters of the classes that observed persons are in, the same class in the same place.

    Attributes
    ----------
    observed : float64 array (M, h)
        Observed persons in expectation.
    weights : float64 array (M, h)
        Shares of N.
    by_stratum : float64 array (M, S, h)
        Weights in each stratum.
    chances : float64 array (M, K, h)
        Capture probabilities.
    """

    observed: FloatArray
    weights: FloatArray
    by_stratum: FloatArray
    chances: FloatArray


def mixture(theta: FloatArray, target: Target) -> tuple[FloatArray, FloatArray]:
    """Read class weights (M, S, H) and capture probabilities (M, K, H) off states (M, D)."""
    n_strata, h = target.histories.observed.size, target.n_classes
    sticks = theta[:, : n_strata * (h - 1)].reshape(len(theta), n_strata, h - 1)
    logs = np.zeros((len(theta), n_strata, h))
    logs[:, :, :-1] = log_expit(sticks)
    logs[:, :, 1:] += np.cumsum(log_expit(-sticks), axis=2)
    logits = theta[:, n_strata * (h - 1) :].reshape(-1, target.histories.n_lists, h)
    return np.exp(logs), expit(logits)


def concentrations(theta: FloatArray, target: Target, seed: int) -> FloatArray:
    """Draw alpha given the sticks, which is all that it depends on: Gamma.

    theta: (chains, M, D), states
    target: the posterior
    seed: the same seed gives the same draws
    Returns (chains, M)
    """
    n_sticks = target.histories.observed.size * (target.n_classes - 1)
    length = -log_expit(-theta[:, :, :n_sticks]).sum(axis=2)
    rng = np.random.default_rng([seed, 1])
    shape = target.priors.shape + n_sticks
    return np.asarray(rng.standard_gamma(shape, length.shape) / (target.priors.rate + length))


def _expected_shares(theta: FloatArray, target: Target) -> Iterator[FloatArray]:
    """Observed persons by history and class in expectation, (R, H), state by state."""
    work = make_workspace(target)
    for one in theta:
        evaluate(one, target, work)
        yield work.shares


def count_occupied(theta: FloatArray, target: Target, seed: int) -> pd.Series:
    """Distribution of the number of classes with observed persons in them.

    theta: (chains, M, D), states
    target: the posterior
    seed: persons are put into classes at random, the same for the same seed
    Returns probabilities indexed by number of classes
    """
    rng = np.random.default_rng([seed, 2])
    counts = target.histories.counts.astype(np.int64)
    states = theta.reshape(-1, theta.shape[2])
    found = np.zeros(target.n_classes + 1)
    for shares in _expected_shares(states, target):
        persons = rng.multinomial(counts, shares / shares.sum(axis=1, keepdims=True))
        found[(persons.sum(axis=0) > 0).sum()] += 1.0 / len(states)
    numbers = pd.Index(range(target.n_classes + 1), name="classes")
    return pd.Series(found, numbers, name="probability").loc[lambda each: each > 0]


def relabel(sampled: Sampled, target: Target) -> Relabeled:
    """Give classes that agree the same place in every draw, and leave out the empty ones."""
    theta = sampled.theta.reshape(-1, sampled.theta.shape[2])
    weights, chances = mixture(theta, target)
    totals = sampled.hidden.reshape(len(theta), -1) + target.histories.observed
    pivot = np.zeros(0)
    order = np.zeros((len(theta), target.n_classes), dtype=np.int64)
    observed = np.zeros(order.shape)
    best = int(np.argmax(sampled.stats[:, :, 0]))
    for shares in _expected_shares(theta[best : best + 1], target):
        pivot = shares / target.histories.counts[:, None]
    for m, shares in enumerate(_expected_shares(theta, target)):
        order[m] = linear_sum_assignment(pivot.T @ shares, maximize=True)[1]
        observed[m] = shares.sum(axis=0)[order[m]]
    share_of_n = np.einsum("ms,msh->mh", totals, weights) / totals.sum(axis=1, keepdims=True)
    medians = np.median(observed, axis=0)
    kept = [int(h) for h in np.argsort(-medians) if medians[h] >= NOBODY]
    picked = order[:, kept]
    return Relabeled(
        observed[:, kept],
        np.take_along_axis(share_of_n, picked, axis=1),
        np.take_along_axis(weights, picked[:, None, :], axis=2),
        np.take_along_axis(chances, picked[:, None, :], axis=2),
    )


def describe_classes(found: Relabeled, lists: Sequence[str]) -> pd.DataFrame:
    """Tabulate medians and 95% intervals of the parameters of the classes."""
    columns = {"observed": found.observed, "weight": found.weights}
    columns |= {name: found.chances[:, k] for k, name in enumerate(lists)}
    table: dict[str, FloatArray] = {}
    for name, draws in columns.items():
        low, middle, high = np.quantile(draws, TAILS, axis=0)
        table |= {name: middle, f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(table, index=pd.RangeIndex(1, found.observed.shape[1] + 1, name="class"))


def weights_by_stratum(
    found: Relabeled, covariates: Mapping[str, tuple[Level, ...]]
) -> pd.DataFrame:
    """Tabulate the median weights of the classes, one column a stratum."""
    medians = np.median(found.by_stratum, axis=0).T
    rows = pd.RangeIndex(1, len(medians) + 1, name="class")
    if not covariates:
        return pd.DataFrame(medians, rows, ["weight"])
    columns = pd.MultiIndex.from_product([*covariates.values()], names=[*covariates])
    return pd.DataFrame(medians, rows, columns)


def predict(sampled: Sampled, target: Target, size: int, rng: np.random.Generator) -> IntArray:
    """Draw tables of the lists that somebody is on: N persons thrown into the cells.

    sampled: draws
    target: the posterior
    size: number of tables
    rng: source of randomness
    Returns (size, C, S)
    """
    n_lists, n_strata = target.histories.n_lists, target.histories.observed.size
    theta = sampled.theta.reshape(-1, sampled.theta.shape[2])
    hidden = sampled.hidden.reshape(-1, n_strata)
    tables = np.zeros((size, 2**n_lists, n_strata), dtype=np.int64)
    for m, at in enumerate(rng.integers(len(theta), size=size)):
        weights, chances = mixture(theta[at : at + 1], target)
        cells = np.ones((1, target.n_classes))
        for chance in chances[0]:
            cells = np.stack([cells * (1 - chance), cells * chance], axis=1)
            cells = cells.reshape(-1, target.n_classes)
        shares = weights[0] @ cells.T
        persons = (hidden[at] + target.histories.observed).astype(np.int64)
        tables[m] = rng.multinomial(persons, shares / shares.sum(axis=1, keepdims=True)).T
    return tables


# Latent class models: persons who differ in ways that nobody recorded -----------------------------

#: Smallest number of draws of a chain, and of sweeps before them, that make sense.
FEWEST_DRAWS, FEWEST_SWEEPS = 100, 100
#: Smaller shape parameters put visible weight where logits of probabilities are cut off.
SMALLEST_SHAPE = 0.5


@dataclass(frozen=True)
class LatentClasses:
    r"""Estimate N by a mixture of classes within which lists are independent.

    Persons belong to classes that nobody recorded. Within a class the lists are independent; that
    classes differ makes the lists depend on each other. The number of classes is not chosen: a
    Dirichlet process prior uses as many as the data ask for (Manrique-Vallier 2016).

    Parameters
    ----------
    classes : int, default 10
        Classes at most. 1 is the model of independent lists.
    alpha : tuple of float, default (0.25, 0.25)
        Shape and rate of the Gamma prior of the concentration of the Dirichlet process: small
        values of it put most persons into few classes.
    capture : tuple of float, default (1.0, 1.0)
        Parameters of the Beta prior of capture probabilities, each 0.5 or more; uniform by default.
    strata : {None, "shared"}, default None
        What to do with covariates. ``"shared"``: classes have the same capture probabilities in all
        strata, while their weights, and N, are of each stratum. A stratum in which nobody was observed
        has no estimate, hence nor has the total; ``population.by`` keeps the others.
    draws : int, default 1000
        Draws that are kept of each chain.
    thin : int, default 10
        Sweeps of the sampler for each draw.
    warmup : int, default 4000
        Sweeps of each chain before the first draw; half of them by scouts from starts far apart.
    chains : int, default 4
        Chains, from over-dispersed starts. In the warm-up they learn from each other where to jump.
    seed : int, default 1
        Equal settings give equal answers on one machine, whatever the number of workers; draws differ
        between processors, by Monte Carlo error.
    progress : bool, optional
        Show a bar; by default in a terminal or notebook.

    Notes
    -----
    .. math::

        p(c) = \sum_h \pi_h \prod_j \lambda_{hj}^{c_j} (1 - \lambda_{hj})^{1 - c_j}, \qquad
        \pi_h = V_h \prod_{l < h} (1 - V_l), \quad V_h \sim \text{Beta}(1, \alpha)

    and :math:`p(N) \propto 1 / N`. The hidden number and :math:`\alpha` integrate out of the
    posterior. Each sweep of a chain puts persons into classes (Gibbs), exchanges two classes, follows
    a Hamiltonian trajectory, and tries to jump: to states drawn from a mixture of normal distributions
    that was fitted to the warm-up of all chains, accepted or rejected as usual. That carries chains
    between modes.

    The point estimate is the posterior median. Chains whose R-hat of log N exceeds 1.1 give no
    estimate (``not_converged``). Where no person is on two lists, or only two lists have anybody on
    them and more than one class is allowed, the data determine nothing (``not_estimable``).

    Examples
    --------
    >>> import mse
    >>> fit = mse.LatentClasses(classes=5, draws=500).fit(mse.load_dataset("kosovo"))
    >>> 10_000 < fit.population.total < 10_900
    True
    >>> int(fit.n_classes.idxmax()) >= 3
    True
    """

    method = Method(
        "latent classes",
        references=(
            "Manrique-Vallier, D. (2016). Bayesian population size estimation using Dirichlet process mixtures. Biometrics 72, 1246-1254.",
        ),
    )

    classes: int = 10
    alpha: tuple[float, float] = (0.25, 0.25)
    capture: tuple[float, float] = (1.0, 1.0)
    strata: Literal["shared"] | None = None
    draws: int = 1000
    thin: int = 10
    warmup: int = 4000
    chains: int = 4
    seed: int = 1
    progress: bool | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        fewest = {"classes": 1, "draws": FEWEST_DRAWS, "thin": 1, "chains": 1}
        for name, least in {**fewest, "warmup": FEWEST_SWEEPS, "seed": 0}.items():
            check_whole(name, getattr(self, name), least)
        for name, smallest in (("alpha", 0.0), ("capture", SMALLEST_SHAPE)):
            given = getattr(self, name)
            values = tuple(given) if isinstance(given, Iterable) else (given,)
            if len(values) != 2 or not all(max(smallest, 1e-3) <= x < np.inf for x in values):
                bound = f", {smallest:g} or more" if smallest else ""
                raise ModelError(f"{name}={given!r}: expected two positive numbers{bound}.")
            object.__setattr__(self, name, values)
        if self.strata not in (None, "shared"):
            raise ModelError(f"strata={self.strata!r} is not known; expected None or 'shared'.")

    def fit(self, table: CaptureTable) -> LatentClassesFit:
        """Draw from the posterior.

        Parameters
        ----------
        table : CaptureTable
            A complete table.

        Returns
        -------
        LatentClassesFit

        Raises
        ------
        ModelError
            If the table is known in part, or has covariates and `strata` does not say what to do.

        Warns
        -----
        ConvergenceWarning
            If the chains have not settled.
        """
        _check(self, table)
        undetermined = _why_undetermined(table, self.classes)
        if undetermined is not None:
            return LatentClassesFit(self, table, undetermined, None)
        length = Length(self.chains, self.draws, self.thin, self.warmup)
        sampled = sample(_target(self, table), length, self.seed, progress=self.progress)
        fit = LatentClassesFit(self, table, None, sampled)
        announce(fit)
        return fit


def _check(estimator: LatentClasses, table: CaptureTable) -> None:
    """Raise ``ModelError`` for a table that is not meant for this estimator, with the ways out."""
    if not table.is_complete:
        raise ModelError(
            "The table holds observations that are known in part (an unknown list membership or "
            "covariate, a count within bounds, or margins only). LatentClasses takes complete tables: "
            "leave the lists concerned out with table.keep_lists(...), or use LogLinear or "
            "PooledLogLinear, which take partly known ones."
        )
    if table.covariates and estimator.strata is None:
        names = ", ".join(table.covariates)
        raise ModelError(
            f"The table has covariates ({names}) and the model is about lists only. Fit each stratum "
            f"by itself (table.by(...)), sum over the covariates (table.collapse(...)), or let the "
            f'strata share classes: LatentClasses(strata="shared").'
        )


def _listed(table: CaptureTable) -> tuple[str, ...]:
    """Name the lists that somebody is on."""
    return tuple(name for k, name in enumerate(table.lists) if table.patterns[:, k].any())


def _why_undetermined(table: CaptureTable, classes: int) -> Undetermined | None:
    """Say why the data leave the hidden number to the prior; None if they do not."""
    on = len(_listed(table))
    if on < 2:
        return Undetermined("indeterminate", Message("reason.few_lists", n=on))
    if not (table.patterns[:, : table.n_lists].sum(axis=1) > 1).any():
        return Undetermined("infinite", Message("nobody.classes"))
    if on == 2 and classes > 1:
        return Undetermined("indeterminate", Message("reason.classes_two"))
    return None


def _target(estimator: LatentClasses, table: CaptureTable) -> Target:
    """Put the posterior together; lists that nobody is on play no part."""
    n_lists = table.n_lists
    columns = [k for k, name in enumerate(table.lists) if name in _listed(table)]
    strata = np.zeros(len(table.patterns), dtype=np.int64)
    if table.covariates:
        sizes = [len(levels) for levels in table.covariates.values()]
        strata = np.ravel_multi_index(tuple(table.patterns[:, n_lists:].T), sizes)
    return make_target(
        table.patterns[:, columns],
        table.low,
        strata.astype(np.int64),
        table.n_strata,
        Priors(*map(float, estimator.alpha), *map(float, estimator.capture)),
        estimator.classes,
    )


@dataclass(frozen=True, eq=False, repr=False)
class LatentClassesFit(BayesianFit):
    """What a latent class model learned from a table.

    Attributes
    ----------
    estimator : LatentClasses
        Assumptions and settings.
    table : CaptureTable
        The data.
    """

    estimator: LatentClasses
    table: CaptureTable
    _reason: Undetermined | None = field(repr=False)
    _sampled: Sampled | None = field(repr=False)

    @property
    def _undetermined(self) -> Undetermined | None:
        return self._reason

    @cached_property
    def _target(self) -> Target:
        return _target(self.estimator, self.table)

    @property
    def _lost(self) -> Mapping[int, Limit]:
        # The weights of classes and N are of each stratum: nothing but p(N) speaks of an empty one.
        return dict.fromkeys(without_observed(self.table), "indeterminate")

    def _need(self) -> Sampled:
        """Give the draws; ``ModelError`` where there are none."""
        if self._sampled is None:
            raise ModelError(f"Nothing was sampled: {self.reason}")
        return self._sampled

    @cached_property
    def chains(self) -> Chains:
        """Draws of ``N``, of hidden persons by stratum, and of the concentration ``alpha``.

        Strata in which nobody was observed play no part: their hidden persons are 0 here, and ``N``
        counts the others.
        """
        if self._sampled is None:
            nothing = np.full((1, FEWEST_DRAWS, self.table.n_strata), np.nan)
            return Chains({"N": nothing.sum(axis=2), "hidden": nothing})
        found = self._sampled
        names = ("total_log_likelihood", "acceptance", "jumps")
        return Chains(
            {
                "N": found.hidden.sum(axis=2) + self.table.n_observed,
                "hidden": found.hidden.copy(),
                "alpha": concentrations(found.theta, self._target, self.estimator.seed),
            },
            coords={"stratum": range(self.table.n_strata)},
            dims={"hidden": ("stratum",)},
            stats={name: found.stats[:, :, i].copy() for i, name in enumerate(names)},
        )

    @cached_property
    def n_classes(self) -> pd.Series:
        """Posterior distribution of the number of classes that observed persons are in.

        Returns
        -------
        Series
            Probabilities that add up to 1, indexed by number of classes.
        """
        return count_occupied(self._need().theta, self._target, self.estimator.seed)

    @cached_property
    def _relabeled(self) -> Relabeled:
        return relabel(self._need(), self._target)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """Classes that observed persons are in.

        Returns
        -------
        DataFrame
            One row a class, the one with most observed persons first: ``observed`` (persons in
            expectation, median over the draws), ``weight`` (share of N), and the capture
            probability of each list by its name; each with 95% intervals in ``..._low`` and
            ``..._high``. Where the posterior has several modes, see that the intervals make sense:
            classes of one mode need not have a counterpart in another.

        Notes
        -----
        The labels of the classes mean nothing and change in the course of a chain. Each draw is
        relabeled so that its classes agree best with those of the draw of highest density, in the
        persons expected in them by history (Papastamoulis & Iliopoulos 2010).
        """
        return describe_classes(self._relabeled, _listed(self.table))

    @cached_property
    def class_weights(self) -> pd.DataFrame:
        """Weights of the classes in each stratum, medians over the draws; rows as of `classes`."""
        return weights_by_stratum(self._relabeled, self.table.covariates)

    @cached_property
    def diagnostics(self) -> pd.DataFrame:
        """R-hat, effective sample sizes and Monte Carlo error of log N."""
        return diagnose(self.chains, [] if self._sampled is None else ["log N"])

    @property
    def _remarks(self) -> tuple[str, ...]:
        if self._sampled is None:
            return ()
        on = _listed(self.table)
        silent = [name for name in self.table.lists if name not in on]
        found = [Message("nobody.silent", names=silent)] if silent else []
        if len(on) == 3 and self.estimator.classes > 1:
            found.append(Message("remark.classes_three"))
        return tuple(found)

    def _predict(self, size: int, rng: np.random.Generator) -> IntArray:
        drawn = predict(self._need(), self._target, size, rng)
        on = _listed(self.table)
        # Cells of lists that nobody is on stay empty.
        whole = np.zeros((size, *(2,) * self.table.n_lists, self.table.n_strata), dtype=np.int64)
        at = tuple(slice(None) if name in on else 0 for name in self.table.lists)
        whole[(slice(None), *at)] = drawn.reshape(size, *(2,) * len(on), -1)
        return whole.reshape(size, -1)

    def _other_priors(self) -> Mapping[str, Estimator]:
        asked = self.estimator
        first, second = asked.capture
        changed = {
            "alpha ~ Gamma(1, 1)": replace(asked, alpha=(1.0, 1.0)),
            "alpha ~ Gamma(2, 0.5)": replace(asked, alpha=(2.0, 0.5)),
            "half as many classes": replace(asked, classes=max(asked.classes // 2, 1)),
            "twice as many classes": replace(asked, classes=2 * asked.classes),
            "capture probabilities ~ Beta(0.5, 0.5)": replace(asked, capture=(0.5, 0.5)),
            "capture probabilities ~ Beta, second parameter doubled": replace(
                asked, capture=(first, 2 * second)
            ),
        }
        return {name: other for name, other in changed.items() if other != asked}
