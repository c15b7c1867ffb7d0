"""Threads: several for kernels that hold no lock, one for the linear algebra of small matrices.

A BLAS library starts a thread for every core, which takes longer to wake up and wait for than the
decomposition of a matrix of a hundred rows takes: on two busy cores a fit to a table known in part took
up to eighteen times as long.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ContextDecorator
from functools import cache
from itertools import pairwise
from threading import Lock, current_thread, main_thread
from typing import TYPE_CHECKING, Any

from numba import config

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def _controller() -> Any:
    # The libraries that it looks for must have been loaded before it is made.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class _OneThread(ContextDecorator):
    """Limit of the whole process: the first one in sets it, the last one out lifts it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._depth = 0
        self._limiter: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._depth == 0:
                self._limiter = _controller().limit(limits=1, user_api="blas")
            self._depth += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._limiter.restore_original_limits()


#: Context, or decorator, that keeps BLAS to one thread; may be entered again and by several threads.
one_thread = _OneThread()


def in_threads(work: Callable[[slice], None], size: int, least: int) -> None:
    """Do parts of some work in as many threads as there are cores; one after the other inside of a worker.

    work: what does the part of a slice
    size: of all work
    least: size of a part that is worth a thread
    """
    # joblib lets the processes that it starts have their share of cores, and numba knows of it.
    cores = config.NUMBA_NUM_THREADS if current_thread() is main_thread() else 1
    n = max(1, min(int(cores), size // max(least, 1)))
    ends = [size * i // n for i in range(n + 1)]
    parts = [slice(*each) for each in pairwise(ends)]
    if n == 1:
        work(parts[0])
        return
    with ThreadPoolExecutor(n) as pool:
        # What went wrong in a part is raised when its outcome is asked for.
        for _ in pool.map(work, parts):
            pass
