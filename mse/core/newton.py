"""Newton's method for the Poisson likelihood of a hierarchical model, without a design matrix.

For counts n(c) over the cells of a face and parameters b, log means are the subset sum of b,
the score is X'(n - mu) and the information X'diag(mu)X; both are superset sums read at the
cells of the parameters and at their unions (see `mse.core.lattice`).
"""

from __future__ import annotations

from math import lgamma
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mse.core._compiled import kernel
from mse.core._memory import demand
from mse.core.lattice import observable_cells, subset_sum, superset_sum, unions

if TYPE_CHECKING:
    from mse._typing import BoolArray, FloatArray, IntArray

#: How a Newton iteration ended.
CERTIFIED, UNDECIDED, EXHAUSTED, SURPASSED = 0, 1, 2, 3

#: A fit is finished when no fitted mean, observable or hidden, would change by more than this
#: fraction. Newton's error after the step is of the order of its square, below rounding.
STEP_TOLERANCE = 1e-6
#: Smallest ratio of a Cholesky pivot to its diagonal that counts as a nonsingular information
#: matrix: it leaves six digits of a double to the step, and the certificate needs one.
PIVOT_TOLERANCE = 1e-10
#: Unit roundoff of a double.
ROUNDOFF = 2.0**-53
#: Most that rounding of the last step of a finished fit may change: any log mean, or contrast of them, in
#: standard errors of it; and the log mean of a cell. A certificate of existence needs less than 1 of the
#: latter. Beyond either the exact check is asked, and the fit may be done in other coordinates.
ERROR_IN_ERRORS, ERROR_OF_CELL = 1e-8, 1e-3
#: A step that lowers some log mean by about one per iteration while the decrement is already
#: small is what a diverging fit looks like; the exact check then decides.
RECEDING_STEP = -0.8
RECEDING_DECREMENT = 1e-2
#: Added to each count for the least-squares start, so that empty cells have a logarithm.
START_COUNT = 0.1
#: Newton converges quadratically; damped phases of a sparse table take some 20 iterations.
MAX_ITERATIONS = 200
#: Largest argument of an exponential that stays finite.
LARGEST_LOG = 700.0
#: Below this the terms of a deviance come from a series; what it leaves out is 1e-13 of them.
SMALL_RATIO = 1e-3
#: From here on Stirling's series to its fifth term has all digits of a double.
LARGE_COUNT = 16.0
#: From this number of parameters on their order decides what a factorization costs.
MANY_PARAMETERS = 128
#: Effects, and levels of an axis, from which on the levels are eliminated, see `mse.core.large_factor`. With
#: fewer the compiled fit on a whole matrix is as fast.
MANY_EFFECTS, MANY_LEVELS = 512, 32


class Design(NamedTuple):
    """A table's axes and the parameters that models on it choose from.

    shape: (d,), levels of each axis; their product is C
    observable: (C,) bool, cells that can be seen
    n_hidden: the first `n_hidden` cells (on no list, one for each stratum) cannot
    cells: (U,), cell of each effect (a term at levels), the constant (cell 0) first
    union: (U, U) or (0, 0), Cell of the union of two effects, `CONFLICT` where there is none. Empty
        where there are many effects and an axis has many levels, which are eliminated then; see
        `with_unions`.
    starts: (P + 1,) or (0,), Empty where the parameters are the effects. Otherwise parameter i is
        the sum of the effects ``entries[starts[i]:starts[i + 1]]`` times their ``weights``: a
        trend.
    entries, weights: positions of effects in U; integers
    """

    shape: IntArray
    observable: BoolArray
    n_hidden: int
    cells: IntArray
    union: IntArray
    starts: IntArray
    entries: IntArray
    weights: IntArray


class Workspace(NamedTuple):
    """Arrays that one fit writes to, reused from fit to fit."""

    means: FloatArray  # (C,)
    sums: FloatArray  # (C,)
    step: FloatArray  # (C,)
    b: FloatArray  # (U,)
    h: FloatArray  # (U,)
    score: FloatArray  # (U,)
    matrix: FloatArray  # (U, U)
    chosen: IntArray  # (U,) positions of the parameters in the fit
    face: BoolArray  # (C,) cells in the likelihood


