"""Settings checked: whole numbers, positive numbers, and seeds."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np

from mse.errors import ModelError


def is_whole(value: object) -> bool:
    """Tell whether a setting is a whole number; true and false are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_whole(name: str, value: object, least: int, instead: str = "") -> None:
    """Raise ``ModelError`` for what is not a whole number of so many or more.

    instead: what else is expected, to be said

    Examples
    --------
    >>> check_whole("draws", 2.5, 100)
    Traceback (most recent call last):
    mse.errors.ModelError: draws=2.5: expected a whole number, 100 or more.
    """
    if not is_whole(value) or value < least:  # type: ignore[operator]
        raise ModelError(f"{name}={value!r}: expected a whole number, {least} or more{instead}.")


def check_positive(name: str, value: object, most: float = math.inf) -> None:
    """Raise ``ModelError`` for what is not a number above 0 and below another."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not real or not 0 < value < most:  # type: ignore[operator]
        what = "a positive number" if most == math.inf else f"a number between 0 and {most:g}"
        raise ModelError(f"{name}={value!r}: expected {what}.")


def check_seed(seed: object) -> None:
    """Raise ``ModelError`` for what no random numbers can start from."""
    if seed is not None and not isinstance(seed, np.random.Generator):
        check_whole("seed", seed, 0, ", a generator, or none")
