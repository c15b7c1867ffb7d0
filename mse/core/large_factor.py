"""Fits with a factor of hundreds to thousands of levels, which are eliminated level by level.

Effects at different levels of a factor are never in one cell, so their information is zero. With the
parameters of the levels first, level by level, and last the *shared* ones that belong to no level, the
information matrix is a chain of small blocks with a border. The blocks are eliminated one by one
(the Schur complement), and what is solved is a matrix over the shared parameters. No matrix over all
parameters is made: a fit takes O(cells) memory, and O(levels) of blocks and border.

Cells are laid out as (R, L): the cells of the other axes by the L levels of the factor, and what is
said of one level is computed for all of them at once. The likelihood, the certificate of existence and
its tolerances are those of `mse.core.newton`; what it cannot certify is asked of `mse.core.large_exact`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs

from mse.core.explicit_fit import damping
from mse.core.explicit_fit import deviance_of as deviance_of_means
from mse.core.lattice import CONFLICT, levels_of, unions
from mse.core.newton import (
    CERTIFIED,
    ERROR_IN_ERRORS,
    ERROR_OF_CELL,
    EXHAUSTED,
    LARGEST_LOG,
    MAX_ITERATIONS,
    PIVOT_TOLERANCE,
    RECEDING_DECREMENT,
    RECEDING_STEP,
    ROUNDOFF,
    START_COUNT,
    STEP_TOLERANCE,
    SURPASSED,
    UNDECIDED,
    has_many_levels,
)

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design

#: Additions one after the other in a sum that NumPy takes pair by pair.
DEPTH_OF_PAIRS = 40


class Factor(NamedTuple):
    """Parameters laid out by the levels of one axis.

    before, levels, after: cells are ``(before, levels, after)``; R is before * after
    shape: (d - 1,), levels of the other axes
    local: (q, L - 1), positions in the design of the parameters of each level but the first, one
        row a kind
    shared: (g,), positions of the parameters of no level
    cells: (e + f,), among R, the cells of the effects that make up the kinds (e) and the shared
        parameters (f)
    union: (e, e + f), cells where effects of a level meet each other and the shared ones,
        `CONFLICT` where they do not
    sums, place: (m,), (f, f), the cells where shared effects meet, each once, `CONFLICT` among
        them; and which it is for each two
    weights: (e, q), (f, g), or None, how parameters are made of effects; None where they are the
        effects
    """

    before: int
    levels: int
    after: int
    shape: IntArray
    local: IntArray
    shared: IntArray
    cells: IntArray
    union: IntArray
    sums: IntArray
    place: IntArray
    weights: tuple[FloatArray, FloatArray] | None

    @property
    def n_local_effects(self) -> int:
        """Effects e that make up the kinds."""
        return len(self.local) if self.weights is None else len(self.weights[0])

    @property
    def n_other(self) -> int:
        """Cells R of the other axes."""
        return self.before * self.after


class Values(NamedTuple):
    """Numbers by parameter: of the levels (q, L - 1), and shared (g,)."""

    local: FloatArray
    shared: FloatArray


class Active(NamedTuple):
    """Which parameters are fitted: (q, L - 1), and (g,)."""

    local: BoolArray
    shared: BoolArray


class Matrix(NamedTuple):
    """A symmetric matrix of blocks: (q, q, L - 1), their border (q, g, L - 1), and (g, g)."""

    local: FloatArray
    border: FloatArray
    shared: FloatArray


# Parameters by the levels of a factor -------------------------------------------------------------


def factor_of(design: Design) -> Factor | None:
    """Lay parameters out by the levels of the longest axis.

    Returns None where there are few parameters or levels, or the parameters do not fall into the
        same kinds at every level, as those of a trend over the axis
    """
    axis = int(np.argmax(design.shape))
    levels, after = int(design.shape[axis]), int(np.prod(design.shape[axis + 1 :]))
    if not has_many_levels(design) or after * levels > design.n_hidden:
        return None
    level = (design.cells // after) % levels
    other = design.cells // (after * levels) * after + design.cells % after
    kinds = _kinds(design, level, other)
    if kinds is None:
        return None
    local, shared, effects, weights = kinds
    shape = np.delete(design.shape, axis)
    before = int(np.prod(design.shape[:axis]))
    sizes = before, levels, after, shape
    return Factor(
        *sizes, local, shared, effects, *_meeting(effects, local, weights, shape), weights
    )


def _meeting(
    effects: IntArray,
    local: IntArray,
    weights: tuple[FloatArray, FloatArray] | None,
    shape: IntArray,
) -> tuple[IntArray, IntArray, IntArray]:
    """Find where effects meet: `union`, `sums` and `place` of `Factor`."""
    e = len(local) if weights is None else len(weights[0])
    union = unions(effects, shape)
    sums, place = np.unique(union[e:, e:], return_inverse=True)
    return union[:e], sums, place.reshape(union[e:, e:].shape)


def _kinds(
    design: Design, level: IntArray, other: IntArray
) -> tuple[IntArray, IntArray, IntArray, tuple[FloatArray, FloatArray] | None] | None:
    """Group parameters that differ in their level only: kinds, shared ones, effects, and weights."""
    plain = design.starts.size == 0
    keys, of_level = other, level
    columns: list[tuple[tuple[int, int], ...]] = []
    if not plain:
        found = _columns(design, level, other)
        if found is None:
            return None
        of_level, keys, columns = found
    local = np.flatnonzero(of_level > 0)
    shared = np.flatnonzero(of_level == 0)
    names, first, kind = np.unique(keys[local], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    n_levels = int(level.max(initial=0))
    at = np.full((names.size, n_levels), -1, dtype=np.int64)
    at[rank[kind], of_level[local] - 1] = local
    if (at < 0).any():
        return None
    if plain:
        return at, shared, np.concatenate([other[at[:, :1].ravel()], other[shared]]), None
    own = [columns[u] for u in at[:, 0]] if n_levels else []
    parts = [_combined(own), _combined([columns[u] for u in shared])]
    effects = np.concatenate([cells for cells, _ in parts])
    return at, shared, effects, (parts[0][1], parts[1][1])


def _columns(
    design: Design, level: IntArray, other: IntArray
) -> tuple[IntArray, IntArray, list[tuple[tuple[int, int], ...]]] | None:
    """Level of every parameter, a number for its effects but for that, and these; None for a trend on it."""
    of_level, keys = np.zeros((2, design.starts.size - 1), dtype=np.int64)
    numbers: dict[tuple[tuple[int, int], ...], int] = {}
    columns = []
    for u, (start, stop) in enumerate(zip(design.starts[:-1], design.starts[1:], strict=True)):
        entries = design.entries[start:stop]
        if np.ptp(level[entries]):
            return None
        pairs = zip(other[entries].tolist(), design.weights[start:stop].tolist(), strict=True)
        columns.append(tuple(pairs))
        of_level[u] = level[entries[0]]
        keys[u] = numbers.setdefault(columns[-1], len(numbers))
    return of_level, keys, columns


def _combined(columns: list[tuple[tuple[int, int], ...]]) -> tuple[IntArray, FloatArray]:
    """Different effects of some columns, and the weight of each in each, (e, q)."""
    cells = list(dict.fromkeys(cell for column in columns for cell, _ in column))
    weights = np.zeros((len(cells), len(columns)))
    for i, column in enumerate(columns):
        for cell, weight in column:
            weights[cells.index(cell), i] += weight
    return np.asarray(cells, dtype=np.int64), weights


def restricted(factor: Factor, kinds: BoolArray, shared: BoolArray) -> Factor:
    """Keep some kinds (q,) and shared parameters (g,)."""
    if kinds.all() and shared.all():
        return factor
    weights, effects = factor.weights, np.concatenate([kinds, shared])
    if weights is not None:
        own, others = weights[0][:, kinds], weights[1][:, shared]
        used, wanted = own.any(axis=1), others.any(axis=1)
        effects = np.concatenate([used, wanted])
        weights = own[used], others[wanted]
    local, cells = factor.local[kinds], factor.cells[effects]
    union, sums, place = _meeting(cells, local, weights, factor.shape)
    return factor._replace(
        local=local,
        shared=factor.shared[shared],
        cells=cells,
        union=union,
        sums=sums,
        place=place,
        weights=weights,
    )


def design_rows(factor: Factor) -> tuple[IntArray, IntArray]:
    """Write out the design rows of the cells of the other axes: (R, q) of a level, and (R, g) shared."""
    cells = levels_of(np.arange(factor.n_other), factor.shape)
    effects = levels_of(factor.cells, factor.shape)
    inside = np.ones((len(cells), len(effects)), dtype=np.bool_)
    for axis in range(factor.shape.size):
        wanted = effects[:, axis]
        inside &= (wanted == 0) | (cells[:, axis, None] == wanted)
    e, rows = factor.n_local_effects, inside.astype(np.int64)
    if factor.weights is None:
        return rows[:, :e], rows[:, e:]
    own, others = (np.rint(each).astype(np.int64) for each in factor.weights)
    return rows[:, :e] @ own, rows[:, e:] @ others


def placed(cells: IntArray, factor: Factor) -> IntArray:
    """Rows and levels, (2, n), of cells of the table."""
    first, after = np.divmod(cells, factor.after)
    before, level = np.divmod(first, factor.levels)
    return np.stack([before * factor.after + after, level])


def laid_out(x: np.ndarray, factor: Factor) -> np.ndarray:
    """Lay cells (C,) out as (R, L); a view where they are already."""
    whole = x.reshape(factor.before, factor.levels, factor.after)
    return np.ascontiguousarray(whole.transpose(0, 2, 1).reshape(factor.n_other, factor.levels))


def put_back(x: np.ndarray, factor: Factor) -> np.ndarray:
    """Put cells that are laid out in the order of the table, (C,); a view where they are already."""
    whole = x.reshape(factor.before, factor.after, factor.levels)
    return np.ascontiguousarray(whole.transpose(0, 2, 1)).ravel()


# Transforms and matrices over all levels at once --------------------------------------------------


def _sum_up(x: FloatArray, factor: Factor) -> FloatArray:
    """Superset sums over the other axes, in place; level 0 of the factor is left as it is.

    x has the shape (R, L), or (n, R, L) for several at once.
    """
    inner = factor.levels
    for size in factor.shape[::-1].tolist():
        block = x.reshape(-1, size, inner)
        for level in range(1, size):
            block[:, 0] += block[:, level]
        inner *= size
    return x


def spread_over_cells(b: Values, factor: Factor) -> FloatArray:
    """Log means of all cells, (R, L)."""
    e = factor.n_local_effects
    local, shared = b
    if factor.weights is not None:
        local, shared = factor.weights[0] @ local, factor.weights[1] @ shared
    x = np.zeros((factor.n_other, factor.levels))
    x[factor.cells[:e], 1:] = local
    x[factor.cells[e:]] += shared[:, None]
    inner = factor.levels
    for size in factor.shape[::-1].tolist():
        block = x.reshape(-1, size, inner)
        block[:, 1:] += block[:, :1]
        inner *= size
    return x


def transposed(weights: FloatArray, factor: Factor) -> Values:
    """X'w for weights by cell (R, L), which are overwritten."""
    return _gathered(_sum_up(weights, factor), factor)


