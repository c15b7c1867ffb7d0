"""Draws of named quantities from several chains, and whether the chains agree.

References
----------
Vehtari, A., Gelman, A., Simpson, D., Carpenter, B. and Burkner, P.-C. (2021). Rank-normalization,
folding, and localization: an improved R-hat for assessing convergence of MCMC. Bayesian Analysis
16, 667-718.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mse._frozen import FrozenDict
from mse.errors import ConvergenceWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mse._typing import FloatArray

__all__ = [
    "FAILED_R_HAT",
    "MAX_R_HAT",
    "MIN_ESS",
    "Chains",
    "concern",
    "diagnose",
    "disagreement",
    "warn_of",
]

#: Chains are taken to agree below this split R-hat (Vehtari et al. 2021, section 4).
MAX_R_HAT = 1.01
#: Quantiles in the tails are stable from this bulk effective sample size on (the same).
MIN_ESS = 400
#: Above this the chains describe different distributions and no figure is read off them: the usual
#: bound before rank normalization, far beyond what noise does to several hundred draws.
FAILED_R_HAT = 1.1


@dataclass(frozen=True, eq=False)
class Chains:
    """Draws of named quantities.

    Parameters
    ----------
    draws : mapping of str to float64 array (chains, draws, ...)
        Posterior draws by name; ``"N"``, the total in persons, and ``"hidden"``, hidden persons
        by stratum (chains, draws, S), are always there.
    coords : mapping of str to sequence, optional
        Labels along named dimensions.
    dims : mapping of str to tuple of str, optional
        Names of the dimensions behind chains and draws.
    stats : mapping of str to array (chains, draws), optional
        How the sampler did: accepted moves, divergences, log densities.
    independent : bool, default False
        Whether the draws are independent, so that there is nothing to diagnose.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.random.default_rng(1).lognormal(5.0, 0.1, size=(4, 500))
    >>> Chains({"N": draws, "hidden": draws[:, :, None]}).flat("N").shape
    (2000,)
    """

    draws: Mapping[str, FloatArray] = field(repr=False)
    coords: Mapping[str, Sequence[object]] = field(default_factory=FrozenDict, repr=False)
    dims: Mapping[str, tuple[str, ...]] = field(default_factory=FrozenDict, repr=False)
    stats: Mapping[str, FloatArray] = field(default_factory=FrozenDict, repr=False)
    independent: bool = False

    def __post_init__(self) -> None:
        for values in (*self.draws.values(), *self.stats.values()):
            values.setflags(write=False)
        for name in ("draws", "coords", "dims", "stats"):
            object.__setattr__(self, name, FrozenDict(getattr(self, name)))

    @property
    def n_chains(self) -> int:
        """Number of chains."""
        return len(self.draws["N"])

    def flat(self, name: str) -> FloatArray:
        """Return the draws of a quantity, chains one after the other: shape (M, ...)."""
        values = self.draws[name]
        return values.reshape(-1, *values.shape[2:])


def diagnose(chains: Chains, names: Iterable[str]) -> pd.DataFrame:
    """Tabulate R-hat, effective sample sizes and Monte Carlo error of the median.

    Parameters
    ----------
    chains : Chains
        The draws.
    names : iterable of str
        Quantities with one value a draw. ``"N"`` and other positive ones of a wide range should be
        named as ``"log N"``: it is diagnosed on that scale.

    Returns
    -------
    DataFrame
        Indexed by quantity: ``r_hat`` (rank-normalized, split), ``ess_bulk``, ``ess_tail``,
        ``mcse_median``; NaN where the draws do not vary.
    """
    rows = {name: _measures(_quantity(chains, name)) for name in names}
    columns = ["r_hat", "ess_bulk", "ess_tail", "mcse_median"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _quantity(chains: Chains, name: str) -> FloatArray:
    if name.startswith("log "):
        return np.asarray(np.log(chains.draws[name.removeprefix("log ")]))
    return chains.draws[name]


def _measures(draws: FloatArray) -> tuple[float, float, float, float]:
    """R-hat, bulk and tail effective sample size, Monte Carlo error of the median."""
    from arviz_stats.base import array_stats

    if draws.shape[1] < 4 or not np.isfinite(draws).all() or np.ptp(draws) == 0:
        return np.nan, np.nan, np.nan, np.nan
    # Chains that each stand still at a value of their own divide by a variance of zero.
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            float(array_stats.rhat(draws)) if len(draws) > 1 else np.nan,
            float(array_stats.ess(draws)),
            float(array_stats.ess(draws, method="tail", prob=(0.05, 0.95))),
            float(array_stats.mcse(draws, method="quantile", prob=0.5)),
        )


def disagreement(diagnosis: pd.DataFrame) -> str:
    """Say that the chains describe different distributions; empty if they do not."""
    r_hat = float(diagnosis["r_hat"].max())
    # Not `r_hat <= bound`: an R-hat that cannot be computed is no disagreement.
    if r_hat > FAILED_R_HAT:
        worst = diagnosis["r_hat"].idxmax()
        return (
            f"The chains ended in different places (R-hat {r_hat:.2f} of {worst}; 1.00 is full "
            "agreement), so no figure was read off them. Ask for more draws, or for a simpler model."
        )
    return ""


def concern(diagnosis: pd.DataFrame) -> str:
    """Say what is wrong with chains that agree roughly; empty if nothing is."""
    r_hat, ess = float(diagnosis["r_hat"].max()), float(diagnosis["ess_bulk"].min())
    found = []
    if r_hat > MAX_R_HAT:
        worst = diagnosis["r_hat"].idxmax()
        found.append(f"R-hat of {worst} is {r_hat:.3f} (at most {MAX_R_HAT} is wanted)")
    if ess < MIN_ESS:
        worst = diagnosis["ess_bulk"].idxmin()
        found.append(f"{worst} has {ess:.0f} effective draws (at least {MIN_ESS} are wanted)")
    if not found:
        return ""
    return (
        f"The chains have not settled: {' and '.join(found)}. The interval may be off; ask for "
        "more draws."
    )


def warn_of(sentence: str) -> None:
    """Issue a `ConvergenceWarning`, if there is anything to say."""
    if sentence:
        warnings.warn(sentence, ConvergenceWarning, stacklevel=4)
