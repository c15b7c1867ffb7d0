"""Rules of disclosure in reports: what is suppressed is nowhere in the file."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import mse
from mse.disclosure import Rules, rules
from mse.reporting.building import build_report
from mse.reporting.writing import as_form
from mse.words.content import Figure
from tests.unit.reporting.conftest import DAY
from tests.unit.reporting.test_building import part, quick, tables, text_of

CBS = rules("cbs")


@pytest.fixture(scope="module")
def sparse() -> list[Any]:
    """Results whose table has histories of 1 to 9 persons."""
    table = mse.load_dataset("netherlands_5").with_info(notes="", name="")
    fit = mse.LogLinear("[12,14,23,24,34,35,45]").fit(table)
    return [
        # Whether a model with interactions leaves hangs on its draws; this one leans on many persons.
        mse.bootstrap(mse.LogLinear("main"), table, 30, seed=1),
        fit,
        mse.bootstrap(fit.estimator, table, 30, seed=1),
        mse.diagnostics.check(table, fit, seed=1),
        mse.diagnostics.overlaps(table),
        mse.diagnostics.residuals(fit),
        mse.sensitivity.highest_order(fit),
        mse.sensitivity.leave_one_out(mse.LogLinear("main"), table),
    ]


def numbers(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w,])", text))


def test_no_small_count_and_no_exact_one_is_shown(sparse: list[Any]) -> None:
    report = quick(sparse, disclosure="cbs")
    table = sparse[1].table
    assert "x: not shown, to protect persons." in text_of(report)
    for section in ("answer", "lists", "overlaps", "estimate", "comparison", "diagnostics"):
        for row in (row for each in tables(part(report, section)) for row in each.rows):
            for cell in row:
                ends = cell.value if isinstance(cell.value, tuple) else (cell.value,)
                shown = [end for end in ends if isinstance(end, int | float) and end >= 2]
                assert all(float(end) % 5 == 0 for end in shown), (section, row)
    overlaps = table.overlaps().to_numpy()
    small = (overlaps > 0) & (overlaps < CBS.threshold)
    matrix = tables(part(report, "overlaps"))[0]
    assert small.any()
    for i, row in enumerate(matrix.rows):
        for j, cell in enumerate(row[1:]):
            assert cell.value is None or not small[i, j]


def test_the_same_in_every_form(sparse: list[Any]) -> None:
    report = build_report(sparse, disclosure="cbs", date=DAY)
    exact = {"8,234", "1,348", "4,812", "742", "848"}
    for form in ("html", "md", "json"):
        text = as_form(report, form)  # type: ignore[arg-type]
        text = re.sub(r"data:image/svg\+xml;base64,[\w+/=]+", "", text)
        if form == "json":
            text = json.dumps([each for each in json.loads(text)["sections"] if each["id"] != "x"])
            text = re.sub(r'"svg": "(?:[^"\\]|\\.)*"', "", text)
        assert numbers(text).isdisjoint(exact), form


def test_figures_with_counts_are_left_out(sparse: list[Any]) -> None:
    report = build_report(sparse, disclosure="cbs", date=DAY)
    captions = [block.caption for block in report.walk() if isinstance(block, Figure)]
    assert "How many persons are on exactly which lists" not in captions
    assert "Overlaps of the lists, and how they go together" not in captions
    assert "The registered and the estimated hidden persons" in captions
    assert "How many persons are on exactly which lists: left out" in text_of(report)


def test_pictures_hold_rounded_numbers_only(sparse: list[Any]) -> None:
    plain_svg = build_report(sparse[0], date=DAY)
    with_rules = build_report(sparse[0], disclosure="cbs", date=DAY)
    drawn = [b for b in with_rules.walk() if isinstance(b, Figure)]
    assert drawn
    assert {b.svg for b in drawn}.isdisjoint(
        b.svg for b in plain_svg.walk() if isinstance(b, Figure)
    )


def test_nothing_by_which_counts_could_be_tried_out(sparse: list[Any]) -> None:
    search = mse.LogLinearSearch(max_order=2).fit(sparse[1].table)
    report = quick([*sparse, search, mse.sensitivity.model_range(search)], disclosure="cbs")
    text = text_of(report)
    assert sparse[1].table.fingerprint not in text
    models = tables(part(report, "account"))[0]
    assert [column.heading for column in models.columns] == [
        "Model",
        "Parameters",
        "Estimated total, point",
        "Status",
    ]
    # In the order of no criterion.
    sizes = [row[1].value for row in models.rows]
    assert sizes == sorted(sizes)
    # One of the 25 would have told a small count together with the others.
    assert len(models.rows) == 24
    assert "Models close to the best one: left out" in text
    assert "Histories that the model describes worst: left out" in text
    # Some pair of lists shares fewer persons than may be shown, and scenarios may lean on them.
    assert tables(part(report, "sensitivity")) == []


def test_rounding_alone_hides_exact_counts_too(sparse: list[Any]) -> None:
    report = quick(sparse, disclosure=Rules(base=10, name="tens"))
    text = text_of(report)
    assert "Numbers are rounded to multiples of: 10" in text
    assert "8,230 of them are registered" in text
    assert "8,234" not in text


def test_small_strata_are_marked() -> None:
    births = mse.load_dataset("spina_bifida")
    fit = mse.LogLinear("S2*S3 + S1 + ethnicity").fit(births)
    report = quick(fit, disclosure="cbs")
    table = next(t for t in tables(part(report, "estimate")) if "ethnicity" in t.caption)
    rows = {row[0].text: row for row in table.rows}
    assert [cell.text for cell in rows["other"][1:6]] == ["x"] * 5
    assert rows["other"][1].value is None
    assert rows["afro-american"][1].value == 35


def test_two_lists_with_a_small_overlap_have_no_estimate() -> None:
    table = mse.CaptureTable.from_counts({"11": 4, "10": 41, "01": 28}, lists=["a", "b"])
    fit = mse.Chapman().fit(table)
    text = text_of(quick([fit, mse.sensitivity.odds_ratio(table)], disclosure="cbs"))
    assert "The estimate is not shown, to protect persons" in text
    assert f"{fit.population.total:,.0f}" not in numbers(text)
    assert "How two lists go together: left out" in text


def test_a_monitor_is_protected(monitored: Any, yearly: mse.CaptureTable) -> None:
    report = quick([monitored, yearly], disclosure="cbs", language="nl")
    table = tables(part(report, "monitor-further"))[-1]
    values = [row[2].value for row in table.rows]
    assert all(value is None or float(value) % 5 == 0 for value in values)  # type: ignore[arg-type]
    assert report.disclosure == "cbs"


def test_what_is_withheld_is_not_said_to_be_undetermined(monitored: Any) -> None:
    # Without the table nobody can tell how few persons the figures lean on, so all of them are withheld.
    text = text_of(quick([monitored], disclosure="cbs", language="en"))
    assert "The estimate is not shown, to protect persons" in text
    assert "No total can be estimated" not in text
    shown = mse.disclosure.protect(monitored, mse.disclosure.rules("cbs"))
    assert "not estimable" not in shown.summary()
    assert "not shown" in shown.population.summary()


def test_rules_from_a_file(tmp_path: Any, sparse: list[Any]) -> None:
    path = tmp_path / "office.toml"
    path.write_text('like = "cbs"\nthreshold = 20\n', encoding="utf-8")
    report = quick(sparse[:2], disclosure=path)
    assert "Counts below this number are not shown: 20" in text_of(report)
    assert "“office”" in text_of(report)