def _gathered(sums: FloatArray, factor: Factor) -> Values:
    """Read X'w off the superset sums of w."""
    e = factor.n_local_effects
    local, shared = sums[factor.cells[:e], 1:], sums[factor.cells[e:]].sum(axis=1)
    if factor.weights is not None:
        local, shared = factor.weights[0].T @ local, factor.weights[1].T @ shared
    return Values(local, shared)


def information_of(weights: FloatArray, factor: Factor) -> Matrix:
    """X'WX for weights by cell (R, L), which are overwritten."""
    return _matrix(_sum_up(weights, factor), factor)


def _matrix(sums: FloatArray, factor: Factor) -> Matrix:
    """Read X'WX off the superset sums of W."""
    e = factor.n_local_effects
    meeting = sums[factor.union, 1:]
    meeting[factor.union == CONFLICT] = 0.0
    whole = sums[factor.sums].sum(axis=1)
    whole[factor.sums == CONFLICT] = 0.0
    local, border, shared = meeting[:, :e], meeting[:, e:], whole[factor.place]
    if factor.weights is not None:
        own, others = factor.weights
        local = np.einsum("ei,efl,fj->ijl", own, local, own, optimize=True)
        border = np.einsum("ei,efl,fj->ijl", own, border, others, optimize=True)
        shared = others.T @ shared @ others
    return Matrix(local, border, shared)


