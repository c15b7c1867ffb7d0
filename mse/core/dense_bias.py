r"""First-order bias of the hidden count under the models of `mse.core.dense`, and fits without it.

With :math:`h` the leverages of the rows of a Poisson model with log link, the coefficients have the bias
:math:`-I^{-1} X'h / 2` (Cordeiro & McCullagh 1991, JRSS B 53, 629-643), and the hidden count, the
exponential of :math:`x_0'\beta`, the relative bias of that plus half the variance of its log. Both vanish
in the solution of the score equation

.. math:: X'(n - \mu(\beta)) + \tfrac12 X'h(\beta) - \tfrac12 x_0 = 0,

with the leverages at the solution itself (Firth 1993, Biometrika 80, 27-38; the last term corrects the
exponential as well). For two independent lists every leverage is 1 and the total is that of Chapman (1951).
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from mse.core.dense import DenseDesign, maximize, restricted

if TYPE_CHECKING:
    from mse._typing import FloatArray
    from mse.core.dense import DenseFit

#: Refits to leverages of the refit before; each gains one digit or more where somebody overlaps.
MOST_REFITS = 200
#: Relative change of the hidden count at which they end.
CHANGE = 1e-10


class FirstOrder(NamedTuple):
    """What first-order theory says of a fit.

    Attributes
    ----------
    leverages : float64 array (R,)
        Of the rows; they add up to the number of coefficients.
    variance : float
        Of the log hidden count.
    bias : float
        Of the hidden count, as a share of it.
    """

    leverages: FloatArray
    variance: float
    bias: float


def first_order(design: DenseDesign, means: FloatArray) -> FirstOrder:
    """Compute leverages, variance and bias at fitted means.

    Parameters
    ----------
    design : DenseDesign
        Columns of full rank, none at a bound.
    means : float64 array (R,)
        Fitted persons.
    """
    scale = np.abs(design.rows).max(axis=0)
    rows, hidden = design.rows / scale, design.hidden / scale
    orthogonal, triangle = np.linalg.qr(rows * np.sqrt(means)[:, None])
    leverages = (orthogonal**2).sum(axis=1)
    half = solve_triangular(triangle, hidden, trans="T")
    toward = solve_triangular(triangle, half)
    variance = float(half @ half)
    return FirstOrder(leverages, variance, (variance - float(toward @ (rows.T @ leverages))) / 2)


def unbounded(design: DenseDesign, fit: DenseFit) -> tuple[DenseDesign, FloatArray]:
    """Keep what a fit determines, its coefficients at a bound taken as given, and their values."""
    free = [j for j in fit.kept if not (design.nonnegative[j] and fit.coefficients[j] == 0)]
    part = restricted(design, fit.face, np.asarray(free, dtype=np.int64))
    return part._replace(nonnegative=np.zeros(len(free), dtype=np.bool_)), fit.coefficients[free]


def bias_of(design: DenseDesign, fit: DenseFit) -> float:
    """First-order bias of the hidden count of a maximum likelihood fit, persons."""
    part, _ = unbounded(design, fit)
    return fit.hidden * first_order(part, fit.means[fit.face]).bias


def refit_unbiased(counts: FloatArray, design: DenseDesign, fit: DenseFit) -> tuple[float, float]:
    """Solve the score equation that leaves no first-order bias of the hidden count.

    Parameters
    ----------
    counts : float64 array (R,)
        Persons.
    design : DenseDesign
        The model.
    fit : DenseFit
        An estimable fit to them.

    Returns
    -------
    hidden : float
        Persons on no list.
    variance : float
        Variance of its log.

    Raises
    ------
    ArithmeticError
        Where there is no solution.
    """
    part, coefficients = unbounded(design, fit)
    means, hidden = fit.means[fit.face], fit.hidden
    # Persons to take away whose sufficient statistics are those of half a hidden person.
    half = np.linalg.lstsq(part.rows.T, part.hidden / 2, rcond=None)[0]
    for _ in range(MOST_REFITS):
        theory = first_order(part, means)
        modified = counts[fit.face] + theory.leverages / 2 - half
        coefficients, means = maximize(modified, part, coefficients)
        before, hidden = hidden, exp(float(part.hidden @ coefficients))
        if abs(hidden - before) <= CHANGE * hidden:
            return hidden, first_order(part, means).variance
    raise ArithmeticError("the leverages and the fit did not come to agree")
