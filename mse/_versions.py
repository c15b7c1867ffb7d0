"""Versions of the packages that a number may depend on."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

#: Packages whose version may matter to a number.
PACKAGES = ("numpy", "scipy", "pandas", "numba", "pymc", "nutpie", "arviz", "statsmodels")


@cache
def release(name: str) -> str:
    """Find the version of an installed package, once in a process; empty if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
