"""Bars where somebody watches, and nowhere else."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from mse._notice import ChangingLine, in_notebook
from mse._progress import track


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for a Jupyter kernel; the list holds what was displayed."""
    shown: list[str] = []
    handle = SimpleNamespace(update=shown.append)
    display = ModuleType("IPython.display")
    display.HTML = str  # type: ignore[attr-defined]
    display.display = lambda text, **_: (shown.append(text), handle)[1]  # type: ignore[attr-defined]
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


def test_items_pass_through_unseen() -> None:
    assert not in_notebook()
    assert list(track(iter("abc"), 3, "letters")) == ["a", "b", "c"]


def test_a_bar_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2], 2, "refits", progress=True)) == [1, 2]
    assert capsys.readouterr().out == ""


def test_a_bar_in_a_notebook_goes_when_the_work_is_done(notebook: list[str]) -> None:
    assert in_notebook()
    assert list(track([1, 2, 3], 3, "refits <b>")) == [1, 2, 3]
    assert notebook[0].startswith("refits &lt;b&gt; <progress max='3' value='0'>")
    assert notebook[-1] == ""


def test_a_bar_in_a_notebook_goes_when_the_work_fails(notebook: list[str]) -> None:
    def broken():
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(track(broken(), 2, "refits"))
    assert notebook[-1] == ""


def test_no_bar_in_a_notebook_that_asks_for_none(notebook: list[str]) -> None:
    assert list(track([1], 1, "refits", progress=False)) == [1]
    assert notebook == []


def test_a_line_that_changes_in_a_notebook(notebook: list[str]) -> None:
    line = ChangingLine()
    line.show("Compiling <core>", "1 of 2")
    line.show("Compiling <core>", "2 of 2")
    line.clear()
    assert notebook == [
        "Compiling &lt;core&gt;: 1 of 2",
        "Compiling &lt;core&gt;: 2 of 2",
        "",
    ]


def test_a_line_that_changes_is_plain_where_nobody_watches(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ChangingLine()
    line.show("Compiling", "1 of 2")
    line.show("Compiling", "2 of 2")
    line.clear()
    assert capsys.readouterr().err == "Compiling.\n"
