"""The attack on estimates: it recovers what earlier versions published (cases E1 to E8), and not what is safe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import mse
from mse.cli import app
from mse.disclosure import Rules, attack, rules
from mse.disclosure.inversion import halves, inverted
from mse.disclosure.printed import Printed, Seen, number_of

if TYPE_CHECKING:
    import pandas as pd

#: Files of results of synthetic tables, as versions before the gate wrote them under the rules named.
PUBLISHED = Path(__file__).parent / "published"
CBS = rules("cbs")


def left(thing: object, held: Rules = CBS) -> pd.DataFrame:
    return attack(thing, held)  # type: ignore[arg-type]


def one(found: pd.DataFrame) -> tuple[float, float, bool]:
    assert len(found) == 1
    row = found.iloc[0]
    return float(row["low"]), float(row["high"]), bool(row["exposed"])


# {"100": 900, "010": 760, "110": 310, "001": 640, "101": 3, "011": 1}: four on c and on another list.
@pytest.mark.parametrize("name", ["e1.json", "e1.html", "e1.txt", "e1.nl.md"])
def test_e1_the_overlap_is_in_the_estimate_whatever_the_format(name: str) -> None:
    found = left(PUBLISHED / name)
    assert one(found[found["what"] == "closed form"]) == (4, 4, True)


# Published with another version's generator: no shifted one draws it again.
@pytest.mark.fixed_seed
def test_e2_a_printed_seed_tells_every_history() -> None:
    found = left(PUBLISHED / "e2.json", Rules(threshold=10))
    seeds = found[found["what"] == "seed"]
    assert seeds["low"].tolist() == seeds["high"].tolist() == [13, 11, 2, 14, 3, 12, 4]


def test_e2_seeds_that_people_use_are_tried() -> None:
    data = json.loads((PUBLISHED / "e2.json").read_text())
    table = mse.CaptureTable.from_counts(
        {"100": 9, "010": 8, "110": 5, "001": 7, "101": 1, "011": 1}, lists=["a", "b", "c"]
    )
    p = mse.bootstrap(mse.LogLinear("[12,3]"), table, 20, seed=42)
    data |= p.to_dict() | {"counts": {"a": 15, "b": 14, "c": 9, "a & b": 5}}
    data["observed"], data["total"] = p.observed, round(p.total)
    data["disclosure"] = {"base": 1}
    data["provenance"]["bootstrap"].pop("seed")
    found = left(data, Rules(threshold=10))
    seeds = found[found["what"] == "seed"].set_index("cell")
    assert list(seeds["low"]) == list(seeds["high"]) == [7, 8, 1, 9, 1, 5, 0]


@pytest.mark.parametrize("overlap", [1, 2, 3, 4, 5])
def test_e3_flags_and_shape_tell_the_overlap(overlap: int) -> None:
    low, high, exposed = one(left(PUBLISHED / f"e3_{overlap}.json"))
    assert exposed
    assert low <= overlap <= high <= low + 1


def test_e4_two_lists_tell_who_is_on_one_only() -> None:
    found = left(PUBLISHED / "e4.json").set_index("cell")
    alone = found.loc["estimate: on a only"]
    assert alone["exposed"]
    assert alone["low"] <= 3 <= alone["high"] <= 4


def test_e5_periods_of_a_monitor() -> None:
    found = left(PUBLISHED / "e5.json")
    assert found["exposed"].all()
    assert [
        low <= m <= high
        for m, low, high in zip((1, 2, 3), found["low"], found["high"], strict=True)
    ] == [True] * 3


# What raw reasons, and words whose numbers were kept since they were levels of a covariate, once said.
@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("- sample coverage: The formula puts the total at 54.4, below the 64 observed.\n", 64, 64),
        ("- De formule zet het totaal op 54,4, onder de 64 die zijn waargenomen.\n", 64, 64),
        ("In 21 of x replicates the hidden count has no upper bound.\n", 4, 4),
    ],
)
def test_e6_and_e8_sentences_are_read(text: str, low: int, high: int) -> None:
    found = left(text)
    assert found["exposed"].all()
    assert found["low"].tolist() == [low]
    assert found["high"].tolist() == [high]


def test_e7_measures_of_fit_are_found() -> None:
    found = left(PUBLISHED / "e7.md")
    measures = found[found["what"] == "measure"]
    assert len(measures) == 2
    assert measures["exposed"].all()


def test_two_publications_are_subtracted() -> None:
    table = mse.CaptureTable.from_counts(
        {"110": 40, "101": 50, "011": 30, "111": 20, "001": 3, "100": 60, "010": 70},
        lists=["a", "b", "c"],
    )
    whole = mse.LogLinear("main").fit(table).population
    part = mse.LogLinear("main").fit(table.keep_lists(["a", "b"])).population
    exact = Rules(threshold=10)
    found = left([whole.to_dict(), part.to_dict()], exact)
    gap = found[found["what"] == "difference"]
    assert gap[["cell", "low", "high", "exposed"]].to_numpy().tolist() == [
        ["on c only", 3, 3, True]
    ]


# Negative controls: large overlaps are found to be large, and nothing is found where nothing is.
@pytest.mark.parametrize("interval", ["profile", "lognormal"])
def test_large_overlaps_are_not_exposed(interval: str) -> None:
    counts = {"100": 300, "010": 260, "110": 110, "001": 140, "101": 25, "011": 20}
    table = mse.CaptureTable.from_counts(counts, lists=["a", "b", "c"])
    p = mse.LogLinear("[12,3]", interval=interval).fit(table).population  # type: ignore[arg-type]
    found = left(p.to_dict(), Rules(threshold=10))
    overlap = found[found["what"] == "closed form"]
    assert not overlap["exposed"].any()
    assert overlap["low"].iloc[0] <= 45 <= overlap["high"].iloc[0]


def test_words_without_figures_tell_nothing() -> None:
    assert left("Nobody knows how many.\nAt least some were registered.\n").empty


def test_a_larger_table_than_the_seed_can_tell_is_left_alone() -> None:
    data = json.loads((PUBLISHED / "e2.json").read_text())
    assert (
        "seed" not in left({**data, "counts": {"a": None}}, Rules(threshold=10))["what"].to_numpy()
    )


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("[1234,5]", (("a", "b", "c", "d"), ("e",))),
        ("[12,3,45]", None),
        ("[123,345]", None),
        ("a*b*c + d*e + a*x", (("a", "b", "c"), ("d", "e"))),
    ],
)
def test_models_that_have_the_form_of_two_lists(model: str, expected: object) -> None:
    assert halves(("a", "b", "c", "d", "e"), model) == expected


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(mse.ModelError, match="cannot be read"):
        left(PUBLISHED / "no_such_file.json")
    with pytest.raises(mse.ModelError, match="nothing that was published"):
        left(5)
    with pytest.raises(mse.ModelError, match="tells no rules"):
        attack(PUBLISHED / "e1.json")


def test_the_command_prints_what_is_left() -> None:
    run = CliRunner().invoke(app, ["check", str(PUBLISHED / "e1.json")])
    assert run.exit_code == 4
    assert run.stdout.startswith("EXPOSED  estimate: on a or b and on c: 4 (")
    assert "1 of 1 exposed" in run.stdout
    safe = CliRunner().invoke(app, ["check", str(PUBLISHED / "e1.json"), "--disclosure", "none"])
    assert safe.exit_code == 0


def test_printed_sums_and_a_closed_form_together_tell_a_history() -> None:
    # Pairs (a, c) and (b, c) are marked; the closed form says that 12 are on c and another list.
    counts = {"a": 400, "b": 300, "c": 200, "a & b": 100, "a & c": None, "b & c": 10}
    table = mse.CaptureTable.from_counts(
        {"100": 298, "010": 192, "110": 98, "001": 188, "101": 2, "011": 8, "111": 2},
        lists=["a", "b", "c"],
    )
    data = mse.LogLinear("[12,3]").fit(table).population.to_dict()
    found = left({**data, "counts": counts}, Rules(threshold=10)).set_index("cell")
    history = found.loc["estimate: history 101"]
    assert (history["low"], history["high"], history["exposed"]) == (2, 2, True)


def test_reports_are_attacked_as_one_system() -> None:
    found = left(PUBLISHED / "e1.nl.md")
    pairs = found[found["what"] == "together"]
    assert len(pairs) > 3
    assert pairs["exposed"].any()


def test_totals_of_lists_are_no_sizes_of_a_stratum() -> None:
    """85 persons of all years on c say nothing of how many of the 90 of one year are on it."""
    model, lists = "a*b + b*year + c*year", ("a", "b", "c")
    year = Seen("2014", lists, model, "", "", 90, 165, {}, step=5)
    whole = Seen("everybody", lists, model, "", "", 310, 540, {}, step=10)
    counts = {("c",): 85.0}
    ends = {
        each.cell.partition(":")[0]: (each.low, each.high)
        for each in inverted(Printed((year, whole), counts), CBS)
        if each.what == "closed form"
    }
    low, high = ends["2014"]
    assert low == 1
    assert high > CBS.threshold
    alone = [each for each in inverted(Printed((year,), counts), CBS) if each.what == "closed form"]
    assert [(each.low, each.high) for each in alone] == [(2, 9)]


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.779", 0.779), ("0,779", 0.779), ("1,779", 1779.0), ("1.779", 1779.0), ("12.5", 12.5)],
)
def test_shares_are_not_read_as_thousands(text: str, number: float) -> None:
    assert number_of(text) == number
