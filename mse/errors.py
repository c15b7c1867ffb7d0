"""Errors and warnings of the library, under one root each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BoundaryWarning",
    "ConvergenceWarning",
    "InconsistentRecordsWarning",
    "InvalidTableError",
    "MSEError",
    "MSEWarning",
    "MissingDependencyError",
    "ModelError",
    "SparseTableWarning",
]


class MSEError(Exception):
    """Root of every error that the library raises on purpose."""


class InvalidTableError(MSEError, ValueError):
    """Data that cannot be a capture table, with every problem found in them.

    Parameters
    ----------
    problems : str or iterable of str
        One sentence for each problem: what was found, what was expected, how to mend it.

    Attributes
    ----------
    problems : tuple of str
        The same sentences.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        if len(self.problems) == 1:
            message = self.problems[0]
        else:
            lines = "\n".join(f"  - {problem}" for problem in self.problems)
            message = f"{len(self.problems)} problems in the data:\n{lines}"
        super().__init__(message)

    def __reduce__(self) -> tuple[type[InvalidTableError], tuple[tuple[str, ...]]]:
        # Exceptions travel between worker processes; the default would pass the joined message.
        return (type(self), (self.problems,))


class ModelError(MSEError, ValueError):
    """A model, option or combination of them that cannot be asked for."""


class MissingDependencyError(MSEError, ImportError):
    """An optional package is needed; the message names it and how to install it."""


class MSEWarning(UserWarning):
    """Root of every warning that the library issues on purpose."""


class SparseTableWarning(MSEWarning):
    """The table has too few overlaps for the question asked of it."""


class ConvergenceWarning(MSEWarning):
    """A computation ended before it reached its answer."""


class BoundaryWarning(MSEWarning):
    """Some interactions of a fitted model are at minus infinity or aliased."""


class InconsistentRecordsWarning(MSEWarning):
    """Records of one unit disagree, and the disagreement was turned into "unknown"."""
