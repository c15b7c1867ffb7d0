"""The same source, compiled or interpreted."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from numba.core.dispatcher import Dispatcher

if TYPE_CHECKING:
    from collections.abc import Callable


def interpreted(kernel: Any) -> Callable[..., Any]:
    """Return the Python function behind a compiled kernel, its callees interpreted as well.

    Exact arithmetic runs compiled in int64 and, where numbers outgrow that, interpreted on
    arrays of Python integers; tests use it as the oracle of the compiled code.

    Parameters
    ----------
    kernel : numba dispatcher
        A function compiled with ``numba.njit``.

    Returns
    -------
    function
        Takes the same arguments.
    """
    source = kernel.py_func
    namespace = dict(source.__globals__)
    for name in source.__code__.co_names:
        if isinstance(namespace.get(name), Dispatcher):
            namespace[name] = interpreted(namespace[name])
    return FunctionType(source.__code__, namespace, source.__name__, source.__defaults__)
