"""Enumerated graphs on disk: read where an earlier run left them, written for the next one.

The file is a convenience. Whatever is wrong with it (it is not there, it is damaged, another
process is writing it, the directory cannot be written to), the graphs are enumerated instead.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from mse._typing import IntArray

__all__ = ["cache_directory", "read_graphs", "write_graphs"]

#: Goes up with every change of what the arrays mean.
_FORMAT = 1


def cache_directory() -> Path:
    """Return the directory for files that can be made again, by the custom of the platform."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mse"


def _file(n_lists: int) -> Path:
    return cache_directory() / f"decomposable-{n_lists}-v{_FORMAT}.npz"


def _checksum(edges: IntArray, terms: npt.NDArray[np.int32]) -> int:
    return zlib.crc32(terms.tobytes(), zlib.crc32(edges.tobytes()))


def read_graphs(n_lists: int) -> tuple[IntArray, npt.NDArray[np.int32]] | None:
    """Read the graphs of K lists, or None if there is no sound file of them."""
    try:
        # Opened here: np.load leaves a file that is no archive open.
        with _file(n_lists).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            edges = stored["edges"].astype(np.int64)
            terms = stored["terms"].astype(np.int32)
            expected = int(stored["checksum"])
    # A damaged archive fails in whichever layer meets the damage first: zip, deflate, or header.
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, zlib.error, BadZipFile):
        return None
    return (edges, terms) if _checksum(edges, terms) == expected else None


def write_graphs(n_lists: int, edges: IntArray, terms: npt.NDArray[np.int32]) -> bool:
    """Write the graphs of K lists, and tell whether that was possible.

    The file appears whole or not at all: it is written under another name and then renamed, so
    processes that do this at the same time replace each other's equal files.
    """
    try:
        file = _file(n_lists)
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.stem, suffix=".part")
    # Path.home() raises RuntimeError for a user without a home.
    except (OSError, RuntimeError):
        return False
    try:
        with os.fdopen(handle, "wb") as out:
            np.savez_compressed(out, edges=edges, terms=terms, checksum=_checksum(edges, terms))
        Path(name).replace(file)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        return False
    return True
