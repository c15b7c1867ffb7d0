"""Drawings of objects: registered from above, found by class, loaded when first asked for."""

from __future__ import annotations

from importlib import import_module
from types import MethodType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Drawn", "drawing_of", "draws"]

#: The module that draws: importing it registers its functions here.
_PLOTS = "mse.plots"
_DRAWINGS: dict[type, Callable[..., Any]] = {}

_Drawing = TypeVar("_Drawing", bound="Callable[..., Any]")


def draws(*kinds: type) -> Callable[[_Drawing], _Drawing]:
    """Register a function ``(thing, *, ax=None) -> Axes`` as the drawing of kinds of things.

    *kinds: type, classes; those derived from them are drawn the same way unless they have their own
        drawing

    Examples
    --------
    >>> from mse._drawing import Drawn, draws
    >>> class Counted(Drawn):
    ...     pass
    >>> hasattr(Counted(), "plot")
    False
    >>> @draws(Counted)
    ... def plot_counted(counted, *, ax=None):
    ...     return ax
    >>> Counted().plot(ax="axes")
    'axes'
    """

    def register(drawing: _Drawing) -> _Drawing:
        for kind in kinds:
            _DRAWINGS[kind] = drawing
        return drawing

    return register


def drawing_of(kind: type) -> Callable[..., Any] | None:
    """Find the drawing of a class or of the nearest one it derives from; None where there is none."""
    import_module(_PLOTS)
    return next((_DRAWINGS[each] for each in kind.__mro__ if each in _DRAWINGS), None)


class Drawn:
    """Gives a class ``plot``: its drawing, from a layer that the class knows nothing of."""

    __slots__ = ()

    @property
    def plot(self) -> Callable[..., Any]:
        """Draw it with matplotlib: ``plot(ax=None)`` gives the Axes; see `mse.plots`.

        Raises
        ------
        AttributeError
            Where there is no drawing of this kind of thing, so that ``hasattr`` tells.
        """
        drawing = drawing_of(type(self))
        if drawing is None:
            raise AttributeError(
                f"There is no drawing of {type(self).__name__}; its figures are in to_frame()."
            )
        return MethodType(drawing, self)
