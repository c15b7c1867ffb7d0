"""Stepwise search over lists and covariates of which one has very many levels.

The steps are those of `mse.core.search`: score and Wald statistics of all terms from one information matrix
over all parameters, and fits of the few that promise most. Here the matrix is one of blocks, by the levels
of the factor, and each statistic comes from eliminating them (`mse.core.large_factor`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg.lapack import dtrtrs

from mse.core._threads import one_thread
from mse.core.existence import INDETERMINATE, determined, without_persons
from mse.core.fitting import penalty_of
from mse.core.large_factor import (
    Active,
    Eliminated,
    Factor,
    Matrix,
    Values,
    backward,
    eliminate,
    factor_of,
    forward,
    information_of,
    only,
    put_back,
    spread_over_cells,
    transposed,
)
from mse.core.large_fit import fit_large
from mse.core.lattice import superset_sum
from mse.core.newton import CERTIFIED, PIVOT_TOLERANCE, with_unions
from mse.core.search import (
    FAR,
    LARGEST_LOSS,
    LIFT,
    SCREENED,
    SLACK,
    Walk,
    Walker,
    ends_of,
    is_lower,
    starts_of,
)

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.large_fit import LargeFit
    from mse.core.newton import Design
    from mse.core.search import JointPaths, Rank

#: Rank of what is never better than anything: not to be chosen, and without a criterion.
NEVER = (True, np.inf)


# What each term promises --------------------------------------------------------------------------


class Conditional(NamedTuple):
    """Information about the parameters of a term given those of a model.

    Of kinds of levels it is ``blocks`` (k, k, L - 1) less the products of the columns of ``half`` (g, k, L - 1),
    of shared parameters a matrix: ``blocks`` (k, k, 1).
    """

    blocks: FloatArray
    half: FloatArray

    @property
    def diagonal(self) -> FloatArray:
        """Information about each parameter alone, (k, L - 1)."""
        less = np.einsum("gil,gil->il", self.half, self.half)
        return np.asarray(np.einsum("iil->il", self.blocks) - less)

    def form(self, b: FloatArray) -> float:
        """Value of b'Ib for b (k, L - 1)."""
        together = np.einsum("gil,il->g", self.half, b)
        return float(np.einsum("il,ijl,jl", b, self.blocks, b) - together @ together)

    def inverse_form(self, s: FloatArray) -> float:
        """Value of s'I^-1 s over the directions in which the information is not singular."""
        blocks, used = _regular(self.blocks)
        x, half = np.where(used, s, 0.0), np.where(used, self.half, 0.0).transpose(1, 0, 2)
        x, half = forward(blocks, x), forward(blocks, np.ascontiguousarray(half))
        together = np.einsum("igl,il->g", half, x)
        rest = np.eye(len(together)) - np.einsum("igl,ihl->gh", half, half, optimize=True)
        values, vectors = np.linalg.eigh(rest)
        clear = values > PIVOT_TOLERANCE
        more = (vectors.T @ together)[clear] ** 2 / values[clear]
        return float(np.vdot(x, x) + more.sum())


