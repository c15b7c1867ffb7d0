"""Shares of a known group that were published: what they leave of counts, and tables of one group together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import mse
from mse.cli import app
from mse.cli.check import EXPOSED
from mse.disclosure import Rules, attack, protect

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMS = ["json", "csv", "txt", "md", "html", "xlsx"]
TEN = Rules(threshold=10, base=1, name="ten by hand")
#: Persons, and who of them was reached, by sex and year; three of those of another sex were reached.
FEW = {
    ("f", "a"): (140, 60),
    ("m", "a"): (100, 55),
    ("f", "b"): (130, 45),
    ("m", "b"): (100, 60),
    ("o", "a"): (25, 2),
    ("o", "b"): (20, 1),
}
ENOUGH = {**FEW, ("o", "a"): (60, 22), ("o", "b"): (60, 21)}


def reached(cells: Mapping[tuple[str, str], tuple[int, int]], by: str, **options: Any) -> mse.Reach:
    rows = [(*cell, k < r) for cell, (n, r) in cells.items() for k in range(n)]
    group = pd.DataFrame(rows, columns=["sex", "year", "on"]).assign(start="2020-01-01")
    group["person"] = range(len(group))
    register = group.loc[group["on"], ["person"]].assign(date="2020-02-01")
    return mse.reach(group, register, "180D", by=[by], until="2021-01-01", **options)


def written(found: mse.Reach, rules: Rules | str, path: Path) -> Path:
    """Publish shares in a form, by its ending."""
    safe = protect(found, rules)
    match path.suffix:
        case ".json":
            path.write_text(json.dumps(safe.to_dict()), encoding="utf-8")
        case ".csv":
            safe.to_frame().to_csv(path, index=False)
        case ".txt":
            path.write_text(safe.summary(), encoding="utf-8")
        case ".md":
            mse.write_report(found, path, disclosure=rules, language="nl")
        case _:
            mse.write_report(found, path, disclosure=rules)
    return path


def exposed(found: pd.DataFrame) -> dict[str, tuple[float, float]]:
    told = found[found["exposed"].astype(bool)]
    return {row["cell"]: (row["low"], row["high"]) for row in told.to_dict("records")}


@pytest.mark.parametrize("form", FORMS)
def test_what_one_table_hides_another_one_of_the_group_tells(tmp_path: Path, form: str) -> None:
    paths = [written(reached(FEW, by), TEN, tmp_path / f"{by}.{form}") for by in ("sex", "year")]
    # By itself the table by sex leaves open how many of those of another sex were reached.
    for path in paths:
        assert not exposed(attack(path, TEN))
    told = exposed(attack(paths, TEN))
    assert told["sex o, part reached"] == (3, 3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rules", ["cbs", TEN])
def test_tables_with_nobody_who_is_few_tell_nothing(
    tmp_path: Path, form: str, rules: Rules | str
) -> None:
    paths = [
        written(reached(ENOUGH, by), rules, tmp_path / f"{by}.{form}") for by in ("sex", "year")
    ]
    found = attack(paths, rules)
    assert not exposed(found)
    # All parts are found from what is printed: the truth is among what is left of them.
    left = found.set_index("cell")
    assert (
        left.loc["sex f, part not reached", "low"]
        <= 165
        <= left.loc["sex f, part not reached", "high"]
    )
    assert left.loc["total", "low"] <= 590 <= left.loc["total", "high"]


def test_who_is_in_no_group_of_a_table_is_the_difference_from_another_one(tmp_path: Path) -> None:
    # Persons whose sex is not known have no row by sex; by year they are there.
    unknown = {("?" if sex == "o" else sex, year): n for (sex, year), n in FEW.items()}
    paths = [written(reached(unknown, by), TEN, tmp_path / f"{by}.json") for by in ("sex", "year")]
    assert not any(exposed(attack(path, TEN)) for path in paths)
    assert exposed(attack(paths, TEN)) == {"sex not known, part reached": (3, 3)}


def test_who_was_not_reached_is_found_in_what_was_not_protected(tmp_path: Path) -> None:
    cells = {("f", "a"): (140, 136), ("m", "a"): (100, 55)}
    found = reached(cells, "sex", missed=0.0)
    path = tmp_path / "raw.json"
    path.write_text(json.dumps(found.to_dict()), encoding="utf-8")
    told = exposed(attack(path, TEN))
    assert told["sex f, part not reached"] == (4, 4)
    assert "the curve of shares by time" in told


def test_missed_links_are_taken_into_account(tmp_path: Path) -> None:
    cells = {("f", "a"): (140, 60), ("m", "a"): (100, 55)}
    path = tmp_path / "missed.json"
    path.write_text(
        json.dumps(protect(reached(cells, "sex", missed=0.1), TEN).to_dict()), encoding="utf-8"
    )
    left = attack(path, TEN).set_index("cell")
    assert (left.loc["sex f, part not reached", ["low", "high"]] == 80).all()


def test_who_stops_between_two_stages_is_computed(tmp_path: Path) -> None:
    group = pd.DataFrame({"person": range(100), "start": "2020-01-01"})
    seen = [(k, "seen", "2020-02-01") for k in range(60)]
    helped = [(k, "helped", "2020-03-01") for k in range(56)]
    register = pd.DataFrame([*seen, *helped], columns=["person", "stage", "date"])
    found = mse.reach(group, register, "180D", stages=["seen", "helped"], until="2021-01-01")
    frame = found.to_frame()[["stage", "observed", "days", "share", "low", "high"]]
    path = tmp_path / "stages.csv"
    frame.to_csv(path, index=False)
    assert exposed(attack(path, TEN)) == {"stage seen, part no further": (4, 4)}


def test_tables_of_different_groups_are_not_added(tmp_path: Path) -> None:
    one = written(reached(ENOUGH, "sex"), TEN, tmp_path / "one.json")
    half = {cell: (n // 2, r // 2) for cell, (n, r) in ENOUGH.items()}
    other = written(reached(half, "year"), TEN, tmp_path / "other.json")
    left = attack([one, other], TEN)
    assert not exposed(left)
    assert "sex f, part not reached" in set(left["cell"])


def test_the_command_names_what_is_given_away(tmp_path: Path) -> None:
    paths = [written(reached(FEW, by), TEN, tmp_path / f"{by}.json") for by in ("sex", "year")]
    rules = tmp_path / "ten.toml"
    rules.write_text("threshold = 10\n", encoding="utf-8")
    found = CliRunner().invoke(app, ["check", *map(str, paths), "--disclosure", str(rules)])
    assert found.exit_code == EXPOSED
    assert "EXPOSED  sex o, part reached: 3" in found.stdout
    alone = CliRunner().invoke(app, ["check", str(paths[0]), "--disclosure", str(rules)])
    assert alone.exit_code == 0