def make_design(shape: tuple[int, ...], n_lists: int, cells: IntArray) -> Design:
    """Describe the table and the parameters that its models choose from.

    shape: levels of each axis, the lists first
    n_lists: number of lists K
    cells: (U,), cells of the parameters, the constant first
    """
    axes = np.asarray(shape, dtype=np.int64)
    observable = observable_cells(axes, n_lists)
    none = np.zeros(0, dtype=np.int64)
    n_hidden = observable.size >> n_lists
    union = none.reshape(0, 0)
    design = Design(axes, observable, n_hidden, cells, union, none, none, none)
    return design if has_many_levels(design) else with_unions(design)


def has_many_levels(design: Design) -> bool:
    """Whether there are many effects, and an axis with so many levels that they are best eliminated."""
    return design.cells.size >= MANY_EFFECTS and int(design.shape.max()) >= MANY_LEVELS


def with_unions(design: Design) -> Design:
    """Find the union of every two effects, where that was not done: for a matrix over all of them."""
    if len(design.union) == design.cells.size:
        return design
    demand(
        2 * 8.0 * design.cells.size**2,
        f"A matrix of {design.cells.size:,} by {design.cells.size:,} parameters",
        "leave out terms with covariates of many levels, or merge levels",
    )
    return design._replace(union=unions(design.cells, design.shape))


def with_contrasts(design: Design, columns: list[dict[int, int]]) -> Design:
    """Replace the effects of a design by integer combinations of them.

    design: its parameters are its effects
    columns: for each parameter the weight of each effect, by position
    """
    sizes = [len(column) for column in columns]
    return design._replace(
        starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        entries=np.asarray([u for column in columns for u in column], dtype=np.int64),
        weights=np.asarray([w for column in columns for w in column.values()], dtype=np.int64),
    )


def n_parameters(design: Design) -> int:
    """Count the parameters."""
    return int(design.starts.size - 1 if design.starts.size else design.cells.size)


def first_cells(design: Design) -> IntArray:
    """Cell of the first effect of each parameter, (P,) int64."""
    if design.starts.size == 0:
        return design.cells
    return np.asarray(design.cells[design.entries[design.starts[:-1]]])


def single_effects(design: Design) -> BoolArray:
    """Which parameters are one effect and not a trend over several, (P,) bool."""
    if design.starts.size == 0:
        return np.ones(design.cells.size, dtype=np.bool_)
    alone = np.diff(design.starts) == 1
    return np.asarray(alone & (design.weights[design.starts[:-1]] == 1))


def make_workspace(design: Design) -> Workspace:
    """Allocate the arrays for fits on a design."""
    n_cells, size = design.observable.size, n_parameters(design)
    return Workspace(
        means=np.zeros(n_cells),
        sums=np.zeros(n_cells),
        step=np.zeros(n_cells),
        b=np.zeros(size),
        h=np.zeros(size),
        score=np.zeros(size),
        matrix=np.zeros((size, size)),
        chosen=np.zeros(size, dtype=np.int64),
        face=design.observable.copy(),
    )


