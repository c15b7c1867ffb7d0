"""What results of analyses share: text and HTML."""

from __future__ import annotations

from mse.answer.shown import Result, Section, layout, share, span

NAN, INF = float("nan"), float("inf")


class Named(Result):
    def _sections(self) -> list[Section]:
        return [Section("What it says", paragraphs=("1 < 2",))]


def test_text_and_html_say_the_same() -> None:
    assert Named().summary() == str(Named()) == "WHAT IT SAYS\n  1 < 2"
    assert "1 &lt; 2" in Named()._repr_html_()


def test_figures_in_text() -> None:
    assert span(NAN, NAN) == "-"
    assert span(1204.4, INF) == "1,204 to no bound"
    assert share(0.1234) == "12.3%"
    assert share(NAN) == "-"
    assert layout(["a", "bb"], [["1", "2"]]) == "a  bb\n1  2"
    assert layout(["a"], []) == "a"
