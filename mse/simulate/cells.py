"""Whom a world expects where: persons by capture history and stratum, and tables drawn from a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse._typing import FrozenDict
from mse.data.checks import listed, near
from mse.data.table import CaptureTable
from mse.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

    from mse._typing import BoolArray, FloatArray, IntArray, Level, Seed


@dataclass(frozen=True, eq=False)
class Cells:
    """Expected persons by capture history and stratum."""

    lists: tuple[str, ...]  # names of the K lists
    covariates: Mapping[str, tuple[Level, ...]]  # levels of each covariate
    expected: FloatArray  # (2**K, S), in the order of a capture table; row 0 is on no list

    def __post_init__(self) -> None:
        object.__setattr__(self, "covariates", FrozenDict(self.covariates))
        self.expected.flags.writeable = False

    @property
    def codes(self) -> IntArray:
        """Level of each stratum on each covariate, shape (D, S), int64."""
        return codes_of(self.covariates)

    @property
    def member(self) -> BoolArray:
        """Whether each history is on each list, shape (2**K, K)."""
        return member_of(len(self.lists))


def codes_of(covariates: Mapping[str, Sequence[Level]]) -> IntArray:
    """Level of each stratum on each covariate, shape (D, S), int64."""
    shape = tuple(len(levels) for levels in covariates.values())
    strata = int(np.prod(shape, dtype=np.int64))
    return np.indices(shape, dtype=np.int64).reshape(len(shape), strata)


def member_of(n_lists: int) -> BoolArray:
    """Whether each history is on each list, shape (2**K, K)."""
    shifts = np.arange(n_lists - 1, -1, -1)
    return ((np.arange(2**n_lists)[:, None] >> shifts) & 1).astype(np.bool_)


def check_name(name: object, options: Sequence[object], what: str) -> None:
    """Raise ``ModelError`` for a name that is not among the options."""
    if name not in options:
        some = f"there are {listed(options, 12)}" if options else "there are none"
        raise ModelError(f"There is no {what} {name!r}: {some}.{near(name, options)}")


def read_dependence(
    dependence: Mapping[str, float],
    lists: Sequence[str],
    covariates: Mapping[str, Sequence[Level]],
    fewest_lists: int = 1,
) -> FloatArray:
    """Factors by which the odds of being in some cells differ, shape (2**K, S).

    ``"police:care"`` or ``"police:sex=male"`` have an odds ratio: parts joined by a colon, of which so
    many at least are lists, and others levels of covariates.
    """
    codes, member = codes_of(covariates), member_of(len(lists))
    factors = np.ones((len(member), codes.shape[1]))
    for key, odds in dependence.items():
        parts = _parts(key, lists, fewest_lists)
        if not 0 < odds < np.inf:
            raise ModelError(f"The odds ratio of {key!r} is {odds!r}: expected a positive number.")
        on_lists = np.ones(len(member), dtype=np.bool_)
        in_strata = np.ones(codes.shape[1], dtype=np.bool_)
        for part in parts:
            if "=" in part:
                in_strata &= _has_level(part, covariates, codes)
            else:
                check_name(part, lists, "list")
                on_lists &= member[:, list(lists).index(part)]
        factors[np.ix_(on_lists, in_strata)] *= odds
    return factors


def _parts(key: str, lists: Sequence[str], fewest_lists: int) -> list[str]:
    parts = [part.strip() for part in key.split(":")]
    n_lists = sum("=" not in part for part in parts)
    if len(set(parts)) < len(parts) or len(parts) < 2 or n_lists < fewest_lists:
        need = "two lists" if fewest_lists > 1 else "a list and something else"
        raise ModelError(
            f"Dependence {key!r} is not between {need}: expected, for example, {':'.join(lists[:2])!r}."
        )
    return parts


def _has_level(part: str, covariates: Mapping[str, Sequence[Level]], codes: IntArray) -> BoolArray:
    name, level = (text.strip() for text in part.split("=", 1))
    check_name(name, list(covariates), "covariate")
    spelled = [str(each) for each in covariates[name]]
    check_name(level, spelled, f"level of {name!r}")
    found: BoolArray = codes[list(covariates).index(name)] == spelled.index(level)
    return found


# Expected persons by cell with given margins: iterative proportional scaling ----------------------

#: Figures are calibrated to whole persons; of 10,000 this is a thousandth of one.
TOLERANCE = 1e-7
MAX_CYCLES = 2000


class Margin(NamedTuple):
    """Expected persons who are on some lists, by group of strata."""

    lists: tuple[int, ...]  # on all of these, whatever other ones; without any, everybody counts
    groups: IntArray  # (S,), the group of each stratum
    target: FloatArray  # (G,), the expected persons in each group
    within: BoolArray | None = None  # (S,), strata it is about; the others get the same factor


def rake(start: FloatArray, margins: Sequence[Margin]) -> FloatArray:
    """Scale cells, (2**K, S), everywhere positive, until margins hold; those of the same lists adjacent.

    Of the cells with these margins the result is the nearest to the start. Its logarithm differs by one
    term for each margin: from a constant start it is the log-linear model with these margins as sufficient
    statistics (Darroch & Ratcliff 1972, Annals of Mathematical Statistics 43, 1470-1480).
    """
    cells = start.copy()
    blocks = [(lists, list(part)) for lists, part in groupby(margins, key=lambda m: m.lists)]
    for _ in range(MAX_CYCLES):
        worst = max((_scale(cells, lists, part) for lists, part in blocks), default=0.0)
        if worst < TOLERANCE:
            return cells
    raise ModelError(
        f"The margins of the world cannot hold together: after {MAX_CYCLES} rounds one is still off "
        f"by {worst:.2%}. Ask for less extreme shares or dependence."
    )


def _scale(cells: FloatArray, lists: tuple[int, ...], margins: Iterable[Margin]) -> float:
    """Scale the persons on some lists, in place; returns how far off the worst margin was."""
    n_lists, strata = int(cells.shape[0]).bit_length() - 1, cells.shape[1]
    chosen = tuple(1 if axis in lists else slice(None) for axis in range(n_lists))
    block = cells.reshape((2,) * n_lists + (strata,))[chosen]
    seen = block.reshape(-1, strata).sum(axis=0)
    factor, worst = np.ones(strata), 0.0
    for margin in margins:
        current = seen * factor
        if margin.within is not None:
            current = current * margin.within
        ratio = margin.target / np.bincount(margin.groups, current, minlength=margin.target.size)
        worst = max(worst, float(np.abs(ratio - 1).max()))
        factor *= ratio[margin.groups]
    block *= factor
    return worst


# Capture tables drawn from a known model -----------------------------------------------------------

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
        raise ModelError(
            f"The model names the lists {list(lists)}: expected a main effect for two or more."
        )
    for name, value in model.items():
        if not abs(value) <= LARGEST:
            raise ModelError(
                f"The coefficient of {name!r} is {value!r}: expected a number on the log scale, at "
                f"most {LARGEST} in size."
            )
    odds = {name: float(np.exp(value)) for name, value in model.items()}
    weights = read_dependence({k: v for k, v in odds.items() if ":" in k}, lists, {}, 2)[:, 0]
    weights *= np.where(member_of(len(lists)), [odds[name] for name in lists], 1.0).prod(axis=1)
    return lists, weights / weights.sum()


def _from_array(
    model: npt.ArrayLike, lists: Sequence[str] | None
) -> tuple[tuple[str, ...], FloatArray]:
    array = np.asarray(model, dtype=np.float64)
    if array.ndim < 2 or set(array.shape) != {2}:
        raise ModelError(
            f"The probabilities have shape {array.shape}: expected 2 for each of the lists."
        )
    names = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: array.ndim] if lists is None else lists)
    if len(names) != array.ndim:
        raise ModelError(
            f"There are {len(names)} names for {array.ndim} lists: expected one for each."
        )
    if not np.all(array >= 0) or abs(array.sum() - 1) > 1e-9:
        raise ModelError(
            f"The probabilities add up to {array.sum():.9g}: expected none negative and a sum of 1."
        )
    return names, array.ravel() / array.sum()
