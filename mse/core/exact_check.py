"""What compiled loops leave to Python: exact existence checks, and fits that need other coordinates.

Both are rare, and much code. So a compiled loop that comes to a table it cannot certify calls back:
`ExactCheck` answers on Python integers, remembers answers by model and zero pattern, and loads the
compiled twin of the check only when there is much to check.
"""

from __future__ import annotations

import ctypes
import time
from contextlib import contextmanager
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

from mse.core._compiled import kernel
from mse.core.exact import SAFE, UNLIMITED
from mse.core.existence import facial_set
from mse.core.explicit_fit import MOST_ENTRIES, explicit_rows, fit_rows
from mse.core.newton import CERTIFIED, UNDECIDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from mse._typing import BoolArray, FloatArray, IntArray
    from mse.core.newton import Design, Workspace

    Limits = np.ndarray[tuple[int], np.dtype[np.int8]]


# The same source, compiled or interpreted ---------------------------------------------------------


def interpreted(kernel: Any) -> Callable[..., Any]:
    """Return the Python function behind a compiled kernel, its callees interpreted as well.

    Exact arithmetic runs compiled in int64 and, where numbers outgrow that, interpreted on
    arrays of Python integers; tests use it as the oracle of the compiled code.

    kernel: a function compiled with ``numba.njit``
    Returns takes the same arguments
    """
    source = kernel.py_func
    namespace = dict(source.__globals__)
    for name in source.__code__.co_names:
        if isinstance(namespace.get(name), Dispatcher):
            namespace[name] = interpreted(namespace[name])
    return FunctionType(source.__code__, namespace, source.__name__, source.__defaults__)


# What compiled loops leave to Python: exact existence checks, and fits that need other ------------

#: What a loop asks: the facial set, limits by all parameters of a model, a fit on a known face.
FACE, LIMITS_OF_MODEL, FIT = 0, 1, 2
#: The answer where an error ended the check; it is raised once the loop has returned.
FAILED = -1
#: From this number of parameters times cells on Python integers are slower than loading compiled code.
MANY_ENTRIES = 50_000
#: Seconds spent on Python integers in a process before the compiled twin is loaded, which takes a
#: fraction of a second, or a quarter of a minute where it has to be compiled first.
PATIENCE_SECONDS = 2.0
#: Answers that are remembered, and the cells of the largest tables for which they are.
REMEMBERED, MOST_CELLS = 50_000, 4096
#: No coefficient is kept from falling below zero.
UNBOUNDED: IntArray = np.zeros(0, dtype=np.int64)


class Asked(NamedTuple):
    """What a compiled loop asks with: where to call, and arrays for the question and the answer.

    The face and the parameters are those of the work space.
    """

    address: int
    counts: FloatArray  # (C,)
    member: BoolArray  # (P,) parameters of the model, for `LIMITS_OF_MODEL`
    limits: Limits  # (Q,) as of `mse.core.existence.facial_set`
    partner: IntArray  # (Q,) likewise, -1 for none


class Answer(NamedTuple):
    """What a facial set is found to be."""

    rank: int
    face: BoolArray
    keep: BoolArray
    limits: Limits


