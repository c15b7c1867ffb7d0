"""In which coordinates a sampler should move the effects of `PooledLogLinear`.

Where data say much about an effect, compared to how much such effects vary, the effect itself is what to
move; where they say little, its standardized value (Papaspiliopoulos, Roberts & Skold 2003, Bayesian
Statistics 7, 307-326). The share a = s^2 / (s^2 + e^2), with s the spread of the effects and e the error of
one, is in between. Both are guessed from counts that belong to each effect. A bad guess costs draws, and
changes no answer.
"""

from __future__ import annotations

from itertools import combinations
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
#: Variance of such a figure from which it is left out of guesses.
LOUD = 0.5
#: Weight of those, which keeps sums positive.
TRACE = 1e-9


class Centering(NamedTuple):
    """Coordinates of all effects; see `mse.core.pooled_draws.Prior`."""

    owner: IntArray  # (Z,) scales; -1 for none
    degree: FloatArray  # (Z,) between 0 and 1
    usual: FloatArray  # log scales


class _Told(NamedTuple):
    """What counts say of some effects, one by one."""

    value: FloatArray  # (L, W)
    noise: FloatArray  # (L, W) variances; infinite where nothing is said


def choose_centering(expected: FloatArray, data: Pooled, scales: FloatArray) -> Centering:
    """Choose from counts.

    Parameters
    ----------
    expected : float64 array (S, C)
        Persons in sight, those of partly known records spread over their cells.
    data : Pooled
        How strata hang together.
    scales : float64 array
        Scale of the prior of each scale.

    Returns
    -------
    Centering
    """
    n_lists, n_effects = data.shape.size, data.cells.size
    owner, degree = [np.full(n_lists, -1)], [np.zeros(n_lists)]
    # Common effects of pairs: all data speak of each, and of what they have in common none.
    owner.append(np.full(n_effects - n_lists, 1))
    degree.append(np.zeros(n_effects - n_lists))
    usual, scale_at = np.log(scales / 2), 2
    explained = np.zeros(n_effects + 2)
    for b, sized in enumerate(data.sized):
        levels = slice(data.first[b], data.first[b + 1])
        told = _told(_by_level(expected, data.place[b], data.steps[levels].size), data)
        columns = np.r_[0, 1 : n_lists + 2, np.full(n_effects - n_lists, n_lists + 2)]
        told = _steps_of(told, data.steps[levels])
        if not sized:
            told, columns = _Told(told.value[:, 1:], told.noise[:, 1:]), columns[1:] - 1
        spread, variance = _spreads(told, columns, scales[scale_at:])
        degree.append((spread**2 / (spread**2 + told.noise)).ravel())
        owner.append(np.tile(scale_at + columns, len(told.value)))
        usual[scale_at + columns] = np.log(spread)
        explained[-spread.size :] += variance * _wandering(data.steps[levels])
        scale_at += columns.max() + 1
    if data.deviating[0]:
        told = _told(expected, data)
        told = _Told(told.value[:, 1 : n_lists + 2], told.noise[:, 1 : n_lists + 2])
        columns = np.arange(n_lists + 1)
        spread, _ = _spreads(told, columns, scales[scale_at:], explained[1 : n_lists + 2])
        degree.append((spread**2 / (spread**2 + told.noise)).ravel())
        owner.append(np.tile(scale_at + columns, len(expected)))
        usual[scale_at + columns] = np.log(spread)
    kinds = int(data.n_kinds[0]) - 1
    owner.append(np.full(kinds, -1))
    degree.append(np.zeros(kinds))
    return Centering(np.concatenate(owner).astype(np.int64), np.concatenate(degree), usual)


def _by_level(expected: FloatArray, place: IntArray, n_levels: int) -> FloatArray:
    summed = np.zeros((n_levels, expected.shape[1]))
    np.add.at(summed, place, expected)
    return summed


def _told(persons: FloatArray, data: Pooled) -> _Told:
    """Figures that move with the effects: size, all lists together, each list, each pair.

    The log of the persons in sight, log odds of being on several lists and on each, and log of the persons on
    both lists of a pair over those that independence produces.
    """
    n_lists, histories = data.shape.size, np.arange(persons.shape[1])
    on = (histories[:, None] & data.cells[:n_lists]) > 0
    seen = persons.sum(axis=1)
    several = persons[:, on.sum(axis=1) > 1].sum(axis=1)
    lists = [persons[:, on[:, k]].sum(axis=1) for k in range(n_lists)]
    pairs = [
        persons[:, on[:, j] & on[:, k]].sum(axis=1) for j, k in combinations(range(n_lists), 2)
    ]
    log = [np.log(each + 0.5) for each in (seen, *lists)]
    values, noise = [log[0]], [1 / (seen + 0.5)]
    for each in (several, *lists):
        values.append(np.log(each + 0.5) - np.log(seen - each + 0.5))
        noise.append(1 / (each + 0.5) + 1 / (seen - each + 0.5))
    for pair, (j, k) in zip(pairs, combinations(range(1, n_lists + 1), 2), strict=True):
        values.append(np.log(pair + 0.5) + log[0] - log[j] - log[k])
        noise.append(1 / (pair + 0.5))
    return _Told(np.stack(values, axis=1), np.stack(noise, axis=1))


def _steps_of(told: _Told, steps: FloatArray) -> _Told:
    """Turn levels of a random walk into its steps; exchangeable levels stay as they are."""
    if steps[0] < 0:
        return told
    value, noise = np.zeros_like(told.value), np.full(told.noise.shape, np.inf)
    value[1:] = np.diff(told.value, axis=0) / steps[1:, None]
    noise[1:] = (told.noise[1:] + told.noise[:-1]) / steps[1:, None] ** 2
    return _Told(value, noise)


def _wandering(steps: FloatArray) -> float:
    """Variance of levels about their mean, over that of a step; a random walk goes far."""
    return 1.0 if steps[0] < 0 else max(float((steps**2).sum()) / 6, 1.0)


def _spreads(
    told: _Told, columns: IntArray, scales: FloatArray, explained: FloatArray | float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Guess the spread of the effects of each column, (W,), with caution; and their variance.

    Those that share a scale have one guess.

    From moments, weighted by how much is said of each effect; ``explained`` is the variance by other effects.
    """
    usual = (scales[columns] / 2) ** 2
    # Logs of next to nobody are no measure of anything.
    weight = np.where(told.noise < LOUD, 1 / (usual + told.noise), TRACE)
    center = (weight * told.value).sum(axis=0) / weight.sum(axis=0)
    noise = np.where(np.isinf(told.noise), 0.0, told.noise)
    excess = (weight * ((told.value - center) ** 2 - noise)).sum(axis=0)
    together = np.bincount(columns, weights=excess) / np.bincount(
        columns, weights=weight.sum(axis=0)
    )
    squares = np.bincount(columns, weights=(weight**2).sum(axis=0))
    effective = np.bincount(columns, weights=weight.sum(axis=0)) ** 2 / squares
    variance = np.maximum(together[columns] - explained, LEAST_SPREAD**2)
    caution = np.exp(-CAUTION / np.sqrt(2 * np.maximum(effective[columns] - 1, 1)))
    return np.maximum(np.sqrt(variance) * caution, LEAST_SPREAD), variance
