"""Tables of other kinds than lists: what they say where overlapping lists are expected."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from mse.errors import ModelError


class WrongTableError(ModelError, AttributeError):
    """A table was used as one of overlapping lists, and is none."""


class NoLists:
    """A table that is no `CaptureTable`: whoever takes it for one is told so, wherever that is noticed."""

    #: Who takes such a table.
    _meant_for: ClassVar[str]

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse what only a `CaptureTable` has; called for what is not there otherwise."""
        from mse.data.table import CaptureTable

        kind: Any = type(self)
        if name.startswith("_") or name not in {*dir(CaptureTable), *CaptureTable.__annotations__}:
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
        raise self.refused()

    def refused(self) -> WrongTableError:
        """Say that a `CaptureTable` is expected."""
        return WrongTableError(
            f"The table is a {type(self).__name__}, and a CaptureTable of overlapping lists is expected here. "
            f"{self._meant_for}"
        )