def only(matrix: Matrix, active: Active) -> Matrix:
    """Put the unit matrix in the place of parameters that are not fitted."""
    if active.local.all() and active.shared.all():
        return matrix
    off, out = ~active.local, ~active.shared
    local = np.where(off[:, None] | off[None], 0.0, matrix.local)
    border = np.where(off[:, None] | out[:, None], 0.0, matrix.border)
    shared = np.where(out[:, None] | out, 0.0, matrix.shared)
    for i, each in enumerate(off):
        local[i, i, each] = 1.0
    shared[out, out] = 1.0
    return Matrix(local, border, shared)


class Eliminated(NamedTuple):
    """Cholesky factor of a matrix of blocks.

    local: (q, q, L - 1), lower factors of the blocks
    border: (q, g, L - 1), their inverses times the border
    shared: (g, g), lower factor of the Schur complement
    """

    local: FloatArray
    border: FloatArray
    shared: FloatArray


def forward(local: FloatArray, x: FloatArray) -> FloatArray:
    """Solve for the lower factors of the blocks in place; x has the shape (q, ..., L - 1)."""
    for i in range(len(x)):
        for k in range(i):
            x[i] -= local[i, k] * x[k]
        x[i] /= local[i, i]
    return x


def backward(local: FloatArray, x: FloatArray) -> FloatArray:
    """Solve for their transposes in place."""
    for i in range(len(x) - 1, -1, -1):
        x[i] /= local[i, i]
        for k in range(i):
            x[k] -= local[i, k] * x[i]
    return x


