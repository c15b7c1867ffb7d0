"""Drawings found by class, registered from above and loaded when somebody asks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import mse._drawing as module
from mse._drawing import Drawn, draws

if TYPE_CHECKING:
    from types import ModuleType


class Thing(Drawn):
    pass


class Special(Thing):
    pass


@pytest.fixture(autouse=True)
def no_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DRAWINGS", {})


def test_a_thing_without_drawing_has_no_plot() -> None:
    assert not hasattr(Thing(), "plot")
    with pytest.raises(AttributeError, match="no drawing of Thing; its figures are in to_frame"):
        Thing().plot()


def test_a_registered_drawing_is_the_plot_with_its_own_documentation() -> None:
    @draws(Thing)
    def plot_thing(thing: Thing, *, ax: object = None) -> tuple[Thing, object]:
        """Draw a thing."""
        return thing, ax

    thing = Thing()
    assert thing.plot(ax="here") == (thing, "here")
    assert thing.plot.__doc__ == "Draw a thing."


def test_derived_classes_are_drawn_like_the_nearest_class_they_derive_from() -> None:
    draws(Thing)(lambda _: "thing")
    assert Special().plot() == "thing"
    draws(Special)(lambda _: "special")
    assert Special().plot() == "special"
    assert Thing().plot() == "thing"


def test_the_module_of_plots_is_loaded_when_a_plot_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(name: str) -> ModuleType:
        draws(Thing)(lambda _: name)
        return sys

    monkeypatch.setattr(module, "import_module", load)
    assert Thing().plot() == "mse.plots"
