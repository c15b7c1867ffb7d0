"""Two publications of the same persons: what files tell together, and what the bundle refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import mse
from benchmarks.disclosure_attacks import world
from mse.disclosure import Bundle, Rules, attack, protect_together, rules
from mse.disclosure.between import told_between
from mse.disclosure.differing import differing
from mse.disclosure.kept import Kept
from mse.disclosure.printed import Counted
from mse.disclosure.waiting import noted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CBS, TEN = rules("cbs"), Rules(threshold=10)
REGIONS = {"north": "north & south", "south": "north & south", "east": "east & west"}


@pytest.fixture(scope="module")
def persons() -> pd.DataFrame:
    """Persons on lists; those in ``few`` are six."""
    random = np.random.default_rng(1)
    found = pd.DataFrame(
        {name: random.random(2600) < p for name, p in zip("abc", (0.4, 0.35, 0.3), strict=True)}
    )
    found = found[found.any(axis=1)].astype(int).reset_index(drop=True)
    found["age"] = random.choice([10, 15, 30, 45, 70], len(found))
    found["sex"] = random.choice(["f", "m"], len(found))
    found["region"] = random.choice(["north", "south", "east", "west"], len(found))
    found["nation"] = random.choice(["Dutch", "Syrian", "Turkish"], len(found), p=[0.6, 0.2, 0.2])
    found["few"] = False
    found.loc[np.linspace(0, len(found) - 1, 6).astype(int), "few"] = True
    return found


def table_of(
    frame: pd.DataFrame, covariates: Mapping[str, Any] | None = None, lists: str = "abc"
) -> mse.CaptureTable:
    named = pd.DataFrame({name: frame[name] for name in lists} | dict(covariates or {}))
    named = named[named[list(lists)].any(axis=1)]
    return mse.CaptureTable.from_frame(named, lists=list(lists), covariates=[*(covariates or {})])


def ages(frame: pd.DataFrame, bounds: list[int], names: list[str]) -> Any:
    age = frame["age"].where(~frame["few"], 18)
    return np.array(names)[np.searchsorted(bounds, age, side="right")]


def ways(kind: str, persons: pd.DataFrame) -> tuple[mse.CaptureTable, mse.CaptureTable]:
    """Two tables of the same persons, by which the six are told."""
    few = persons["few"]
    if kind == "ages":
        first = ages(persons, [18], ["0-17", "18+"])
        second = ages(persons, [20], ["0-19", "20+"])
        return table_of(persons, {"age": first}), table_of(persons, {"age": second})
    if kind == "ages in words":
        first = ages(persons, [18], ["jonger dan 18", "18 and older"])
        second = ages(persons, [20], ["0-19", "20+"])
        return table_of(persons, {"age": first}), table_of(persons, {"age": second})
    if kind == "regions":
        apart = persons["region"].where(~few, "east")
        merged = apart.map(REGIONS).fillna("east & west").where(~few, "north & south")
        return table_of(persons, {"region": apart}), table_of(persons, {"region": merged})
    if kind == "a level less":
        sex = persons["sex"].where(~few, "x")
        return table_of(persons.assign(sex=sex), {"sex": sex}), table_of(
            persons[~few], {"sex": persons["sex"][~few]}
        )
    if kind == "fewer persons, by nothing":
        return table_of(persons), table_of(persons[~few])
    if kind == "a list less":
        alone = persons.index[(persons["a"] == 0) & (persons["b"] == 0)][6:]
        some = persons.drop(alone)
        return table_of(some), table_of(some, lists="ab")
    if kind == "lists merged":
        nested = persons.assign(a=persons["a"].where(persons["b"] == 0, 1))
        on_b = nested.index[nested["b"] == 1][:6]
        nested.loc[on_b, "a"] = 0
        joint = nested.assign(d=nested[["a", "b"]].max(axis=1))
        return table_of(nested), table_of(joint, lists="dc")
    later = pd.concat([persons, persons[few]], ignore_index=True)
    return table_of(persons, {"sex": persons["sex"]}), table_of(later, {"region": later["region"]})


KINDS = (
    *(
        "ages",
        "ages in words",
        "regions",
        "a level less",
        "fewer persons, by nothing",
    ),
    *("a list less", "lists merged", "later, by others"),
)


def published(table: mse.CaptureTable, held: Rules = CBS) -> tuple[Any, Any]:
    terms = [f"{name}*{each}" for name in table.lists for each in table.covariates]
    fit = mse.LogLinear(" + ".join(terms) or "main").fit(table)
    return protect_together([table, fit.population], held)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bundle_refuses_a_second_publication_that_tells(
    kind: str, persons: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "inside.json"
    one, other = ways(kind, persons)
    # Where two regions were added that were rounded by themselves, rounding is all that it takes.
    held = TEN if kind == "regions" else CBS
    for first, second in ((one, other), (other, one)):
        Bundle.at(path).with_run({}, held, first, None, published(first, held))
        with pytest.raises(mse.ModelError, match=r"\(6\).*fewer than 10. Publish"):
            Bundle.at(path).with_run({}, held, second, None, published(second, held))
        # What was published already is no news.
        assert (
            len(Bundle.at(path).with_run({}, held, first, None, published(first, held)).runs) == 2
        )
        path.unlink()


@pytest.mark.parametrize("kind", ["ages", "ages in words", "a list less"])
@pytest.mark.parametrize("form", ["json", "csv", "txt", "html"])
def test_files_are_read_together(
    kind: str, form: str, persons: pd.DataFrame, tmp_path: Path
) -> None:
    paths = []
    for at, table in enumerate(ways(kind, persons)):
        shown = published(table)[1]
        if form == "json":
            text = json.dumps(shown.to_dict())
        elif form == "csv":
            rows = shown.to_frame() if shown.strata is None else shown.margin(*shown.strata.names)
            text = rows.to_csv()
        else:
            text = shown.summary() if form == "txt" else shown._repr_html_()
        paths.append(tmp_path / f"{at}.{form}")
        paths[-1].write_text(text, encoding="utf-8")
        assert not len(found := attack(paths[-1:], CBS)) or not found["exposed"].any()
    told = attack(paths, CBS).query("exposed")
    assert len(told)
    # What is left of it has the six.
    assert (told["what"] == "difference").all()
    assert ((told["low"] <= 6) & (told["high"] >= 6)).all()


def test_groupings_that_differ_by_many_and_other_covariates_pass(persons: pd.DataFrame) -> None:
    many = persons.assign(few=False)
    tables = [
        table_of(many, {"age": ages(many, [12], ["0-11", "12+"])}),
        table_of(many, {"age": ages(many, [20], ["0-19", "20+"])}),
        table_of(many, {"sex": many["sex"]}),
        table_of(many, {"region": many["region"], "sex": many["sex"]}),
        table_of(many),
    ]
    bundle = Bundle.at(None)
    for table in tables:
        bundle = bundle.with_run({}, CBS, table, None, published(table))
    assert len(bundle.runs) == 5


def test_what_one_hides_another_may_not_show_under_another_name(persons: pd.DataFrame) -> None:
    nation = persons["nation"].where(~persons["few"], "Polish")
    one = nation.map({"Dutch": "A", "Polish": "A"}).fillna("B")
    other = nation.where(nation.isin(["Dutch", "Polish"]), "other")
    tables = [table_of(persons, {"nation": each}) for each in (one, other)]
    bundle = Bundle.at(None).with_run({}, CBS, tables[0], None, published(tables[0]))
    with pytest.raises(mse.ModelError, match=r"nation Polish \(6\)"):
        bundle.with_run({}, CBS, tables[1], None, published(tables[1]))


def test_rules_that_suppress_nothing_and_runs_without_what_they_showed(
    persons: pd.DataFrame,
) -> None:
    one, other = ways("ages", persons)
    nothing = rules("none")
    assert (
        len(
            Bundle.at(None).with_run({}, nothing, one, None).with_run({}, nothing, other, None).runs
        )
        == 2
    )
    # Runs of earlier versions do not say what they showed: all margins that may be shown are taken to be.
    bundle = Bundle.at(None).with_run({}, CBS, one, None)
    assert "shown" not in bundle.runs[0]
    with pytest.raises(mse.ModelError, match="age 0-19 of one publication and not in age 0-17"):
        bundle.with_run({}, CBS, other, None, published(other))


def test_unrelated_tables_do_not_tell_of_each_other() -> None:
    related = 0
    for seed in range(60):
        tables = [
            world(np.random.default_rng(2 * seed + at + 1000), periods=seed % 3 == 2)
            for at in (0, 1)
        ]
        runs = [noted(each) for each in tables]
        assert not [*told_between(runs[:1], runs[1], CBS)]
        # The same table with five persons more tells, so that the test can fail.
        more = tables[0].counts.copy()
        more[(1,) * tables[0].n_lists + (0,) * len(tables[0].covariates)] += 5
        related += bool([*told_between(runs[:1], noted(tables[0].with_counts(more)), CBS)])
    assert related == 60


def test_a_stranger_does_not_take_other_lists_or_far_larger_tables_for_the_same() -> None:
    def told(first: list[Counted], second: list[Counted]) -> list[str]:
        return [
            each.cell
            for each in differing([*first, *second], CBS)
            if each.low >= 1 and each.high < 10
        ]

    def file(number: int, lists: str, **counts: float) -> list[Counted]:
        return [Counted(number, tuple(lists), (("sex", key),), n) for key, n in counts.items()]

    one = file(0, "ab", f=200, m=150)
    assert told(one, file(1, "ab", f=205, m=150)) == ["added between two publications: sex f"]
    assert told(one, file(1, "ab", f=205, m=400)) == []
    assert told(one, file(1, "cd", f=205, m=150)) == []
    assert told(one, file(1, "abc", f=205, m=170)) == ["on c only: sex f"]


def test_counts_of_lists_a_year_later_are_compared_as_well() -> None:
    counts = {"110": 40, "101": 50, "011": 30, "111": 20, "001": 60, "100": 60, "010": 70}
    one = mse.CaptureTable.from_counts(counts, lists=list("abc"))
    other = mse.CaptureTable.from_counts({**counts, "100": 90, "111": 24}, lists=list("abc"))
    told = {each.label: each.persons for each in told_between([noted(one)], noted(other), CBS)}
    assert told == {f"added between two publications: {name} 1": 4 for name in "bc"}


def test_what_is_kept_is_as_it_was_shown(persons: pd.DataFrame) -> None:
    nation = persons["nation"].where(~persons["few"], "Polish")
    table = table_of(persons, {"nation": nation})
    run = Bundle.at(None).with_run({}, CBS, table, None, published(table)).runs[0]
    figures = {each.at: (each.low, each.high) for each in Kept.of(run, CBS).shown}
    total = (table.n_observed + 2) // 5 * 5
    assert figures[()] == (total - 2, total + 2)
    assert figures[(("nation", "Polish"),)] == (0, np.inf)
    assert json.loads(json.dumps(run))["shown"] == run["shown"]