def factored_blocks(local: FloatArray, shift: float) -> FloatArray | None:
    """Cholesky factors of the blocks, their diagonals lowered by a share; None where one is singular."""
    found = np.zeros_like(local)
    for i in range(len(local)):
        for j in range(i + 1):
            total = local[i, j] * (1.0 - shift) if i == j else local[i, j].copy()
            for k in range(j):
                total -= found[i, k] * found[j, k]
            if i == j:
                if not np.all(total > PIVOT_TOLERANCE * local[i, i]):
                    return None
                found[i, i] = np.sqrt(total)
            else:
                found[i, j] = total / found[j, j]
    return found


def eliminate(matrix: Matrix, shift: float = 0.0) -> Eliminated | None:
    """Factor a matrix of blocks, its diagonal lowered by a share; None where it is singular."""
    local = factored_blocks(matrix.local, shift)
    if local is None:
        return None
    border, diagonal = forward(local, matrix.border.copy()), np.diag(matrix.shared)
    complement = matrix.shared - np.diag(shift * diagonal)
    for each in border:
        complement -= each @ each.T
    shared, failed = dpotrf(complement, lower=1, clean=1)
    if failed or np.any(np.diag(shared) ** 2 <= PIVOT_TOLERANCE * diagonal):
        return None
    return Eliminated(local, border, shared)


def solve(factor: Eliminated, right: Values) -> Values:
    """Solve for one right-hand side."""
    x = forward(factor.local, right.local.copy())
    y = right.shared - np.einsum("igl,il->g", factor.border, x)
    y, _ = dpotrs(factor.shared, y, lower=1)
    x -= np.einsum("igl,g->il", factor.border, y)
    return Values(backward(factor.local, x), y)


def product(one: Values, other: Values) -> float:
    """Sum of products over all parameters."""
    return float(np.vdot(one.local, other.local) + one.shared @ other.shared)


# Newton's method ----------------------------------------------------------------------------------


