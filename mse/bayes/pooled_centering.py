"""In which coordinates a sampler should move the effects of `PooledLogLinear`.

Where data say much about an effect, compared to how much such effects vary, the effect itself is what to
move; where they say little, its standardized value (Papaspiliopoulos, Roberts & Skold 2003, Bayesian
Statistics 7, 307-326). The share a = s^2 / (s^2 + e^2), with s the spread of the effects and e the error of
one, is in between. Both are guessed from counts, for the effects of levels on sizes. Those of levels on lists
and pairs stay standardized: several of them share what a count says, and moving them themselves made
trajectories diverge. A bad guess costs draws, and changes no answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from mse._typing import FloatArray, IntArray
    from mse.core.pooled_effects import Pooled

__all__ = ["Centering", "choose_centering"]

#: Standard errors that a spread is taken below its estimate: a spread that is guessed too large makes funnels.
CAUTION = 2.0
#: Smallest guess of a spread, log scale.
LEAST_SPREAD = 0.05


class Centering(NamedTuple):
    """Coordinates of all effects; see `mse.core.pooled_draws.Prior`."""

    owner: IntArray  # (Z,) scales; -1 for none
    degree: FloatArray  # (Z,) between 0 and 1
    usual: FloatArray  # log scales


def choose_centering(expected: FloatArray, data: Pooled, scales: FloatArray) -> Centering:
    """Choose from counts.

    Parameters
    ----------
    expected : float64 array (S,)
        Persons in sight by stratum.
    data : Pooled
        How strata hang together.
    scales : float64 array
        Scale of the prior of each scale.

    Returns
    -------
    Centering
    """
    n_lists, n_effects = data.shape.size, data.cells.size
    owner, degree, usual = [np.full(n_effects, -1)], [np.zeros(n_effects)], np.log(scales / 2)
    scale_at = 2
    for b, sized in enumerate(data.sized):
        steps = data.steps[data.first[b] : data.first[b + 1]]
        of_level = np.zeros((steps.size, n_effects + 1 + int(sized)))
        if sized:
            persons = np.zeros(steps.size)
            np.add.at(persons, data.place[b], expected)
            spread, of_level[:, 0] = _of_sizes(persons, steps)
            usual[scale_at] = np.log(spread)
        scale_of = np.full(of_level.shape, -1)
        scale_of[:, : int(sized)] = scale_at
        owner.append(scale_of.ravel())
        degree.append(of_level.ravel())
        scale_at += int(sized) + n_lists + 2
    rest = int(data.n_kinds[0]) - 1 + int(data.deviating[0]) * expected.size * (n_lists + 1)
    owner.append(np.full(rest, -1))
    degree.append(np.zeros(rest))
    return Centering(np.concatenate(owner).astype(np.int64), np.concatenate(degree), usual)


def _of_sizes(persons: FloatArray, steps: FloatArray) -> tuple[float, FloatArray]:
    """Guess the spread of the effects of levels on sizes, and the share of each that data tell."""
    value, noise = np.log(persons + 0.5), 1 / (persons + 0.5)
    told = np.ones(steps.size, dtype=np.bool_)
    if steps[0] >= 0:
        # A random walk: its steps are what is moved, and the first has none.
        told[0] = False
        apart = np.where(told, steps, 1.0)
        value = np.diff(value, prepend=value[0]) / apart
        noise = (noise + np.roll(noise, 1)) / apart**2
    excess = float(value[told].var() - noise[told].mean()) if told.any() else 0.0
    caution = np.exp(-CAUTION / np.sqrt(2 * max(int(told.sum()) - 1, 1)))
    spread = max(float(np.sqrt(max(excess, 0.0)) * caution), LEAST_SPREAD)
    return spread, np.where(told, spread**2 / (spread**2 + noise), 0.0)
