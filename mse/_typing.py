"""Type aliases used throughout the library."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

#: One level of a categorical covariate: a year, a sex, an age group.
Level: TypeAlias = Hashable

#: Whether the data determine the hidden count inside the model. Estimates are `suppressed` only by
#: `mse.disclosure`, which says nothing about the data.
Status: TypeAlias = Literal["ok", "boundary", "not_estimable", "not_converged", "suppressed"]
#: Where the hidden count goes as the likelihood approaches its supremum.
Limit: TypeAlias = Literal["finite", "infinite", "zero", "indeterminate"]

Seed: TypeAlias = int | np.random.Generator | None
