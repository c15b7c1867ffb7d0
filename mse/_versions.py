"""Versions of the packages that a number may depend on."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

#: Packages whose version may matter to a number.
PACKAGES = ("numpy", "scipy", "pandas", "numba", "pymc", "nutpie", "arviz", "statsmodels")


def release(name: str) -> str:
    """Find the version of an installed package; empty if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
