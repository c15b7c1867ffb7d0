"""Two groupings of one covariate: which levels are parts of which, by their names."""

from __future__ import annotations

import math

import pytest

from mse.disclosure.groupings import atoms_of, matched, span_of


@pytest.mark.parametrize(
    ("level", "span"),
    [
        ("0-17", (0, 18)),
        ("18 t/m 24", (18, 25)),
        ("18\u201324 years", (18, 25)),
        ("65+", (65, math.inf)),
        ("65 jaar en ouder", (65, math.inf)),
        ("vanaf 65", (65, math.inf)),
        (">= 65", (65, math.inf)),
        ("over 64", (65, math.inf)),
        ("jonger dan 18", (-math.inf, 18)),
        ("<= 17", (-math.inf, 18)),
        ("[18, 25)", (18, 25)),
        ("(17, 24]", (18, 25)),
        ("2014", (2014, 2015)),
        ("2014-2016", (2014, 2017)),
        ("2014-12", (2014.916667, 2015)),
        ("2014Q4", (2014.75, 2015)),
        ("24-18", None),
        ("women", None),
        ("", None),
        ("north & south", None),
    ],
)
def test_levels_that_are_ranges(level: str, span: tuple[float, float] | None) -> None:
    assert span_of(level) == span


def test_ranges_share_what_lies_between_their_bounds() -> None:
    one, other = atoms_of(["2014", "2015", "2016"], ["2014-2015", "2016-2017", "unknown"])
    assert one["2014"] | one["2015"] == other["2014-2015"]
    assert one["2016"] < other["2016-2017"]
    assert not other["unknown"] & (one["2016"] | other["2016-2017"])


def test_names_put_together_and_the_rest() -> None:
    one, other = atoms_of(["north", "south", "east"], ["north & south", "East"])
    assert one["north"] | one["south"] == other["north & south"]
    assert one["east"] == other["East"]
    one, other = atoms_of(["Dutch", "Other nationality"], ["Dutch", "Polish", "overig"])
    assert other["Polish"] < one["Other nationality"]
    assert other["overig"] < one["Other nationality"]
    # A name with "and" in it that the other table does not know is one name.
    one, other = atoms_of(["Bosnia and Herzegovina", "Chile"], ["Chile", "Peru"])
    assert not one["Bosnia and Herzegovina"] & (other["Peru"] | one["Chile"])


def test_covariates_of_other_names() -> None:
    one = {"sex": ["f", "m"], "age": ["0-17", "18+"], "paid": ["yes", "no"]}
    other = {
        "leeftijd": ["0-17", "18-24", "25+"],
        "geslacht": ["f", "m", "x"],
        "known": ["yes", "no"],
    }
    assert matched(one, other) == {"sex": "geslacht", "age": "leeftijd"}
    assert matched({"size": ["1", "2", "3"]}, {"age": ["0-17", "18+"]}) == {}
