"""Results shown: as text, as HTML, and drawn once there is something to draw them with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

from mse._text import Section, as_html, as_text, persons

__all__ = ["Result", "drawing_of", "draws", "layout", "share", "span"]

#: The module that draws results: importing it registers its functions here.
_PLOTS = "mse.plots"
_DRAWINGS: dict[type, Callable[..., Any]] = {}

_Drawing = TypeVar("_Drawing", bound=Callable[..., Any])


def draws(kind: type) -> Callable[[_Drawing], _Drawing]:
    """Register a function ``(result, *, ax=None) -> Axes`` as the drawing of a kind of result.

    Examples
    --------
    >>> from mse._result import Result, draws
    >>> class Counted(Result):
    ...     pass
    >>> hasattr(Counted(), "plot")
    False
    >>> @draws(Counted)
    ... def plot_counted(result, *, ax=None):
    ...     return ax
    >>> Counted().plot(ax="axes")
    'axes'
    """

    def register(drawing: _Drawing) -> _Drawing:
        _DRAWINGS[kind] = drawing
        return drawing

    return register


def drawing_of(kind: type) -> Callable[..., Any] | None:
    """Find the drawing of a kind of result; None while there is none."""
    if kind not in _DRAWINGS and find_spec(_PLOTS) is not None:
        import_module(_PLOTS)
    return _DRAWINGS.get(kind)


class Result:
    """What all results of an analysis can do; a class gives its ``_sections``."""

    def _sections(self) -> list[Section]:
        raise NotImplementedError

    def summary(self) -> str:
        """Put the result in words, intervals before points."""
        return as_text(self._sections())

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return as_html(self._sections())

    @property
    def plot(self) -> Callable[..., Any]:
        """Draw the result: ``plot(ax=None)``.

        Raises
        ------
        AttributeError
            While no drawing of this kind of result is registered, so that ``hasattr`` tells.
        """
        drawing = drawing_of(type(self))
        if drawing is None:
            raise AttributeError(
                f"There is no drawing of {type(self).__name__} yet; its figures are in to_frame()."
            )
        return partial(drawing, self)


# Figures in tables of text -----------------------------------------------------------------------


def span(low: float, high: float) -> str:
    """Write an interval of numbers of persons."""
    if math.isnan(low):
        return "-"
    return f"{persons(low)} to {'no bound' if math.isinf(high) else persons(high)}"


def share(value: float, digits: int = 1) -> str:
    """Write a share as a percentage."""
    return "-" if math.isnan(value) else f"{100 * value:.{digits}f}%"


def layout(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay cells out in columns of fixed width.

    Examples
    --------
    >>> print(layout(["list", "total"], [["police", "1,204"], ["care", "-"]]))
    list    total
    police  1,204
    care    -
    """
    body = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[at]) for row in body) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in body
    )
