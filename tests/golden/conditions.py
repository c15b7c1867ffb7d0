"""Conditions of the information about the parameters, from what is public of a fit.

Computed here, from fitted means and from the definition of the model, and not as the library does it, so that
the tolerance does not hang on what is tested. The diagonal of the information is scaled to 1.
"""

from __future__ import annotations

import math
from math import comb
from typing import Any

import numpy as np
from scipy.stats import poisson

NOT_COMPUTED = "not computed"
#: Cells beyond which the information is not written out.
MOST_CELLS = 4096
_Array = np.ndarray[Any, Any]


def condition(fit: Any) -> float | str:
    """Condition of the information about the finite coefficients of a log-linear model; two digits."""
    table = fit.table
    if table.margins is not None or table.n_cells > MOST_CELLS:
        return NOT_COMPUTED
    shape, means = table.shape, np.asarray(fit.fitted).ravel()
    coefficients = fit.coefficients.to_numpy()
    cells = np.asarray(fit.structure.parameters(shape))
    if coefficients.size != cells.size:
        return NOT_COMPUTED
    places = np.stack(np.unravel_index(np.arange(means.size), shape))
    own = places[:, cells[np.isfinite(coefficients)]]
    rows = ((own[:, None] == 0) | (own[:, None] == places[:, :, None])).all(axis=0).astype(float)
    seen = _observable(table, places) & (means > 0)
    if table.is_complete:
        return _of_rows(rows[seen] * np.sqrt(means[seen])[:, None])
    information = (rows[seen] * means[seen][:, None]).T @ rows[seen]
    return _of_matrix(information - _missing(table, places, rows, np.where(seen, means, 0.0)))


def _observable(table: Any, places: _Array) -> _Array:
    """Find the cells of persons on a list that operated for them."""
    n, strata = table.n_lists, np.zeros(places.shape[1], dtype=int)
    if table.covariates:
        strata = np.ravel_multi_index(tuple(places[n:]), table.shape[n:])
    operated = np.ones((n, strata.max() + 1), dtype=bool)
    if table.operating is not None:
        operated = np.asarray(table.operating) != 0
    return ((places[:n] == 1) & operated[:, strata]).any(axis=0)


def _missing(table: Any, places: _Array, rows: _Array, means: _Array) -> _Array:
    """Sum the information that records lack: which of their cells it is, and how many they are."""
    lost = np.zeros((rows.shape[1],) * 2)
    for pattern, low, high in zip(table.patterns, table.low, table.high, strict=True):
        inside = ((pattern[:, None] < 0) | (pattern[:, None] == places)).all(axis=0)
        mean = means[inside].sum()
        if mean <= 0:
            continue
        weights = means[inside] / mean
        center = weights @ rows[inside]
        around = rows[inside] - center
        persons, variance = _between(mean, int(low), int(high))
        lost += persons * (around * weights[:, None]).T @ around
        lost += variance * np.outer(center, center)
    return lost


def _between(mean: float, low: int, high: int) -> tuple[float, float]:
    """Mean and variance of a Poisson number that is known within bounds."""
    if low == high:
        return float(low), 0.0
    numbers = np.arange(low, min(high, low + math.ceil(mean + 10 * math.sqrt(mean) + 10)) + 1)
    chances = np.exp(poisson.logpmf(numbers, mean) - poisson.logpmf(numbers, mean).max())
    chances /= chances.sum()
    center = float(chances @ numbers)
    return center, float(chances @ (numbers - center) ** 2)


def closed_condition(fit: Any) -> float | str:
    """Condition of the information on M0, Mt, Mh and Mth, about coefficients that are free; two digits."""
    coefficients = fit.coefficients
    if "intercept" not in coefficients or fit.status not in ("ok", "boundary"):
        return NOT_COMPUTED
    k = fit.table.n_lists
    by_list = "captures" not in coefficients
    histories = (np.arange(1, 1 << k)[:, None] >> np.arange(k)[::-1]) & 1
    captures = histories.sum(axis=1) if by_list else np.arange(1, k + 1)
    sizes = np.ones(captures.size) if by_list else np.array([comb(k, i) for i in captures.tolist()])
    head = histories if by_list else captures[:, None]
    names = coefficients.index[1 + head.shape[1] :]
    extra = [_heterogeneity(name, captures.astype(float)) for name in names]
    rows = np.column_stack([np.ones(captures.size), head, *extra]).astype(float)
    values = coefficients.to_numpy(dtype=float)
    finite = np.isfinite(values)
    logs = rows[:, finite] @ values[finite] + np.log(sizes)
    # A list with nobody, whose coefficient is minus infinity, empties its histories.
    logs[(rows[:, ~finite] > 0).any(axis=1)] = -np.inf
    free = finite & ~(coefficients.index.str.startswith("eta") & (values == 0))
    return _of_rows(rows[:, free] * np.exp(logs / 2)[:, None])


def _heterogeneity(name: str, captures: _Array) -> _Array:
    """Write out a column for persons who differ, as the documentation defines it."""
    columns = {
        "poisson": 2.0**captures - 1,
        "darroch": captures**2 / 2,
        "gamma": -np.log((3.5 + captures) / 3.5),
    }
    if name in columns:
        return columns[name]
    return np.maximum(captures - int(name.removeprefix("eta")) + 1, 0)


def _of_rows(rows: _Array) -> float | str:
    """Condition from a square root of the information, in which it is not lost in rounding."""
    sizes = np.sqrt((rows**2).sum(axis=0))
    if not sizes.size or not (sizes > 0).all():
        return NOT_COMPUTED
    return _rounded(float(np.linalg.cond(rows / sizes)) ** 2)


def _of_matrix(information: _Array) -> float | str:
    """Condition of the information itself; infinite where it is not positive definite."""
    sizes = np.sqrt(np.maximum(np.diag(information), 0))
    if not sizes.size or not (sizes > 0).all():
        return NOT_COMPUTED
    values = np.linalg.eigvalsh(information / np.outer(sizes, sizes))
    return _rounded(float(values[-1] / values[0]) if values[0] > 0 else math.inf)


def _rounded(value: float) -> float | str:
    """Round to two digits: a condition says how large, and no more."""
    return float(f"{value:.1e}") if math.isfinite(value) else "inf"