@intrinsic
def _call(typingctx, address, what, p):  # type: ignore[no-untyped-def] # noqa: ARG001
    """Call the C function ``int64 f(int64, int64)`` at an address."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        whole = ir.IntType(64)
        kind = ir.FunctionType(whole, [whole, whole]).as_pointer()
        function = builder.inttoptr(arguments[0], kind)
        return builder.call(function, [arguments[1], arguments[2]])

    return types.int64(types.int64, types.int64, types.int64), generate


@kernel
def ask(asked, what, p):  # type: ignore[no-untyped-def]
    """Ask for what the work space and `asked` hold; see `ExactCheck`."""
    return _call(asked.address, what, p)


class _Memory:
    """Answers by question, and the time that they took on Python integers."""

    answers: dict[tuple[bytes, ...], Answer]
    seconds: float

    def __init__(self) -> None:
        self.answers, self.seconds = {}, 0.0

    def keep(self, question: tuple[bytes, ...], answer: Answer) -> None:
        """Remember an answer."""
        if len(self.answers) >= REMEMBERED:
            self.answers.clear()
        self.answers[question] = answer


_MEMORY = _Memory()


def find_face(
    counts: FloatArray,
    face: BoolArray,
    design: Design,
    chosen: IntArray,
    limits: Limits,
    partner: IntArray,
    bounded: IntArray = UNBOUNDED,
) -> Answer:
    """Find the facial set and the limits of hidden counts in whole numbers.

    counts, face, design, chosen, limits, partner, bounded: as of `mse.core.existence.facial_set`;
        nothing is changed
    """
    question: tuple[bytes, ...] | None = None
    if counts.size <= MOST_CELLS:
        parts = (design.shape, design.cells, design.starts, design.entries, design.weights)
        pattern = np.packbits(np.concatenate([face, face & (counts > 0)]))
        asked = (*parts, chosen, pattern, limits, partner, bounded)
        question = tuple(part.tobytes() for part in asked)
        known = _MEMORY.answers.get(question)
        if known is not None:
            return known
    answer = _find(counts, face, design, chosen, limits, partner, bounded)
    if question is not None:
        _MEMORY.keep(question, answer)
    return answer


def _find(
    counts: FloatArray, face: BoolArray, design: Design, chosen: IntArray, *asked: Any
) -> Answer:
    """Run the check: compiled where that pays, and on Python integers otherwise or on overflow."""
    if compiled_pays(chosen.size * counts.size) and _fits(design):
        answer = _run(facial_set, np.int64, SAFE, counts, face, design, chosen, *asked)
        if answer.rank >= 0:
            return answer
    with on_python_integers():
        return _run(
            interpreted(facial_set), np.object_, UNLIMITED, counts, face, design, chosen, *asked
        )


def _fits(design: Design) -> bool:
    """Whether all entries of the design rows are small enough for compiled arithmetic."""
    if design.starts.size == 0:
        return True
    return bool(np.add.reduceat(np.abs(design.weights), design.starts[:-1]).max() <= SAFE)


def compiled_pays(entries: int) -> bool:
    """Whether to load compiled code for a check of so many entries."""
    return entries >= MANY_ENTRIES or _MEMORY.seconds > PATIENCE_SECONDS


@contextmanager
def on_python_integers() -> Iterator[None]:
    """Count the time of a check on Python integers."""
    start = time.perf_counter()
    yield
    _MEMORY.seconds += time.perf_counter() - start


def _run(kernel: Any, kind: Any, limit: Any, *question: Any) -> Answer:
    """Run the check on one kind of integers, on copies of what it changes."""
    counts, face, design, chosen, limits, partner, bounded = question
    answer = Answer(0, face.copy(), np.zeros(chosen.size, dtype=np.bool_), limits.copy())
    like = np.zeros(0, dtype=kind)
    rank = kernel(
        counts,
        answer.face,
        design,
        chosen,
        like,
        limit,
        answer.keep,
        answer.limits,
        partner,
        bounded,
    )
    return answer._replace(rank=int(rank))


class ExactCheck:
    """Answers what a compiled loop asks while it runs; to be used in a ``with`` statement.

    design: axes and parameters
    work: the work space of the loop
    asked: to be passed to the loop
    """

    def __init__(self, design: Design, work: Workspace) -> None:
        self._design, self._work = design, work
        self._error: BaseException | None = None
        # The loop knows the address only; the object must live as long as it runs.
        self._function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(
            self._answer
        )
        self.asked = Asked(
            ctypes.cast(self._function, ctypes.c_void_p).value or 0,
            np.zeros(work.means.size),
            np.zeros(work.chosen.size, dtype=np.bool_),
            np.zeros(design.n_hidden, dtype=np.int8),
            np.zeros(design.n_hidden, dtype=np.int64),
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise what went wrong in a callback."""
        if self._error is not None:
            raise self._error

    def _answer(self, what: int, p: int) -> int:
        """Answer a question; an error waits until the loop is over, through which it cannot pass."""
        if self._error is not None:
            return FAILED
        try:
            if what == FACE:
                return self._restrict(p)
            return self._limits() if what == LIMITS_OF_MODEL else self._fit(p)
        except BaseException as error:  # noqa: BLE001 (an interrupt as well)
            self._error = error
            return FAILED

    def _restrict(self, p: int) -> int:
        """Restrict the work space to the facial set; the number of parameters left."""
        work, asked = self._work, self.asked
        found = find_face(
            asked.counts, work.face, self._design, work.chosen[:p], asked.limits, asked.partner
        )
        work.face[:], asked.limits[:] = found.face, found.limits
        work.chosen[: found.rank] = work.chosen[:p][found.keep]
        return found.rank

    def _limits(self) -> int:
        """Limits of hidden counts by all parameters of the model."""
        asked, design = self.asked, self._design
        chosen, nobody = np.flatnonzero(asked.member), np.full(asked.partner.size, -1)
        found = find_face(asked.counts, design.observable, design, chosen, asked.limits, nobody)
        asked.limits[:] = found.limits
        return found.rank

    def _fit(self, p: int) -> int:
        """Fit on a face on which the estimate exists, in coordinates that suit the counts."""
        work, design = self._work, self._design
        inside, hidden = np.flatnonzero(work.face), np.arange(design.n_hidden)
        if (inside.size + hidden.size) * p > MOST_ENTRIES:
            return UNDECIDED
        chosen = work.chosen[:p]
        rows = explicit_rows(design, chosen, inside, hidden)
        try:
            fit = fit_rows(self.asked.counts[inside], rows)
        except ArithmeticError:
            return UNDECIDED
        work.b[:p] = fit.coefficients
        work.means[inside] = np.exp(fit.log_means)
        work.means[hidden] = np.exp(fit.log_hidden)
        return CERTIFIED