class Question(NamedTuple):
    """A fit on a face.

    counts: (R, L), persons by cell
    face: (R, L) bool, cells in the likelihood
    hidden: (R, L) bool, cells that cannot be seen, whose means are wanted
    factor: parameters
    active: those that are fitted
    """

    counts: FloatArray
    face: BoolArray
    hidden: BoolArray
    factor: Factor
    active: Active


class Found(NamedTuple):
    """Where Newton's method ended: how (see `mse.core.newton`), coefficients and means of all cells."""

    code: int
    b: Values
    means: FloatArray


class Rounding(NamedTuple):
    """What rounding can do, relatively.

    To sums over the cells of a level, and over all; to entries of blocks and border, and of the shared part;
    ``shift`` is twice what it can do to the smallest eigenvalue, as of `mse.core.newton`.
    """

    level: float
    sums: float
    local: float
    shared: float
    shift: float


def _rounding(question: Question) -> Rounding:
    """Bound it: the entries of blocks and border are sums of few products, the shared ones over all levels.

    The norm of a matrix of such errors is at most that of its parts.
    """
    q, n_levels = question.factor.local.shape
    g, sums = question.factor.shared.size, int((question.factor.shape - 1).sum()) + 2
    weights = question.factor.weights
    # Parameters that are made of several effects are sums of these.
    level = sums + (0 if weights is None else max(len(each) for each in weights))
    local, shared = (q + sums) * ROUNDOFF, (q * n_levels + g + sums + DEPTH_OF_PAIRS) * ROUNDOFF
    shift = 4.0 * (local * (q + (q * n_levels * g) ** 0.5) + shared * g)
    return Rounding(level * ROUNDOFF, (level + DEPTH_OF_PAIRS) * ROUNDOFF, local, shared, shift)


def _rounds_well(
    question: Question, means: FloatArray, matrix: Matrix, root: Eliminated, h: Values
) -> bool:
    """Whether rounding of the last step did little, see `mse.core.newton.rounds_well`."""
    by = _rounding(question)
    residuals = np.abs(np.where(question.face, question.counts - means, 0.0)).sum(axis=0)
    residual, of_levels = float(residuals.sum()), residuals[1:]
    least = float(np.min(means, initial=np.inf, where=question.face))
    squares = np.einsum("iil->il", matrix.local), np.diag(matrix.shared)
    sizes = tuple(np.sqrt(each) for each in squares)
    moved = (sizes[0] * np.abs(h.local)).sum(axis=0)
    together = float((sizes[1] * np.abs(h.shared)).sum())
    z = by.level * np.minimum(of_levels, 2 * squares[0]) + by.shift * squares[0] * np.abs(h.local)
    z += by.local * sizes[0] * (moved + together)
    y = by.sums * np.minimum(residual, 2 * squares[1]) + by.shift * squares[1] * np.abs(h.shared)
    y += sizes[1] * (by.local * float(moved.sum()) + by.shared * together)
    by_shift = ((z / sizes[0]) ** 2).sum() + ((y / sizes[1]) ** 2).sum()
    # The matrix with the diagonal of the factor and minus the sizes of its other entries.
    z = forward(-np.abs(root.local) + 2 * _diagonal(root.local), z)
    y += np.einsum("igl,il->g", np.abs(root.border), z)
    lower = 2 * np.diag(np.diag(root.shared)) - np.abs(root.shared)
    y, _ = dtrtrs(lower, y, lower=1)
    form = min(float(np.vdot(z, z) + y @ y), float(by_shift) / (0.5 * by.shift))
    return form <= ERROR_IN_ERRORS**2 and form <= ERROR_OF_CELL**2 * least


def _diagonal(blocks: FloatArray) -> FloatArray:
    """Copy of the blocks that has their diagonals only."""
    found = np.zeros_like(blocks)
    for i in range(len(blocks)):
        found[i, i] = blocks[i, i]
    return found


def least_squares_start(question: Question) -> Values | None:
    """Start from one weighted least-squares step at means n + START_COUNT; None if singular."""
    weight = np.where(question.face, question.counts + START_COUNT, 0.0)
    log_weight = np.log(np.where(question.face, weight, 1.0))
    right = np.where(question.face, weight * log_weight - START_COUNT, 0.0)
    score = active_part(transposed(right, question.factor), question.active)
    root = eliminate(only(information_of(weight, question.factor), question.active))
    return None if root is None else solve(root, score)


