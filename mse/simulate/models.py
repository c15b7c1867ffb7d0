"""Capture tables drawn from a known model, to measure what estimators make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mse.data.table import CaptureTable
from mse.errors import ModelError
from mse.simulate.cells import member_of, read_dependence

if TYPE_CHECKING:
    import numpy.typing as npt

    from mse._typing import FloatArray, Seed

__all__ = ["tables"]

#: Exponentials of larger coefficients, and their products, leave what a float can hold.
LARGEST = 50


def tables(
    model: Mapping[str, float] | npt.ArrayLike,
    *,
    N: int,
    size: int = 1,
    seed: Seed = None,
    lists: Sequence[str] | None = None,
) -> tuple[CaptureTable, ...]:
    """Draw capture tables of a population of N persons from a known model.

    Parameters
    ----------
    model : mapping of str to float, or array of shape (2,)*K
        Coefficients of a log-linear model, on the log scale, such as ``{"a": -1, "b": -2,
        "a:b": 0.5}``, with a main effect for each list; or the probability of each capture history,
        that of being on no list included.
    N : int
        Persons in the population of each table, hidden ones included.
    size : int
        Number of tables.
    seed : int or numpy.random.Generator, optional
        The same seed gives the same tables.
    lists : sequence of str, optional
        Names of the lists, for an array; A, B, C and so on without it.

    Returns
    -------
    tuple of CaptureTable
        Their `info` says that they are synthetic, and what N is.

    Raises
    ------
    ModelError
        If the model is neither, or does not add up.

    Notes
    -----
    Histories are multinomial given N. The log of the probability of a history is the sum of the
    coefficients of its lists and their interactions, up to a constant.

    Examples
    --------
    >>> import mse
    >>> drawn = mse.simulate.tables({"a": -1, "b": -1, "c": -2, "a:b": 1}, N=500, size=3, seed=1)
    >>> [table.n_observed for table in drawn]
    [294, 297, 296]
    """
    if isinstance(model, Mapping):
        if lists is not None:
            raise ModelError("The coefficients name the lists already: leave `lists` out.")
        names, probabilities = _from_coefficients(model)
    else:
        names, probabilities = _from_array(model, lists)
    for value, what in ((N, "N"), (size, "size")):
        if value < 1 or value != int(value):
            raise ModelError(f"`{what}` is {value!r}: expected a whole number, 1 or more.")
    shape = (2,) * len(names)
    drawn = np.random.default_rng(seed).multinomial(N, probabilities, size=size).astype(np.int64)
    drawn[:, 0] = 0
    everywhere = np.ones(shape, dtype=np.int64)
    everywhere[(0,) * len(names)] = 0
    base = CaptureTable.from_array(everywhere, names).with_info(
        name="simulated (synthetic)",
        population=f"SYNTHETIC: {N:,} persons of a known model",
        source="made up by mse.simulate; no data about any person",
        notes=f"SYNTHETIC DATA. True N: {N}. Expected hidden: {N * probabilities[0]:.6g}.",
    )
    return tuple(base.with_counts(counts.reshape(shape)) for counts in drawn)


def _from_coefficients(model: Mapping[str, float]) -> tuple[tuple[str, ...], FloatArray]:
    lists = tuple(name for name in model if ":" not in name)
    if len(lists) < 2:
        msg = f"The model names the lists {list(lists)}: expected a main effect for two or more."
        raise ModelError(msg)
    for name, value in model.items():
        if not abs(value) <= LARGEST:
            msg = (
                f"The coefficient of {name!r} is {value!r}: expected a number on the log scale, at "
                f"most {LARGEST} in size."
            )
            raise ModelError(msg)
    odds = {name: float(np.exp(value)) for name, value in model.items()}
    weights = read_dependence({k: v for k, v in odds.items() if ":" in k}, lists, {}, 2)[:, 0]
    weights *= np.where(member_of(len(lists)), [odds[name] for name in lists], 1.0).prod(axis=1)
    return lists, weights / weights.sum()


def _from_array(
    model: npt.ArrayLike, lists: Sequence[str] | None
) -> tuple[tuple[str, ...], FloatArray]:
    array = np.asarray(model, dtype=np.float64)
    if array.ndim < 2 or set(array.shape) != {2}:
        msg = f"The probabilities have shape {array.shape}: expected 2 for each of the lists."
        raise ModelError(msg)
    names = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: array.ndim] if lists is None else lists)
    if len(names) != array.ndim:
        msg = f"There are {len(names)} names for {array.ndim} lists: expected one for each."
        raise ModelError(msg)
    if not np.all(array >= 0) or abs(array.sum() - 1) > 1e-9:
        msg = (
            f"The probabilities add up to {array.sum():.9g}: expected none negative and a sum of 1."
        )
        raise ModelError(msg)
    return names, array.ravel() / array.sum()
