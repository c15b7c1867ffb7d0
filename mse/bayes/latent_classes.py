"""Latent class models: persons who differ in ways that nobody recorded.

References
----------
Manrique-Vallier, D. (2016). Bayesian population size estimation using Dirichlet process mixtures.
Biometrics 72, 1246-1254.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from mse.bayes.chains import Chains, diagnose
from mse.bayes.fit import BayesianFit, Undetermined, announce, without_observed
from mse.bayes.latent_classes_sampling import Length, sample
from mse.bayes.latent_classes_summary import (
    concentrations,
    count_occupied,
    describe_classes,
    predict,
    relabel,
    weights_by_stratum,
)
from mse.core.latent_classes import Priors, make_target
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mse._typing import IntArray, Limit
    from mse.bayes.latent_classes_sampling import Sampled
    from mse.bayes.latent_classes_summary import Relabeled
    from mse.core.latent_classes import Target
    from mse.estimators import Estimator
    from mse.table import CaptureTable

__all__ = ["LatentClasses", "LatentClassesFit"]

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
        for name, least in {**fewest, "warmup": FEWEST_SWEEPS}.items():
            value = getattr(self, name)
            if value != int(value) or value < least:
                raise ModelError(f"{name}={value!r}: expected a whole number, {least} or more.")
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
        reason = f"Only {on} of the lists have anybody on them: nothing overlaps."
        return Undetermined("indeterminate", reason)
    if not (table.patterns[:, : table.n_lists].sum(axis=1) > 1).any():
        reason = (
            "Nobody is on more than one list: the less of the population the lists are taken to reach, "
            "the better the model fits, without end."
        )
        return Undetermined("infinite", reason)
    if on == 2 and classes > 1:
        reason = (
            "Two lists cannot tell classes from chance: with two classes every total fits equally well. "
            "If you accept that the lists are independent, use Chapman() or LatentClasses(classes=1)."
        )
        return Undetermined("indeterminate", reason)
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

    method = "latent classes"

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
        found = [f"Nobody is on {', '.join(silent)}, which plays no part."] if silent else []
        if len(on) == 3 and self.estimator.classes > 1:
            found.append(
                "Three lists fit two classes in many ways, so the total rests on the prior of the "
                "classes as well; compare priors with prior_sensitivity()."
            )
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
