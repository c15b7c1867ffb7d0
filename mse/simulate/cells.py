"""Whom a world expects where: persons by capture history and stratum."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from mse._typing import FrozenDict
from mse.data.checks import listed, near
from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mse._typing import BoolArray, FloatArray, IntArray, Level


@dataclass(frozen=True, eq=False)
class Cells:
    """Expected persons by capture history and stratum.

    Attributes
    ----------
    lists : tuple of str
        Names of the K lists.
    covariates : mapping of str to tuple
        Levels of each covariate.
    expected : float64 array, shape (2**K, S), persons
        Cells in the order of a capture table; row 0 is on no list.
    """

    lists: tuple[str, ...]
    covariates: Mapping[str, tuple[Level, ...]]
    expected: FloatArray

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

    Parameters
    ----------
    dependence : mapping of str to float
        ``"police:care"`` or ``"police:sex=male"`` to an odds ratio: parts joined by a colon, each
        a list or a level of a covariate.
    lists : sequence of str
        Names of the K lists.
    covariates : mapping of str to sequence
        Levels of each covariate.
    fewest_lists : int
        So many of the parts are lists, at least.

    Raises
    ------
    ModelError
        If a part does not exist, or a factor is not positive.
    """
    codes, member = codes_of(covariates), member_of(len(lists))
    factors = np.ones((len(member), codes.shape[1]))
    for key, odds in dependence.items():
        parts = _parts(key, lists, fewest_lists)
        if not 0 < odds < np.inf:
            msg = f"The odds ratio of {key!r} is {odds!r}: expected a positive number."
            raise ModelError(msg)
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
        msg = f"Dependence {key!r} is not between {need}: expected, for example, {':'.join(lists[:2])!r}."
        raise ModelError(msg)
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


@dataclass(frozen=True, eq=False)
class Margin:
    """Expected persons who are on some lists, by group of strata.

    Attributes
    ----------
    lists : tuple of int
        They are on all of these, whatever other lists they are on; without any, everybody counts.
    groups : int64 array, shape (S,)
        Group of each stratum.
    target : float64 array, shape (G,), persons
        Expected number in each group.
    within : bool array, shape (S,), optional
        Strata that the target is about. The others follow: they get the same factor.
    """

    lists: tuple[int, ...]
    groups: IntArray
    target: FloatArray
    within: BoolArray | None = None


def rake(start: FloatArray, margins: Sequence[Margin]) -> FloatArray:
    """Scale cells until the margins hold.

    Parameters
    ----------
    start : float64 array, shape (2**K, S), persons
        Expected persons by capture history and stratum, everywhere positive.
    margins : sequence of Margin
        Those of the same lists stand together.

    Returns
    -------
    float64 array, shape (2**K, S), persons
        Of the cells with these margins the nearest to `start`. Its logarithm differs from that of
        `start` by one term for each margin: from a constant start the result is the log-linear
        model with these margins as sufficient statistics.

    Raises
    ------
    ModelError
        If the margins contradict each other.

    References
    ----------
    Darroch, J. N. and Ratcliff, D. (1972). Generalized iterative scaling for log-linear models.
    Annals of Mathematical Statistics 43, 1470-1480.
    """
    cells = start.copy()
    blocks = [(lists, list(part)) for lists, part in groupby(margins, key=lambda m: m.lists)]
    for _ in range(MAX_CYCLES):
        worst = max((_scale(cells, lists, part) for lists, part in blocks), default=0.0)
        if worst < TOLERANCE:
            return cells
    msg = (
        f"The margins of the world cannot hold together: after {MAX_CYCLES} rounds one is still off "
        f"by {worst:.2%}. Ask for less extreme shares or dependence."
    )
    raise ModelError(msg)


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
