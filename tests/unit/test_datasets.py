"""The published tables that come with the library."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import mse
from mse.errors import InvalidTableError

# Persons on at least one list, as published.
OBSERVED = {
    "artificial_3": 96,
    "australia": 414,
    "congenital": 537,
    "diabetes": 2069,
    "hepatitis_a": 271,
    "hiv_rome": 1896,
    "korea": 123,
    "kosovo": 4400,
    "netherlands": 8234,
    "netherlands_5": 8234,
    "new_orleans": 185,
    "new_orleans_5": 185,
    "scotland_pwid": 5670,
    "snowshoe_hare": 68,
    "spina_bifida": 621,
    "uk": 2744,
    "uk_5": 2744,
    "western_us": 345,
}


def stored(name: str) -> dict[str, Any]:
    text = resources.files("mse.data.datasets").joinpath(f"{name}.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@pytest.mark.parametrize("name", OBSERVED)
class TestEach:
    def test_has_the_published_number_of_persons(self, name: str) -> None:
        table = mse.load_dataset(name)
        assert table.n_observed == OBSERVED[name] == stored(name)["observed"]
        assert table.is_complete

    def test_holds_every_stored_count(self, name: str) -> None:
        table, data = mse.load_dataset(name), stored(name)
        stored_cells = {
            (
                *map(int, history),
                *(levels.index(part["levels"][key]) for key, levels in data["covariates"].items()),
            ): n
            for part in data["strata"]
            for history, n in part["counts"].items()
        }
        held = zip(map(tuple, table.patterns.tolist()), table.low.tolist(), strict=True)
        assert dict(held) == stored_cells

    def test_says_where_it_comes_from(self, name: str) -> None:
        info = mse.load_dataset(name).info
        assert info.name == name
        assert info.population
        assert info.source
        assert info.notes
        assert set(info.list_descriptions) <= set(mse.load_dataset(name).lists)

    def test_is_described(self, name: str) -> None:
        assert f"Capture table: {name}" in mse.load_dataset(name).describe()


@pytest.mark.parametrize(
    ("whole", "merged", "groups"),
    [
        (
            "netherlands",
            "netherlands_5",
            {"inspectorate_residential": ["inspectorate", "residential_care"]},
        ),
        ("uk", "uk_5", {"PFNCA": ["PF", "NCA"]}),
        ("new_orleans", "new_orleans_5", {"BEFG": ["B", "E", "F", "G"]}),
    ],
)
def test_merged_tables_are_the_merged_tables(
    whole: str, merged: str, groups: dict[str, list[str]]
) -> None:
    assert mse.load_dataset(whole).merge_lists(groups) == mse.load_dataset(merged)


def test_list_totals_of_the_netherlands() -> None:
    overlaps = mse.load_dataset("netherlands").overlaps()
    assert [overlaps.loc[name, name] for name in overlaps.index] == [398, 1348, 536, 4812, 742, 848]
    assert overlaps.loc["border_police", "police"] == 44
    assert overlaps.loc["inspectorate", "border_police"] == 0
    assert overlaps.loc["border_police", "regional_coordinators"] == 0


def test_list_totals_of_scotland() -> None:
    overlaps = mse.load_dataset("scotland_pwid").overlaps()
    assert [overlaps.loc[name, name] for name in overlaps.index] == [901, 953, 3504, 827]


def test_covariates_keep_the_published_order() -> None:
    assert mse.load_dataset("spina_bifida").covariates["ethnicity"] == (
        "caucasian",
        "afro-american",
        "other",
    )
    assert dict(mse.load_dataset("scotland_pwid").covariates) == {
        "region": ("GGC", "Rest"),
        "sex": ("Male", "Female"),
        "age": ("Young", "Old"),
    }


@pytest.mark.parametrize(
    ("name", "trap"),
    [
        ("netherlands", "no overlap"),
        ("netherlands_5", "early printing has 3 and 75"),
        ("new_orleans", "186"),
        ("new_orleans_5", "186"),
        ("congenital", "order the five lists differently"),
        ("scotland_pwid", "upper bound"),
    ],
)
def test_traps_are_told(name: str, trap: str) -> None:
    assert trap in mse.load_dataset(name).info.notes


def test_listing() -> None:
    tables = mse.list_datasets().set_index("name")
    assert tables["observed"].to_dict() == OBSERVED | {"irregular_migrants": 1880}
    assert tables.loc["scotland_pwid", "covariates"] == "region, sex, age"
    assert tables.loc["netherlands", "lists"] == 6
    assert tables.loc["netherlands", "covariates"] == ""
    assert {"source", "population"} <= set(tables.columns)


def test_unknown_name() -> None:
    with pytest.raises(InvalidTableError, match="Did you mean 'netherlands'") as caught:
        mse.load_dataset("nederlands")
    assert "new_orleans" in str(caught.value)
    with pytest.raises(InvalidTableError, match="no dataset 7"):
        mse.load_dataset(7)  # type: ignore[arg-type]


def test_tables_of_one_name_are_shared() -> None:
    assert mse.load_dataset("uk") is mse.load_dataset("uk")


def test_loading_compiles_nothing() -> None:
    code = "import sys, mse; mse.load_dataset('uk'); print('numba' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
