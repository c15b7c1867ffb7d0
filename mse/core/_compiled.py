"""Kernels: how they are compiled, where machine code is kept, and what is said meanwhile.

Every compiled function of the package is a `Kernel`, which differs from a function of numba in five ways:

* where neither the installation nor the home can be written to, machine code is kept in a temporary folder
  of the user, or not at all;
* two processes that compile the same function at once leave a cache that is right for both: the file of a
  signature is named by the signature (numba numbers them, so that one file could come under two names);
* an array that is read-only, frozen by a class or mapped into memory by joblib, has the type of one that is
  not, so that workers use the machine code that there is;
* it is compiled once for the types of its arguments, whatever constants it is called with, and for other kernels
  without what Python needs to call it;
* a line on standard error says that a compilation is going on, and how far it is.
"""

from __future__ import annotations

import os
import tempfile
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from stat import S_ISDIR
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import config, types
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

    def __init__(self, function: Callable[..., Any], ending: str) -> None:
        super().__init__(function)
        name, stamp = self._impl.filename_base + ending, self._impl.locator.get_source_stamp()
        self._cache_file = _File(self._cache_path, name, stamp)


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


def _cache(function: Callable[..., Any], ending: str) -> Any:
    """Return the cache of a function: in its package, in the user's folder, in a temporary one, or none."""
    try:
        return _Cache(function, ending)
    except RuntimeError:
        folder, given = _temporary_folder(), config.CACHE_DIR
    NOTICE.kept = folder or ""
    if folder is None:
        return NullCache()
    config.CACHE_DIR = folder
    try:
        return _Cache(function, ending)
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


def _is_mutable(value: Any) -> bool:
    """Whether no array, alone or in a tuple, is read-only."""
    if isinstance(value, np.ndarray):
        return bool(value.flags.writeable)
    return not isinstance(value, tuple) or all(map(_is_mutable, value))


class _Mutable:
    """The memory of a read-only array, which stays alive with it."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


class _Compiled(CPUDispatcher):  # type: ignore[misc]
    """A function that is compiled on its first use, and whose machine code is kept."""

    #: What the names of its files end in, to tell them from those of others of the same function.
    _ending = ""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Type a call from another kernel: a constant has the type of any other number.

        Otherwise a function would be compiled once more for each constant that it is called with.
        """
        named = {name: types.unliteral(each) for name, each in kws.items()}
        return super().get_call_template(tuple(map(types.unliteral, args)), named)

    def enable_caching(self) -> None:
        """Keep machine code between processes."""
        self._cache = _cache(self.py_func, self._ending)


class _Inner(_Compiled):
    """A kernel as other kernels call it."""

    _ending = "-inner"


class Kernel(_Compiled):
    """A compiled function.

    Other kernels call a twin of it, without what only Python needs to call it: to unpack some thirty arrays from their
    tuples takes up to a third of the compilation, and most kernels are called by kernels alone.
    """

    def _compile_for_args(self, *values: Any, **named: Any) -> Any:
        """Find what runs the function for types that it is not compiled for yet.

        numba asks for it when no signature fits, so that calls for which one does are not looked at in Python.
        """
        if all(map(_is_mutable, values)):
            return super()._compile_for_args(*values, **named)
        return self._run_as_mutable

    def _run_as_mutable(self, *values: Any) -> Any:
        """Run what is compiled for arrays that are not read-only."""
        return self(*map(_as_mutable, values))

    @cached_property
    def inner(self) -> _Inner:
        """The twin that other kernels call."""
        without = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        made = _Inner(self.py_func, targetoptions=self.targetoptions | without)
        made.enable_caching()
        return made

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Type a call from another kernel, of the twin."""
        return self.inner.get_call_template(args, kws)

    def get_overload(self, signature: Any) -> Any:
        """Find what another kernel calls."""
        return self.inner.get_overload(signature)


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
        if not isinstance(event.data["dispatcher"], _Compiled):
            return
        if self.depth == 0:
            self.began = monotonic()
            if self.kept is not None:
                self.line.remark(_place(self.kept))
        self.depth += 1
        self._show()

    def on_end(self, event: Any) -> None:
        """Say how many functions are done; the line goes with the last one."""
        if not isinstance(event.data["dispatcher"], _Compiled):
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
