"""What a table says about pairs of lists: overlaps, what independence expects, odds ratios.

References
----------
Chapman, D. G. (1951). Some properties of the hypergeometric distribution with applications to
zoological sample censuses. University of California Publications in Statistics 1, 131-160.
Haldane, J. B. S. (1956). The estimation and significance of the logarithm of a ratio of frequencies.
Annals of Human Genetics 20, 309-311.
Woolf, B. (1955). On estimating the relation between blood group and disease. Annals of Human
Genetics 19, 251-253.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mse._result import Result, layout
from mse._text import Section, persons
from mse.intervals import DEFAULT_LEVEL, check_level
from mse.loglinear import LogLinear
from mse.loglinear.single import complete_counts

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from mse._typing import FloatArray
    from mse.table import CaptureTable

__all__ = ["Overlaps", "overlaps"]

#: Added to each of the four counts of an odds ratio (Haldane 1956), so that it is finite, and nearly
#: unbiased on the log scale.
CONTINUITY = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class Overlaps(Result):
    """Pairs of lists: who is on both, and how that compares with independence.

    Attributes
    ----------
    table : CaptureTable
        The table.
    level : float
        Level of the intervals of the odds ratios.
    """

    table: CaptureTable
    level: float
    _frame: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Show one row for each pair of lists.

        Returns
        -------
        DataFrame
            ``list_a``, ``list_b``; ``n_a``, ``n_b``, ``both``, persons on each and on both;
            ``expected`` on both if all lists were independent; ``odds_ratio``, ``low``, ``high``
            among the persons on at least one other list, 0.5 added to each count, and
            ``n_others``, the number of those persons (NaN where there are none); ``chapman``, the total that the
            two lists alone would give.
        """
        return self._frame.copy()

    def __repr__(self) -> str:
        return f"<Overlaps of {self.table.n_lists} lists>"

    def _sections(self) -> list[Section]:
        rows = [_cells(row) for row in self._frame.to_dict("records")]
        head = [
            "lists",
            "on both",
            "expected",
            f"odds ratio, {100 * self.level:g}% interval",
            "odds ratio",
            "Chapman total",
        ]
        text = (
            (
                "Expected: if all lists were independent (main effects). Odds ratio: among persons on "
                f"at least one other list, with {CONTINUITY} added to each of its four counts; above 1 the lists find "
                "the same persons. Chapman: what the two lists alone would give; pairs that disagree "
                "widely do so because lists depend on each other."
            ),
        )
        return [
            Section("Pairs of lists", paragraphs=text),
            Section("Overlaps", verbatim=layout(head, rows)),
        ]


def _cells(row: Mapping[Hashable, Any]) -> list[str]:
    ratio = row["odds_ratio"]
    known = not math.isnan(ratio)
    return [
        f"{row['list_a']} and {row['list_b']}",
        f"{row['both']:,}",
        "-" if math.isnan(row["expected"]) else f"{row['expected']:,.1f}",
        f"{row['low']:.2f} to {row['high']:.2f}" if known else "-",
        f"{ratio:.2f}" if known else "-",
        persons(row["chapman"]),
    ]


def overlaps(table: CaptureTable, *, level: float = DEFAULT_LEVEL) -> Overlaps:
    r"""Overlaps of each pair of lists, what independence expects, and odds ratios.

    Covariates are summed over.

    Parameters
    ----------
    table : CaptureTable
        Counts of complete histories.
    level : float, default 0.95
        Level of the intervals of the odds ratios.

    Returns
    -------
    Overlaps

    Raises
    ------
    ModelError
        If observations are known in part.

    Notes
    -----
    The odds ratio of lists a and b is conditional on being on at least one other list, since of
    persons on no other one those on neither a nor b are hidden:
    :math:`\log \hat\theta = \log[(n_{11} + \frac12)(n_{00} + \frac12)] - \log[(n_{10} + \frac12)
    (n_{01} + \frac12)]` with standard error :math:`\sqrt{\sum 1/(n_{ij} + \frac12)}` (Haldane 1956;
    Woolf 1955). It pools the histories on the other lists. Chapman's estimate is
    :math:`(n_a + 1)(n_b + 1)/(n_{ab} + 1) - 1` (Chapman 1951).

    Examples
    --------
    >>> import mse
    >>> found = mse.diagnostics.overlaps(mse.load_dataset("korea")).to_frame()
    >>> found[["list_a", "list_b", "both", "expected", "odds_ratio"]].round(2)
      list_a list_b  both  expected  odds_ratio
    0      b      c    66     38.50      159.62
    1      b      d    18     31.99        2.52
    2      c      d    12     29.50        0.19
    """
    check_level(level)
    complete_counts(table)
    plain = table.collapse(*table.covariates) if table.covariates else table
    counts = plain.counts.astype(np.float64)
    fitted = LogLinear("main").fit(plain).fitted
    pairs = combinations(range(plain.n_lists), 2)
    rows = [_pair_row(plain, counts, fitted, pair, level) for pair in pairs]
    return Overlaps(table, level, pd.DataFrame(rows))


def _pair_row(
    table: CaptureTable, counts: FloatArray, fitted: FloatArray, pair: tuple[int, int], level: float
) -> dict[str, Any]:
    others = tuple(axis for axis in range(table.n_lists) if axis not in pair)
    square = counts.sum(axis=others)
    sizes = square[1].sum(), square[:, 1].sum()
    both = square[1, 1]
    alone = counts.transpose(*others, *pair)[(0,) * len(others)]
    four = (square - alone) + CONTINUITY
    ratio = low = high = math.nan
    if n_others := int((square - alone).sum()):
        log_ratio = math.log(four[1, 1] * four[0, 0] / (four[1, 0] * four[0, 1]))
        reach = float(ndtri((1 + level) / 2)) * math.sqrt((1 / four).sum())
        ratio, low, high = (math.exp(log_ratio + side * reach) for side in (0, -1, 1))
    return {
        "list_a": table.lists[pair[0]],
        "list_b": table.lists[pair[1]],
        "n_a": int(sizes[0]),
        "n_b": int(sizes[1]),
        "both": int(both),
        "expected": float(fitted.sum(axis=others)[1, 1]),
        "odds_ratio": ratio,
        "low": low,
        "high": high,
        "level": level,
        "n_others": n_others,
        "chapman": float((sizes[0] + 1) * (sizes[1] + 1) / (both + 1) - 1),
    }
