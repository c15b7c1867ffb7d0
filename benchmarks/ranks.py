"""Simulation-based calibration: uniformity of the ranks of true values among posterior draws.

Draw parameters from the prior, data given them, and posterior draws given the data. If prior, model and
sampler are the same thing, the rank of the true value among the draws is uniform (Talts, Betancourt,
Simpson, Vehtari & Gelman 2018, arXiv 1804.06788).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import chi2, kstest

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray


def rank(true: float, draws: FloatArray, rng: np.random.Generator) -> int:
    """Rank of a true value among draws, 0 to their number, ties broken at random."""
    below, equal = int((draws < true).sum()), int((draws == true).sum())
    return below + int(rng.integers(equal + 1))


def uniformity(ranks: IntArray, n_draws: int, n_bins: int = 20) -> dict[str, Any]:
    """Test whether ranks are uniform on 0..n_draws.

    Parameters
    ----------
    ranks : int64 array (W,)
        One for each simulated data set.
    n_draws : int
        Draws among which a rank was taken; one more is a multiple of the bins.
    n_bins : int, default 20
        Bins of the histogram.

    Returns
    -------
    dict
        ``histogram``, ``chi_squared`` and its ``p_value``, ``p_value_ks`` (sensitive to shifts), and
        ``worlds``.
    """
    histogram = np.bincount(ranks * n_bins // (n_draws + 1), minlength=n_bins)
    expected = ranks.size / n_bins
    statistic = float(((histogram - expected) ** 2).sum() / expected)
    # The middle of each rank's share of the unit interval: discreteness then costs nothing.
    shares = (ranks + 0.5) / (n_draws + 1)
    return {
        "worlds": int(ranks.size),
        "histogram": histogram.tolist(),
        "chi_squared": round(statistic, 2),
        "p_value": float(chi2.sf(statistic, n_bins - 1)),
        "p_value_ks": float(kstest(shares, "uniform").pvalue),
    }