def active_part(values: Values, active: Active) -> Values:
    """Numbers of the parameters that are fitted; 0 for the others."""
    if active.local.all() and active.shared.all():
        return values
    return Values(
        np.where(active.local, values.local, 0.0), np.where(active.shared, values.shared, 0)
    )


def _deviance_below(question: Question, means: FloatArray, step: FloatArray) -> float:
    """Bound the smallest deviance of the model from below, see `mse.core.newton.deviance_below`."""
    mu, a = means[question.face], step[question.face]
    if a.min(initial=0.0) < -1.0:
        return 0.0
    gap = float(
        mu @ (np.where(a > -1.0, (1 + a) * np.log1p(np.maximum(a, -1 + ROUNDOFF)), 0.0) - a)
    )
    return max(deviance_of_means(question.counts[question.face], mu) - 2 * gap, 0.0)


def means_of(b: Values, factor: Factor) -> FloatArray:
    """Means of all cells, (R, L)."""
    eta = spread_over_cells(b, factor)
    return np.exp(np.minimum(eta, LARGEST_LOG, out=eta), out=eta)


def newton(question: Question, start: Values, patience: float, ceiling: float) -> Found:
    """Maximize the Poisson likelihood over the cells of a face, see `mse.core.newton.newton`."""
    factor, face = question.factor, question.face
    (b, means), shift = to_size(question, start), _rounding(question).shift
    counts, both = np.where(face, question.counts, 0.0), np.empty((2, *face.shape))
    for iteration in range(1, MAX_ITERATIONS + 1):
        seen = np.where(face, means, 0.0)
        np.subtract(counts, seen, out=both[1])
        both[0] = seen
        _sum_up(both, factor)
        matrix = only(_matrix(both[0], factor), question.active)
        score = active_part(_gathered(both[1], factor), question.active)
        root = eliminate(matrix, shift)
        if root is None:
            return Found(UNDECIDED, b, means)
        h = solve(root, score)
        step, decrement = spread_over_cells(h, factor), product(score, h)
        if ceiling < np.inf and _deviance_below(question, means, step) > ceiling:
            return Found(SURPASSED, b, means)
        inside = np.where(face, step, 0.0)
        smallest, largest = float(inside.min()), float(inside.max())
        hidden = float(np.abs(step[question.hidden]).max(initial=0.0))
        t = damping(seen.ravel(), inside.ravel(), decrement)
        b = Values(b.local + t * h.local, b.shared + t * h.shared)
        if max(largest, -smallest, hidden) <= STEP_TOLERANCE:
            good = _rounds_well(question, means, matrix, root, h)
            return Found(CERTIFIED if good else UNDECIDED, b, means_of(b, factor))
        means *= np.exp(np.minimum(t * step, LARGEST_LOG))
        if iteration >= patience and smallest < RECEDING_STEP and decrement < RECEDING_DECREMENT:
            return Found(UNDECIDED, b, means)
    return Found(EXHAUSTED, b, means)


def to_size(question: Question, b: Values) -> tuple[Values, FloatArray]:
    """Raise or lower each level to its persons, if the levels have an effect of their own; and the means."""
    factor, face, active = question.factor, question.face, question.active
    means = means_of(b, factor)
    kind = np.flatnonzero(factor.cells[: factor.n_local_effects] == 0)
    if kind.size == 0 or factor.weights is not None or not active.local[kind].all():
        return b, means
    fitted = np.where(face, means, 0.0).sum(axis=0)
    persons = np.where(face, question.counts, 0.0).sum(axis=0)
    known = (persons > 0) & (fitted > 0) & np.isfinite(fitted)
    if not known.all():
        return b, means
    change = np.log(persons / fitted)
    local, shared = b.local.copy(), b.shared.copy()
    shared[factor.cells[factor.n_local_effects :] == 0] += change[0]
    local[kind] += change[1:] - change[0]
    means *= persons / fitted
    return Values(local, shared), means
