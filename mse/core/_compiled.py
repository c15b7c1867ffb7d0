"""Kernels: how they are compiled, where machine code is kept, and what is said meanwhile.

Every compiled function of the package is a `Kernel`, which differs from a function of numba in four ways:

* where neither the installation nor the home can be written to, machine code is kept in a temporary folder
  of the user, or not at all;
* two processes that compile the same function at once leave a cache that is right for both: the file of a
  signature is named by the signature (numba numbers them, so that one file could come under two names);
* an array that is read-only, frozen by a class or mapped into memory by joblib, has the type of one that is
  not, so that workers use the machine code that there is;
* a line on standard error says that a compilation is going on, and how far it is.
"""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from stat import S_ISDIR
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import config
from numba.core import event
from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache
from numba.core.registry import CPUDispatcher

from mse._notice import ChangingLine

if TYPE_CHECKING:
    from collections.abc import Callable


class _File(IndexDataCacheFile):  # type: ignore[misc]
    """Index and machine code of a function on disk, whose files are named by what they are for."""

    def save(self, key: Any, data: Any) -> None:
        """Keep machine code; an index that another process writes meanwhile may lack it, no more."""
        name = self._data_name_pattern.replace(
            "{number:d}", sha256(repr(key).encode()).hexdigest()[:16]
        )
        self._save_data(name, data)
        self._save_index({**self._load_index(), key: name})


class _Cache(FunctionCache):  # type: ignore[misc]
    """Cache of one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = _File(
            self._cache_path, self._impl.filename_base, locator.get_source_stamp()
        )


def _temporary_folder() -> str | None:
    """Return a folder of this user alone among the temporary ones, or None: what it holds is run."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    try:
        folder = Path(tempfile.gettempdir()) / f"mse-compiled-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return None
    mine = not hasattr(os, "getuid") or (found.st_uid == user and found.st_mode & 0o022 == 0)
    return str(folder) if S_ISDIR(found.st_mode) and mine else None


def _cache(function: Callable[..., Any]) -> Any:
    """Return the cache of a function: in its package, in the user's folder, in a temporary one, or none."""
    try:
        return _Cache(function)
    except RuntimeError:
        folder, given = _temporary_folder(), config.CACHE_DIR
    NOTICE.kept = folder or ""
    if folder is None:
        return NullCache()
    config.CACHE_DIR = folder
    try:
        return _Cache(function)
    finally:
        config.CACHE_DIR = given


def _as_mutable(value: Any) -> Any:
    """Return a read-only array, alone or in a tuple, as one of the type of arrays that are not.

    Kernels change only what the functions that call them have made for the purpose.
    """
    if isinstance(value, np.ndarray):
        return value if value.flags.writeable else np.asarray(_Mutable(value))
    if isinstance(value, tuple):
        fields = [_as_mutable(field) for field in value]
        if any(new is not old for new, old in zip(fields, value, strict=True)):
            return type(value)._make(fields) if hasattr(value, "_make") else tuple(fields)
    return value


class _Mutable:
    """The memory of a read-only array, which stays alive with it."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


class Kernel(CPUDispatcher):  # type: ignore[misc]
    """A compiled function."""

    def __call__(self, *values: Any) -> Any:
        """Run the function, compiled for the types of these values."""
        return super().__call__(*map(_as_mutable, values))

    def enable_caching(self) -> None:
        """Keep machine code between processes."""
        self._cache = _cache(self.py_func)


def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Compile a function on its first use; a decorator, with or without options of the compiler.

    function: what is compiled
    options: as of `numba.njit`; kernels never need the lock of the interpreter
    """
    if function is None:
        return lambda decorated: kernel(decorated, **options)
    if config.DISABLE_JIT:
        return function
    settings = {"nopython": True, "boundscheck": None, "nogil": True, **options}
    made = Kernel(function, targetoptions=settings)
    made.enable_caching()
    return made


class _Notice(event.Listener):  # type: ignore[misc]
    """What is said while kernels are compiled.

    kept: None where numba keeps machine code where it always does, else the temporary folder, or ""
    """

    kept: str | None

    def __init__(self) -> None:
        self.kept, self.line = None, ChangingLine()
        self.depth = self.done = 0
        self.seconds = self.began = 0.0

    def on_start(self, event: Any) -> None:
        """Say that a function is compiled; those that it calls are compiled within."""
        if not isinstance(event.data["dispatcher"], Kernel):
            return
        if self.depth == 0:
            self.began = monotonic()
            if self.kept is not None:
                self.line.remark(_place(self.kept))
        self.depth += 1
        self._show()

    def on_end(self, event: Any) -> None:
        """Say how many functions are done; the line goes with the last one."""
        if not isinstance(event.data["dispatcher"], Kernel):
            return
        self.depth -= 1
        self.done += 1
        if self.depth > 0:
            self._show()
        else:
            self.seconds += monotonic() - self.began
            self.line.clear()

    def _show(self) -> None:
        often = "in every process" if self.kept == "" else "once after installation"
        spent = self.seconds + monotonic() - self.began
        self.line.show(
            f"Compiling the numerical core, {often}", f"{self.done} functions, {spent:.0f} s"
        )


def _place(kept: str) -> str:
    """Say where machine code is kept that cannot be where it always is."""
    return (
        f"Compiled code is {f'kept in {kept}' if kept else 'not kept'}, as neither the installation nor the "
        "home folder can be written to: NUMBA_CACHE_DIR may name another folder."
    )


NOTICE = _Notice()
event.register("numba:compile", NOTICE)
