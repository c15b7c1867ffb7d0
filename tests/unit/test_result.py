"""What results of analyses share: text, HTML, and drawings once they are registered."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import mse._result as module
from mse._result import Result, draws, layout, share, span
from mse._text import Section

if TYPE_CHECKING:
    from types import ModuleType

NAN, INF = float("nan"), float("inf")


class Named(Result):
    def _sections(self) -> list[Section]:
        return [Section("What it says", paragraphs=("1 < 2",))]


@pytest.fixture(autouse=True)
def no_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DRAWINGS", {})
    monkeypatch.setattr(module, "find_spec", lambda _: None)


def test_text_and_html_say_the_same() -> None:
    assert Named().summary() == str(Named()) == "WHAT IT SAYS\n  1 < 2"
    assert "1 &lt; 2" in Named()._repr_html_()


def test_a_result_without_drawing_has_no_plot() -> None:
    assert not hasattr(Named(), "plot")
    with pytest.raises(AttributeError, match="no drawing of Named yet"):
        Named().plot()


def test_a_registered_drawing_is_the_plot() -> None:
    @draws(Named)
    def plot_named(result: Named, *, ax: object = None) -> tuple[Named, object]:
        return result, ax

    named = Named()
    assert named.plot(ax="here") == (named, "here")


def test_the_module_of_plots_is_loaded_when_a_plot_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(name: str) -> ModuleType:
        draws(Named)(lambda _: name)
        return sys

    monkeypatch.setattr(module, "find_spec", lambda _: object())
    monkeypatch.setattr(module, "import_module", load)
    assert Named().plot() == "mse.plots"


def test_figures_in_text() -> None:
    assert span(NAN, NAN) == "-"
    assert span(1204.4, INF) == "1,204 to no bound"
    assert share(0.1234) == "12.3%"
    assert share(NAN) == "-"
    assert layout(["a", "bb"], [["1", "2"]]) == "a  bb\n1  2"
    assert layout(["a"], []) == "a"