@kernel(fastmath={"reassoc", "contract", "nsz"})
def cholesky(matrix, p):  # type: ignore[no-untyped-def]
    """Factor the leading p x p block in place (lower triangle); False where it is singular.

    The zeros at the start of each row are zeros of the factor too and cost nothing, see `arrange`.
    """
    first = np.zeros(p, dtype=np.int64)
    for i in range(p):
        while matrix[i, first[i]] == 0.0 and first[i] < i:
            first[i] += 1
        diagonal = matrix[i, i]
        for j in range(first[i], i + 1):
            total = matrix[i, j]
            for k in range(max(first[i], first[j]), j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                if not total > PIVOT_TOLERANCE * diagonal:
                    return False
                matrix[i, i] = np.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    return True


@kernel(fastmath={"reassoc", "contract", "nsz"})
def cholesky_solve(factor, p, x):  # type: ignore[no-untyped-def]
    """Solve for the factored matrix, in place."""
    for i in range(p):
        total = x[i]
        for k in range(i):
            total -= factor[i, k] * x[k]
        x[i] = total / factor[i, i]
    for i in range(p - 1, -1, -1):
        x[i] /= factor[i, i]
        for k in range(i):
            x[k] -= factor[i, k] * x[i]


def smallest_pivot(factor: FloatArray, p: int) -> float:
    """Smallest squared pivot of a Cholesky factor, as a share of its diagonal; 1 if there is none."""
    lower = np.tril(factor[:p, :p])
    return float((np.diag(lower) ** 2 / (lower**2).sum(axis=1)).min(initial=1.0))


@kernel(inline="always")
def first_cell(design, u):  # type: ignore[no-untyped-def]
    """Cell of the first effect of a parameter."""
    return design.cells[design.entries[design.starts[u]] if design.starts.size > 0 else u]


@kernel(inline="always")
def is_effect(design, u):  # type: ignore[no-untyped-def]
    """Whether a parameter is one effect, not a trend over several."""
    return design.starts.size == 0 or (
        design.starts[u + 1] - design.starts[u] == 1 and design.weights[design.starts[u]] == 1
    )


@kernel(inline="always")
def gather(sums, design, u):  # type: ignore[no-untyped-def]
    """Entry u of X'w, from the superset sums of the weights w."""
    if design.starts.size == 0:
        return sums[design.cells[u]]
    total = 0.0
    for e in range(design.starts[u], design.starts[u + 1]):
        total += design.weights[e] * sums[design.cells[design.entries[e]]]
    return total


@kernel
def _gather_pair(sums, design, u, v):  # type: ignore[no-untyped-def]
    total = 0.0
    for e in range(design.starts[u], design.starts[u + 1]):
        row = design.union[design.entries[e]]
        for f in range(design.starts[v], design.starts[v + 1]):
            cell = row[design.entries[f]]
            if cell >= 0:
                # Two whole numbers of the gamma form would not fit into 64 bits.
                total += design.weights[e] * (design.weights[f] * sums[cell])
    return total


@kernel
def information(sums, design, chosen, p, matrix):  # type: ignore[no-untyped-def]
    """Write the lower triangle of X'WX, read from the superset sums of the weights W."""
    if design.starts.size > 0:
        for i in range(p):
            for j in range(i + 1):
                matrix[i, j] = _gather_pair(sums, design, chosen[i], chosen[j])
        return
    for i in range(p):
        row = design.union[chosen[i]]
        for j in range(i + 1):
            cell = row[chosen[j]]
            matrix[i, j] = sums[cell] if cell >= 0 else 0.0


@kernel
def _level(design, u, stride, size):  # type: ignore[no-untyped-def]
    """Level of an axis that all effects of a parameter have; 0 if there is none."""
    level = (first_cell(design, u) // stride) % size
    if design.starts.size > 0:
        for e in range(design.starts[u], design.starts[u + 1]):
            if (design.cells[design.entries[e]] // stride) % size != level:
                return 0
    return level


@kernel
def arrange(design, work, p):  # type: ignore[no-untyped-def]
    """Put many parameters in an order that leaves few entries to a Cholesky factor.

    Effects at different levels of an axis are never in one cell, so their information is zero. Level
    by level of the longest axis, and last what belongs to none of its levels, the matrix is a chain of
    small blocks with a border, and so is its factor.
    """
    if p < MANY_PARAMETERS:
        return
    axis = int(np.argmax(design.shape))
    stride = 1
    for later in range(axis + 1, design.shape.size):
        stride *= design.shape[later]
    size = design.shape[axis]
    # A counting sort: those of NumPy take seconds to compile.
    keys, firsts = np.zeros(p, dtype=np.int64), np.zeros(size + 1, dtype=np.int64)
    for i in range(p):
        level = _level(design, work.chosen[i], stride, size)
        keys[i] = (level if level > 0 else size) - 1
        firsts[keys[i] + 1] += 1
    for level in range(size):
        firsts[level + 1] += firsts[level]
    chosen, b = work.chosen[:p].copy(), work.b[:p].copy()
    for i in range(p):
        place = firsts[keys[i]]
        work.chosen[place], work.b[place] = chosen[i], b[i]
        firsts[keys[i]] += 1


@kernel
def restore(work, p):  # type: ignore[no-untyped-def]
    """Put the parameters back in the order of the design."""
    if p < MANY_PARAMETERS:
        return
    places = np.full(work.chosen.size, -1, dtype=np.int64)
    b = work.b[:p].copy()
    for i in range(p):
        places[work.chosen[i]] = i
    i = 0
    for u in range(places.size):
        if places[u] >= 0:
            work.chosen[i], work.b[i] = u, b[places[u]]
            i += 1


@kernel
def spread(x, design, chosen, p, out):  # type: ignore[no-untyped-def]
    """Put coefficients on the cells of their effects and take the subset sum: X x."""
    for c in range(out.size):
        out[c] = 0.0
    for i in range(p):
        u = chosen[i]
        if design.starts.size == 0:
            out[design.cells[u]] = x[i]
        else:
            for e in range(design.starts[u], design.starts[u + 1]):
                out[design.cells[design.entries[e]]] += design.weights[e] * x[i]
    subset_sum(out, design.shape)


@kernel
def means_of(design, work, p):  # type: ignore[no-untyped-def]
    """Set the means of every cell, hidden ones included, from the coefficients."""
    spread(work.b, design, work.chosen, p, work.means)
    for c in range(work.means.size):
        work.means[c] = np.exp(min(work.means[c], LARGEST_LOG))


@kernel
def least_squares_start(counts, design, work, p):  # type: ignore[no-untyped-def]
    """Start from one weighted least-squares step at means n + START_COUNT; False if singular."""
    sums, right = work.sums, work.step
    for c in range(counts.size):
        weight = counts[c] + START_COUNT if work.face[c] else 0.0
        sums[c] = weight
        right[c] = weight * np.log(weight) - START_COUNT if work.face[c] else 0.0
    superset_sum(sums, design.shape)
    superset_sum(right, design.shape)
    information(sums, design, work.chosen, p, work.matrix)
    for i in range(p):
        work.b[i] = gather(right, design, work.chosen[i])
    if not cholesky(work.matrix, p):
        return False
    cholesky_solve(work.matrix, p, work.b)
    return True


@kernel
def _shift(design, p):  # type: ignore[no-untyped-def]
    """Twice what rounding can do to the smallest eigenvalue of a p x p information matrix.

    That is for a matrix scaled to a diagonal of 1: the sums of its entries, and the factorization
    (Rump 2006, BIT 46, 433-452, theorem 2.3).
    """
    return 4.0 * p * (p + design.shape.size + design.weights.size + 2) * ROUNDOFF


@kernel
def newton_step(counts, design, work, p):  # type: ignore[no-untyped-def]
    """Compute the step h, its effect on every log mean, and the decrement; NaN if singular.

    The diagonal is lowered by more than rounding can raise an eigenvalue, so that a factorization that
    succeeds proves that the parameters are independent on the face.
    """
    sums, residual = work.sums, work.step
    for c in range(counts.size):
        sums[c] = work.means[c] if work.face[c] else 0.0
        residual[c] = counts[c] - work.means[c] if work.face[c] else 0.0
    superset_sum(sums, design.shape)
    superset_sum(residual, design.shape)
    information(sums, design, work.chosen, p, work.matrix)
    shift = _shift(design, p)
    for i in range(p):
        work.score[i] = work.h[i] = gather(residual, design, work.chosen[i])
        work.matrix[i, i] *= 1.0 - shift
    if not cholesky(work.matrix, p):
        return np.nan
    cholesky_solve(work.matrix, p, work.h)
    decrement = 0.0
    for i in range(p):
        decrement += work.score[i] * work.h[i]
    spread(work.h, design, work.chosen, p, work.step)
    return decrement


@kernel
def damping(work, decrement, largest):  # type: ignore[no-untyped-def]
    """Choose the share of a Newton step to take, so that the likelihood rises.

    Along the step it rises by t * decrement - sum mu (exp(t a) - 1 - t a). With every t a <= 1 that is
    at least 0.28 t * decrement, so a full step then needs no search.
    """
    t = 1.0
    while t * largest > 1.0:
        if t * largest < 30.0:
            loss = 0.0
            for c in range(work.means.size):
                if work.face[c]:
                    a = t * work.step[c]
                    loss += work.means[c] * (np.exp(a) - 1.0 - a)
            if t * decrement - loss > 0.1 * t * decrement:
                break
        t *= 0.5
    return t


@kernel
def step_range(design, work):  # type: ignore[no-untyped-def]
    """Smallest and largest change of a log mean on the face, and the largest of a hidden one."""
    smallest, largest, hidden = 0.0, 0.0, 0.0
    for c in range(work.face.size):
        if work.face[c]:
            largest = max(largest, work.step[c])
            smallest = min(smallest, work.step[c])
        elif c < design.n_hidden:
            hidden = max(hidden, abs(work.step[c]))
    return smallest, largest, hidden


@kernel
def rounds_well(counts, design, work, p):  # type: ignore[no-untyped-def]
    """Whether rounding of the last Newton step did little to any log mean.

    The computed h solves (A + E) h = s + e, with e the rounding of the score and E that of the
    information matrix A, its factorization and the shift; so it is off by A^-1 r with r = e - E h.
    By the inequality of Cauchy and Schwarz that moves a contrast x'b by at most sqrt(r'A^-1 r) of its
    standard errors sqrt(x'A^-1 x), and the log mean of a cell with mean m by at most
    sqrt(r'A^-1 r / m), since the leverage m x'A^-1 x is at most 1. With A = LL', r'A^-1 r is at most the
    squared length of the solution z of M z = |r|, where M has the diagonal of L and minus the sizes of
    its other entries (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 8.3), and
    at most that of |r| scaled, over the eigenvalue that the shift proves.
    """
    residual, least = 0.0, np.inf
    for c in range(counts.size):
        if work.face[c]:
            residual += abs(counts[c] - work.means[c])
            least = min(least, work.means[c])
    sizes, moved = work.score, 0.0
    for i in range(p):
        diagonal = 0.0
        for k in range(i + 1):
            diagonal += work.matrix[i, k] * work.matrix[i, k]
        sizes[i] = np.sqrt(diagonal)
        moved += sizes[i] * abs(work.h[i])
    shift, axes = _shift(design, p), design.shape.size
    by_factor, by_shift = 0.0, 0.0
    for i in range(p):
        size = sizes[i]
        error = (axes + 2) * ROUNDOFF * min(residual, 2.0 * size * size)
        error += (p + axes + 2) * ROUNDOFF * size * moved + shift * size * size * abs(work.h[i])
        by_shift += (error / size) ** 2 / (0.5 * shift)
        for k in range(i):
            error += abs(work.matrix[i, k]) * sizes[k]
        sizes[i] = error / work.matrix[i, i]
        by_factor += sizes[i] * sizes[i]
    form = min(by_factor, by_shift)
    return form <= ERROR_IN_ERRORS**2 and form <= ERROR_OF_CELL**2 * least


@kernel
def excess(ratio):  # type: ignore[no-untyped-def]
    """Return (1 + a) log(1 + a) - a for a > -1, which is never negative, to all its digits."""
    if abs(ratio) > SMALL_RATIO:
        return (1.0 + ratio) * np.log1p(ratio) - ratio
    return ratio * ratio * (0.5 - ratio * (1.0 / 6.0 - ratio * (1.0 / 12.0 - ratio / 20.0)))


@kernel
def misfit(count, mean):  # type: ignore[no-untyped-def]
    """Half what a cell adds to the deviance: n log(n / m) - n + m, never negative."""
    if count <= 0.0:
        return mean
    return mean * excess((count - mean) / mean) if mean > 0.0 else np.inf


@kernel
def factorial_rest(x):  # type: ignore[no-untyped-def]
    """Return ``lgamma(x + 1) - x log(x) + x`` for x >= 0, which is small."""
    if x < LARGE_COUNT:
        return lgamma(x + 1.0) - (x * np.log(x) if x > 0.0 else 0.0) + x
    y = 1.0 / (x * x)
    series = 1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y / 1680.0))
    return 0.5 * np.log(2.0 * np.pi * x) + series / x


@kernel
def deviance_of(counts, work):  # type: ignore[no-untyped-def]
    """Deviance of the current means over the cells of the face.

    Summed from terms that are not negative: as a difference of sums it would be lost in their
    rounding, and could come out below zero.
    """
    total = 0.0
    for c in range(counts.size):
        if work.face[c]:
            total += misfit(counts[c], work.means[c])
    return 2.0 * total


@kernel
def deviance_below(counts, work, needed):  # type: ignore[no-untyped-def]
    """Bound the smallest deviance of the model from below, after a Newton step was computed.

    A bound that is not above the one needed is of no use and need not be worked out: then 0.

    With step a, m = mu (1 + a) reproduces the sufficient statistics. If it is nonnegative, no
    parameters have a log likelihood above sum m log m - m (weak duality: each term of
    m eta - exp(eta) is largest at eta = log m), so the deviance can fall by no more than
    2 sum mu ((1 + a) log(1 + a) - a) below its present value.
    """
    left = deviance_of(counts, work)
    for c in range(counts.size):
        if not left > needed:
            return 0.0
        if work.face[c]:
            a = work.step[c]
            if a < -1.0:
                return 0.0
            left -= 2.0 * work.means[c] * (excess(a) if a > -1.0 else 1.0)
    return max(left, 0.0)


@kernel
def newton(counts, design, work, p, patience, ceiling, steps):  # type: ignore[no-untyped-def]
    """Maximize the Poisson likelihood over the cells of a face.

    The Newton step h solves H h = X'(n - mu). Were n' = mu (1 + X h), then X'n' = X'n exactly, so
    if every entry of 1 + X h is positive the sufficient statistics lie inside the cone of
    the design and the estimate exists with all means positive (Fienberg & Rinaldo 2012, section
    3). A fit that ends with all steps below `STEP_TOLERANCE` carries that certificate; in a
    diverging fit the step of the vanishing cells tends to -1 and never gets there.

    counts: (C,) float64, persons; only the cells of the face are read
    design: Design, axes and parameters
    work: Workspace, ``face`` and the first p of ``chosen`` and ``b`` are the question and the
        start; ``b``, ``means`` and ``matrix`` (Cholesky factor of the information at the last step)
        the answer
    p: int, number of parameters
    patience: float, iterations before a receding fit is handed to the exact check; infinite for
        never
    ceiling: float, the fit is of no interest if its deviance is above this; infinite if it always
        is
    steps: int, steps to take at most: `MAX_ITERATIONS`, or fewer where only a bound is wanted
    Returns code: int, `CERTIFIED`, `UNDECIDED` (receding or singular), `EXHAUSTED`, or `SURPASSED`
        where the deviance is certain to end above the ceiling
    Returns below: float, what the deviance is certain to end above; 0 where neither ceiling nor
        bound is asked for
    """
    below, bounded = 0.0, ceiling < np.inf or steps < MAX_ITERATIONS
    needed = ceiling if steps == MAX_ITERATIONS else 0.0
    means_of(design, work, p)
    for iteration in range(1, steps + 1):
        decrement = newton_step(counts, design, work, p)
        if np.isnan(decrement):
            return UNDECIDED, below
        if bounded:
            below = max(below, deviance_below(counts, work, needed))
            if below > ceiling:
                return SURPASSED, below
        smallest, largest, hidden = step_range(design, work)
        t = damping(work, decrement, largest)
        for i in range(p):
            work.b[i] += t * work.h[i]
        if max(largest, -smallest, hidden) <= STEP_TOLERANCE:
            exact_enough = rounds_well(counts, design, work, p)
            means_of(design, work, p)
            return CERTIFIED if exact_enough else UNDECIDED, below
        for c in range(counts.size):
            work.means[c] *= np.exp(min(t * work.step[c], LARGEST_LOG))
        if iteration >= patience and smallest < RECEDING_STEP and decrement < RECEDING_DECREMENT:
            return UNDECIDED, below
    return EXHAUSTED, below
