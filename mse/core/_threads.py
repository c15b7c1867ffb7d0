"""One thread for the linear algebra of small matrices.

A BLAS library starts a thread for every core, which takes longer to wake up and wait for than the
decomposition of a matrix of a hundred rows takes: on two busy cores a fit to a table known in part took
up to eighteen times as long.
"""

from __future__ import annotations

from contextlib import ContextDecorator
from functools import cache
from threading import Lock
from typing import Any


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
