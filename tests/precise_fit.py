"""Poisson fits in decimal arithmetic of sixty digits: slow, and free of rounding."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGITS = 60


def _solve(matrix: list[list[Decimal]], right: list[Decimal]) -> list[Decimal]:
    """Gaussian elimination of a positive definite matrix."""
    p = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for k in range(p):
        for i in range(k + 1, p):
            if rows[i][k]:
                factor = rows[i][k] / rows[k][k]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    found = [Decimal(0)] * p
    for k in reversed(range(p)):
        rest = sum((rows[k][j] * found[j] for j in range(k + 1, p)), Decimal(0))
        found[k] = (rows[k][p] - rest) / rows[k][k]
    return found


def precise_fit(
    counts: Sequence[float], rows: Sequence[Sequence[int]], start: Sequence[float]
) -> list[Decimal]:
    """Coefficients of the maximum likelihood fit of integer design rows, which must exist.

    Parameters
    ----------
    counts : sequence of float
        Persons by row.
    rows : sequence of sequences of int
        Design rows, of full rank.
    start : sequence of float
        Where Newton's method starts; near the answer, or it takes long.
    """
    with localcontext() as context:
        context.prec = DIGITS
        n = [Decimal(float(count)) for count in counts]
        entries = [[j for j, x in enumerate(row) if x] for row in rows]
        b = [Decimal(float(x)) for x in start]
        for _ in range(500):
            means = [
                sum((b[j] * int(row[j]) for j in nonzero), Decimal(0)).exp()
                for row, nonzero in zip(rows, entries, strict=True)
            ]
            score = [Decimal(0)] * len(b)
            matrix = [[Decimal(0)] * len(b) for _ in b]
            for count, mean, row, nonzero in zip(n, means, rows, entries, strict=True):
                for i in nonzero:
                    score[i] += (count - mean) * int(row[i])
                    for j in nonzero:
                        matrix[i][j] += mean * int(row[i]) * int(row[j])
            step = _solve(matrix, score)
            change = [
                sum((step[j] * int(row[j]) for j in nonzero), Decimal(0))
                for row, nonzero in zip(rows, entries, strict=True)
            ]
            share = 1 / max(Decimal(1), *change)
            b = [x + share * h for x, h in zip(b, step, strict=True)]
            if max(abs(x) for x in change) < Decimal(10) ** -25:
                return b
    raise AssertionError("the precise fit did not end")


def log_mean(row: Sequence[int], b: Sequence[Decimal]) -> float:
    """Log mean of a cell."""
    with localcontext() as context:
        context.prec = DIGITS
        return float(sum((x * int(value) for x, value in zip(b, row, strict=True)), Decimal(0)))
