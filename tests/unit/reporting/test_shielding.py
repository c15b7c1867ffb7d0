"""Rules of disclosure in reports: what is suppressed is nowhere in the file."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest

import mse
from benchmarks.published_files import figures, marks, off_the_grid, pictures, unexplained
from mse.disclosure import Rules, rules
from mse.disclosure.jointly import magnitude
from mse.reporting.building import build_report
from mse.reporting.writing import FORMS, as_bytes, as_form
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


SEED = 987_654_321


@pytest.fixture(scope="module")
def sampled() -> Any:
    """Estimates that were drawn with a seed."""
    settings: dict[str, Any] = {"draws": 200, "seed": SEED}
    chain = mse.DecomposableGraphs(exact=False, **settings)
    estimators = [mse.HeterogeneousLogLinear(**settings), chain]
    return mse.compare(mse.load_dataset("kosovo"), estimators)


@pytest.mark.parametrize("form", FORMS)
def test_no_seed_of_an_estimator_in_any_form(sampled: Any, form: Any) -> None:
    # Without rules it stands there, so that somebody else can draw the same.
    assert str(SEED) in as_form(build_report(sampled, date=DAY, figures=False), "json")
    report = build_report(sampled, disclosure="cbs", date=DAY, figures=False)
    assert str(SEED).encode() not in as_bytes(report, form)


def test_chains_are_judged_without_the_digits_of_their_draws(sampled: Any) -> None:
    found = dict(figures_of(sampled, "none"))
    shown = dict(figures_of(sampled, "cbs"))
    r_hat, tail = "R-hat", "Effective sample size, tails"
    assert round(found[r_hat], 2) != found[r_hat]
    assert shown[r_hat] == round(found[r_hat], 2)
    assert shown[tail] == magnitude(found[tail]) != found[tail]


def figures_of(results: Any, disclosure: str) -> list[tuple[str, float]]:
    report = build_report(results, disclosure=disclosure, date=DAY, figures=False)
    return [*figures(report.to_dict())]


def test_checks_for_histories_of_one_or_two_persons_are_left_out() -> None:
    # Whether the two lists share one or two persons would be the verdict.
    table = mse.CaptureTable.from_counts({"10": 60, "01": 70, "11": 2}, lists=["a", "b"])
    checks = mse.diagnostics.check(table)
    assert [each.passed for each in checks if each.name == "small histories"] == [False]
    text = text_of(quick([table, checks], disclosure="cbs"))
    assert "small histories" not in text
    assert "overlap of lists" in text


def test_the_mean_bias_of_a_validation_is_no_equation_between_overlaps() -> None:
    table = mse.load_dataset("kosovo")
    validation = mse.validate(table, [mse.LogLinear("main")])
    exact = validation.by_estimator()["mean_log_bias"].iloc[0]
    report = build_report(validation, disclosure="cbs", date=DAY).to_dict()
    shown = next(value for heading, value in figures(report) if "bias" in heading.lower())
    assert shown == round(math.log(magnitude(math.exp(exact))), 2) != exact


def test_what_scenarios_say_of_why_there_is_no_total_holds_no_count() -> None:
    counts = {"100": 40, "010": 30, "001": 50, "110": 9, "101": 31, "011": 33, "111": 12}
    table = mse.CaptureTable.from_counts(counts, lists=["a", "b", "c"])
    found = mse.sensitivity.leave_one_out(mse.SampleCoverage(), table)
    why = mse.messages.Message("reason.below_observed", total=61.7, observed=64)
    told = [
        replace(each, trial=replace(each.trial, population=None, why_not=why))
        for each in found.variants
    ]
    results = [table, replace(found, variants=tuple(told))]
    assert "below the 64 observed" in text_of(quick(results))
    text = text_of(quick(results, disclosure="cbs"))
    assert "below the x observed" in text
    assert "61.7" not in text


# Pictures are measured: each mark stands at a figure that was published ---------------------------


def test_marks_of_pictures_stand_at_published_figures(sparse: list[Any], monitored: Any) -> None:
    given = [*sparse[:3], monitored, mse.load_dataset("kosovo")]
    report = build_report(given, disclosure="cbs", date=DAY)
    data = as_bytes(report, "json")
    known = {value for _, value in figures(json.loads(data))}
    drawn = pictures(data, "json")
    assert drawn
    assert sum(len([*marks(svg)]) for svg in drawn) > 20
    assert [off_the_grid(svg, known, CBS.base, (2014, 2015)) for svg in drawn] == [[]] * len(drawn)


def test_a_picture_without_rules_gives_exact_counts_away(sparse: list[Any]) -> None:
    drawn = pictures(as_bytes(build_report(sparse[1], date=DAY), "html"), "html")
    found = {round(mark.value) for mark in marks(drawn[0]) if mark.name == "observed"}
    assert sparse[1].table.n_observed in found
    assert off_the_grid(drawn[0], (), CBS.base)


def test_every_figure_for_machines_is_rounded_or_computed_of_rounded_ones(
    sparse: list[Any], sampled: Any
) -> None:
    for each, cells in ((sparse, {32.0}), (sampled, {16.0})):
        assert unexplained(_few(figures_of(each, "cbs")), CBS.base, cells) == []
        assert unexplained(_few(figures_of(each, "none")), CBS.base, cells)


def _few(found: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Leave the figures of chains out, which are of draws."""
    chains = ("R-hat", "Effective sample size")
    return [each for each in found if not each[0].startswith(chains)]


def test_two_languages_tell_the_same(sparse: list[Any]) -> None:
    # What is rounded for one reader cannot be told from what another one reads.
    reports = [
        build_report(sparse, disclosure="cbs", date=DAY, figures=False, language=code)
        for code in ("en", "nl")
    ]
    english, dutch = ([value for _, value in figures(each.to_dict())] for each in reports)
    assert english == dutch
    assert len(english) > 50