def _regular(blocks: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Cholesky factors of blocks, with the unit in place of rows that depend on those before; and which do not."""
    found, used = np.zeros_like(blocks), np.ones(blocks.shape[1:], dtype=np.bool_)
    for i in range(len(blocks)):
        for j in range(i + 1):
            total = blocks[i, j] - (found[i, :j] * found[j, :j]).sum(axis=0)
            if i > j:
                found[i, j] = np.where(used[j], total / found[j, j], 0.0)
                continue
            used[i] = total > PIVOT_TOLERANCE * blocks[i, i]
            found[i, i] = np.sqrt(np.where(used[i], total, 1.0))
            found[i, :i] = np.where(used[i], found[i, :i], 0.0)
    return found, used


class Slopes(NamedTuple):
    """Score and information over all parameters at a fit, and the levels of its own eliminated."""

    matrix: Matrix
    score: Values
    active: Active
    root: Eliminated

    def given(self, active: Active, root: Eliminated, kinds: IntArray) -> Conditional:
        """Information about some kinds of levels given the parameters of a model."""
        own = np.where(active.local[:, None], self.matrix.local[:, kinds], 0.0)
        own = forward(root.local, own)
        blocks = self.matrix.local[np.ix_(kinds, kinds)] - np.einsum("mil,mjl->ijl", own, own)
        border = self.matrix.border[kinds] - np.einsum("mil,mgl->igl", own, root.border)
        border = np.where(active.shared[:, None], border, 0.0).transpose(1, 0, 2)
        flat, _ = dtrtrs(root.shared, border.reshape(len(border), -1), lower=1)
        return Conditional(blocks, flat.reshape(border.shape))

    def shared_given(self, shared: BoolArray, wanted: IntArray) -> Conditional:
        """Information about some shared parameters given others, and the levels of the fit."""
        own = np.where(self.active.local[:, None], self.matrix.border, 0.0)
        own = forward(self.root.local, own)
        whole = self.matrix.shared - np.einsum("mgl,mhl->gh", own, own, optimize=True)
        others = np.flatnonzero(shared)
        between = whole[np.ix_(others, wanted)]
        blocks = whole[np.ix_(wanted, wanted)]
        if others.size:
            blocks = blocks - between.T @ np.linalg.solve(whole[np.ix_(others, others)], between)
        return Conditional(blocks[:, :, None], np.zeros((0, wanted.size, 1)))


def slopes_at(fit: LargeFit, factor: Factor, size: int) -> Slopes | None:
    """Score and information over all parameters of a scope at a fit; None where its own is singular."""
    question = fit.question
    weights = np.where(question.face, fit.means, 0.0)
    residual = np.where(question.face, question.counts, 0.0) - weights
    fitted = fit.in_order(Values(*(each.astype(float) for each in question.active)), size) > 0
    active = Active(fitted[factor.local], fitted[factor.shared])
    matrix, score = information_of(weights, factor), transposed(residual, factor)
    root = _eliminated(matrix, active)
    return None if root is None else Slopes(matrix, score, active, root)


def _eliminated(matrix: Matrix, active: Active) -> Eliminated | None:
    """Factor the matrix of some parameters, its diagonal raised where rounding hides that it is definite."""
    own = only(matrix, active)
    return eliminate(own) or eliminate(own, -LIFT)


def _variances(slopes: Slopes) -> Values:
    """Diagonal of the inverse information of the fit."""
    root, q = slopes.root, len(slopes.root.local)
    unit = np.zeros_like(root.local)
    unit[np.arange(q), np.arange(q)] = 1.0
    inverse = forward(root.local, unit)
    border = backward(root.local, root.border.copy()).transpose(1, 0, 2)
    flat, _ = dtrtrs(root.shared, border.reshape(len(border), -1), lower=1)
    local = (inverse**2).sum(axis=0) + (flat.reshape(border.shape) ** 2).sum(axis=0)
    shared, _ = dtrtrs(root.shared, np.eye(len(root.shared)), lower=1)
    return Values(local, (shared**2).sum(axis=0))


def _gains(score: FloatArray, information: FloatArray) -> FloatArray:
    """Falls in deviance if parameters enter one by one, see `mse.core.search`."""
    after = np.maximum(information + score, 0.0)
    logs = np.log(np.where(after > 0, after / information, 1.0))
    return 2.0 * (after * logs - score)


def _losses(b: FloatArray, information: FloatArray) -> FloatArray:
    """Rises in deviance if parameters leave one by one, see `mse.core.search`."""
    return 2.0 * information * (b - 1.0 + np.exp(np.minimum(-b, LARGEST_LOSS)))


# The search ---------------------------------------------------------------------------------------


class LargeWalker:
    """Searches one table from one start after another, as `mse.core.search.Walker` does.

    main, ranges, kind, design: as there
    factor: parameters by the levels of the factor
    """

    def __init__(
        self, main: BoolArray, ranges: IntArray, kind: int, design: Design, factor: Factor
    ) -> None:
        self.starts = starts_of(ranges, design)
        self._main, self._ranges, self._kind = main, ranges, kind
        self._design, self._factor = design, factor
        place = np.full(main.size, -1)
        place[factor.local] = np.arange(len(factor.local))[:, None]
        shared = np.full(main.size, -1)
        shared[factor.shared] = np.arange(factor.shared.size)
        #: Kinds of levels of each term, or its shared parameters.
        self._kinds = [np.unique(place[a:b][place[a:b] >= 0]) for a, b in ranges[:, :2]]
        self._shared = [shared[a:b][shared[a:b] >= 0] for a, b in ranges[:, :2]]

    def walks(self, counts: FloatArray) -> list[Walk]:
        """Search a table, (C,) persons by cell, from every start."""
        design = self._design
        self._counts, self._persons = counts, float(counts.sum())
        self._excused = without_persons(counts, design.shape, design.n_hidden)
        self._seen = counts.copy()
        superset_sum(self._seen, design.shape)
        with one_thread:
            return [self._walk(start) for start in self.starts]

    def _walk(self, start: BoolArray) -> Walk:
        inside, near = start.copy(), None
        models, tried = [inside], []
        while True:
            fit, rank = self._fit(inside, near, NEVER)
            if fit is None:
                break
            others: list[BoolArray] = []
            after, near = self._next(fit, inside, rank, others)
            tried.append(np.reshape(others, (len(others), inside.size)).astype(np.bool_))
            if after is None:
                break
            inside = after
            models.append(inside)
        if fit is None:
            tried.append(np.zeros((0, inside.size), dtype=np.bool_))
            hidden = np.full(self._design.n_hidden, np.nan)
            limits = np.full(hidden.size, INDETERMINATE, dtype=np.int8)
            return Walk(models, tried, (False, np.inf), True, hidden, limits)
        return Walk(models, tried, (not rank[0], rank[1]), False, fit.hidden, fit.limits)

    def _member(self, inside: BoolArray) -> BoolArray:
        member = self._main.copy()
        for first, last in self._ranges[inside, :2]:
            member[first:last] = True
        return member

    def _penalty(self, size: int) -> float:
        return float(penalty_of(self._kind, size, self._persons))

    def _fit(
        self, inside: BoolArray, near: FloatArray | None, best: Rank
    ) -> tuple[LargeFit | None, Rank]:
        """Fit a model, unless it is sure to be no better than the best one; None where there is no fit."""
        member = self._member(inside)
        penalty = self._penalty(int(member.sum()))
        # A model that may be chosen is better than any that may not, however high its criterion.
        ceiling = np.inf if best[0] else best[1] - penalty
        if ceiling <= 0.0:
            return None, NEVER
        fit = fit_large(self._counts, member, self._design, self._factor, near, ceiling)
        if fit.code != CERTIFIED:
            return None, NEVER
        allowed = bool(determined(fit.limits, self._excused))
        return fit, (not allowed, fit.deviance + penalty)

    def _next(
        self, fit: LargeFit, inside: BoolArray, now: Rank, others: list[BoolArray]
    ) -> tuple[BoolArray | None, FloatArray | None]:
        """Find the best model next to one, and coefficients near its own; None where none is better."""
        near = fit.in_order(fit.b, self._main.size)
        change = self._promised(fit, inside, near)
        best, found, start = now, None, near

        def attempt(*terms: int) -> None:
            nonlocal best, found, start
            other = inside.copy()
            other[list(terms)] = ~other[list(terms)]
            others.append(other)
            trial, rank = self._fit(other, near, best)
            if trial is not None and is_lower(rank, best):
                best, found = rank, other
                start = trial.in_order(trial.b, near.size)

        slack = np.inf if now[0] else SLACK
        for k, t in enumerate(np.argsort(change, kind="stable")):
            promising = k < SCREENED and change[t] <= slack
            if not promising and (found is not None or (not now[0] and change[t] > FAR)):
                break
            attempt(int(t))
        if found is None:
            i, j = np.flatnonzero(inside), np.flatnonzero(~inside)
            promise = np.add.outer(change[i], change[j]).ravel()
            for k in np.argsort(promise, kind="stable")[:SCREENED]:
                if not now[0] and promise[k] > FAR:
                    break
                attempt(int(i[k // j.size]), int(j[k % j.size]))
        return found, start

    def _promised(self, fit: LargeFit, inside: BoolArray, b: FloatArray) -> FloatArray:
        """Approximate the change of the criterion for every term; zeros where nothing is known."""
        size = int(self._member(inside).sum())
        now, change = self._penalty(size), np.zeros(inside.size)
        slopes = slopes_at(fit, self._factor, b.size)
        if slopes is not None:
            variances = _variances(slopes)
            fitted = put_back(
                np.where(fit.question.face, fit.means, 0.0), fit.question.factor
            ).copy()
            superset_sum(fitted, self._design.shape)
            for t in range(inside.size):
                if inside[t]:
                    change[t] = self._leaving(slopes, variances, b, t)
                    continue
                gain = self._entering(slopes, t)
                if self._ranges[t, 2] > 0:
                    gain = max(gain, gain_of_margin(self._seen, fitted, self._ranges[t]))
                change[t] = -gain
            self._add_return_of_cells(fit, inside, change)
        widths = self._ranges[:, 1] - self._ranges[:, 0]
        after = size + np.where(inside, -widths, widths)
        penalties = np.asarray([self._penalty(int(each)) - now for each in after])
        return change + np.where(np.isfinite(penalties), penalties, np.inf)

    def _entering(self, slopes: Slopes, t: int) -> float:
        """Approximate the fall in deviance if a term enters."""
        kinds, shared = self._kinds[t], self._shared[t]
        if kinds.size:
            known = slopes.given(slopes.active, slopes.root, kinds)
            score, plain = slopes.score.local[kinds], slopes.matrix.local[kinds, kinds]
        else:
            known = slopes.shared_given(slopes.active.shared, shared)
            score, plain = (
                slopes.score.shared[shared][:, None],
                slopes.matrix.shared[shared, shared],
            )
            plain = plain[:, None]
        diagonal = known.diagonal
        clear = diagonal > PIVOT_TOLERANCE * plain
        one_by_one = (score[clear] ** 2 / diagonal[clear]).sum()
        # One by one the parameters tell how far the quadratic form of all is from the deviance.
        bent = _gains(score[clear], diagonal[clear]).sum() / one_by_one if one_by_one > 0 else 1.0
        return float(known.inverse_form(score) * bent)

    def _leaving(self, slopes: Slopes, variances: Values, b: FloatArray, t: int) -> float:
        """Approximate the rise in deviance if a term leaves."""
        kinds, shared, active = self._kinds[t], self._shared[t], slopes.active
        if kinds.size:
            rest = active.local.copy()
            rest[kinds] = False
            without = Active(rest, active.shared)
            root = _eliminated(slopes.matrix, without)
            if root is None:
                return 0.0
            known = slopes.given(without, root, kinds)
            used = active.local[kinds]
            own = np.where(used, b[self._factor.local[kinds]], 0.0)
            spread = variances.local[kinds]
        else:
            others = active.shared.copy()
            others[shared] = False
            used = active.shared[shared][:, None]
            known = slopes.shared_given(others, shared)
            own = np.where(used, b[self._factor.shared[shared]][:, None], 0.0)
            spread = variances.shared[shared][:, None]
        one_by_one = (own[used] ** 2 / spread[used]).sum()
        bent = _losses(own[used], 1.0 / spread[used]).sum()
        return known.form(own) * float(bent / one_by_one if one_by_one > 0 else 1.0)

    def _add_return_of_cells(self, fit: LargeFit, inside: BoolArray, change: FloatArray) -> None:
        """Add the rise in deviance from cells that are at zero because of one term alone."""
        fitted = fit.in_order(
            Values(*(each.astype(float) for each in fit.question.active)), self._main.size
        )
        missing = (self._member(inside) & (fitted == 0)).astype(np.float64)
        if not missing.any():
            return
        factor = self._factor

        def marks(of: FloatArray) -> FloatArray:
            return spread_over_cells(Values(of[factor.local], of[factor.shared]), factor)

        everything = marks(missing)
        for t in np.flatnonzero(inside):
            first, last = self._ranges[t, :2]
            own = np.zeros_like(missing)
            own[first:last] = missing[first:last]
            if own.any():
                alone = marks(own)
                back = (alone > 0) & (alone == everything) & ~fit.question.hidden
                change[t] += 2.0 * float(fit.means[back].sum())


def gain_of_margin(seen: FloatArray, fitted: FloatArray, term: IntArray) -> float:
    """Fall in deviance from scaling the means to the observed margin of a pair, see `mse.core.search`."""
    left, right, n_left, n_right = term[2:6]
    cells = np.add.outer(np.arange(n_left + 1) * left, np.arange(n_right + 1) * right)
    observed, expected = seen[cells], fitted[cells]
    for sums in (observed, expected):
        # From sums over levels to the numbers with the first level.
        sums[0] -= sums[1:].sum(axis=0)
        sums[:, 0] -= sums[:, 1:].sum(axis=1)
    known = (observed > 0) & (expected > 0)
    logs = np.log(np.where(known, observed, 1.0) / np.where(known, expected, 1.0))
    each = np.where(observed > 0, observed * logs - observed + expected, expected)
    return float(2.0 * np.where((observed > 0) & (expected <= 0), 0.0, each).sum())


def walker_of(main: BoolArray, ranges: IntArray, kind: int, design: Design) -> Walker | LargeWalker:
    """Make what searches tables of a design."""
    factor = factor_of(design)
    if factor is None:
        return Walker(main, ranges, kind, with_unions(design))
    return LargeWalker(main, ranges, kind, design, factor)


def search_tables(
    tables: FloatArray, main: BoolArray, ranges: IntArray, kind: int, design: Design
) -> JointPaths:
    """Search every table, see `mse.core.search.search_jointly`."""
    return ends_of(walker_of(main, ranges, kind, design), tables, design.n_hidden, len(ranges))
