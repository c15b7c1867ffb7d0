"""What a report says, whatever its form."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mse
from mse.errors import ModelError
from mse.reporting import Report, build_report
from mse.reporting.usual import usual_results
from mse.words.catalogue import language_of
from mse.words.content import (
    Bullets,
    Facts,
    Figure,
    Paragraph,
    Section,
    Table,
    inline,
    plain,
)
from tests.unit.reporting.conftest import DAY

ROUNDED = replace(language_of("en"), rounds=True)


def text_of(report: Report | Section) -> str:
    """All words, a line for each piece."""
    lines: list[str] = [plain(report.title)] if isinstance(report, Report) else []
    for block in report.walk():
        match block:
            case Paragraph():
                lines.append(plain(block.text))
            case Bullets():
                lines += [plain(item) for item in block.items]
            case Facts():
                lines += [f"{row[0]}: {plain(row[1])}" for row in block.rows]
            case Table():
                lines.append(block.caption)
                lines += [" | ".join(cell.text for cell in row) for row in block.rows]
                lines += block.notes
            case Figure():
                lines.append(block.alt)
    return "\n".join(lines)


def part(report: Report, name: str) -> Section:
    return next(section for section in report.sections if section.id == name)


def tables(section: Section) -> list[Table]:
    return [block for block in section.walk() if isinstance(block, Table)]


def quick(results: Any, **options: Any) -> Report:
    return build_report(results, **({"date": DAY, "figures": False} | options))


# Rounded ------------------------------------------------------------------------------------------


def test_what_is_read_is_rounded_and_what_is_for_machines_is_not() -> None:
    fit = mse.LogLinear("main").fit(mse.load_dataset("netherlands"))
    report, p = quick(fit), fit.population
    low, high = p.interval()
    lead = plain(report.sections[0].blocks[0].text)  # type: ignore[union-attr]
    # 48,542.2 to 57,648.1: a twentieth of the width is 455 persons.
    assert lead.startswith("48,400 to 57,800 is the estimated total")
    (facts,) = [each for each in report.sections[0].blocks if isinstance(each, Facts)]
    values = {row[0]: row[2] for row in facts.rows if len(row) == 3}
    assert values["Estimated total, point estimate"] == p.total
    assert values["Registered, on at least one list"] == 8234
    assert values["Estimated on no list (presumed)"] == (low - 8234, high - 8234)
    said = {row[0]: plain(row[1]) for row in facts.rows}
    assert said["Registered, on at least one list"] == "8,234"
    assert said["Estimated total, point estimate"] == "52,800"
    assert said["Estimated on no list (presumed)"] == "40,200 to 49,600 (point estimate 44,600)"
    assert "rounded to a step" in text_of(part(report, "answer"))


def test_a_lower_bound_is_never_rounded_upward() -> None:
    bound = mse.ClosedPopulation("Mth", heterogeneity="chao").fit(mse.load_dataset("netherlands"))
    p = bound.population
    assert p.lower_bound
    (facts,) = [each for each in part(quick(bound), "answer").blocks if isinstance(each, Facts)]
    said = {row[0]: plain(row[1]) for row in facts.rows}
    told = int(said["Estimated total, point estimate"].removeprefix("at least ").replace(",", ""))
    assert p.total * 0.95 < told < p.total


def test_under_rules_nothing_is_rounded_twice() -> None:
    fit = mse.LogLinear("main").fit(mse.load_dataset("netherlands"))
    report = quick(fit, disclosure="cbs")
    (facts,) = [each for each in part(report, "answer").blocks if isinstance(each, Facts)]
    row = next(each for each in facts.rows if each[0].startswith("Estimated total"))
    assert plain(row[1]) == f"{row[2]:,.0f}"
    assert "rounded to a step" not in text_of(part(report, "answer"))


# The whole ---------------------------------------------------------------------------------------


def test_the_parts_come_in_the_order_in_which_they_are_read(report: Report) -> None:
    assert [section.id for section in report.sections] == [
        "answer",
        "question",
        "lists",
        "what-if",
        "assumptions",
        "worries",
        "others",
        "pictures",
        "overlaps",
        "estimate",
        "grades",
        "comparison",
        "further-assumptions",
        "diagnostics",
        "sensitivity",
        "missing",
        "account",
        "citation",
    ]


def test_identifiers_differ(report: Report) -> None:
    def ids(sections: tuple[Section, ...]) -> list[str]:
        return [name for each in sections for name in (each.id, *ids(each.sections))]

    found = ids(report.sections)
    assert len(found) == len(set(found))


def test_figures_are_those_of_the_results(korea: list[Any], report: Report) -> None:
    p = korea[0]
    low, high = p.interval(0.95)
    lead = plain(report.sections[0].blocks[0].text)  # type: ignore[union-attr]
    span = ROUNDED.span(low, high, p.observed)
    assert lead.startswith(f"{span} is the estimated total (95% interval)")
    assert "123 of them are registered" in lead
    assert "presumed" in lead
    row = tables(part(report, "comparison"))[0].rows[0]
    assert row[1].value == (low, high)
    assert row[2].value == p.total


def test_intervals_stand_before_points(report: Report) -> None:
    for table in tables(part(report, "comparison")):
        headings = [column.heading for column in table.columns]
        assert headings.index("Estimated total, 95% interval") < headings.index("Point")
    labels = [row[0] for row in part(report, "estimate").blocks[0].rows]  # type: ignore[union-attr]
    assert labels.index("Estimated total, 95% interval") < labels.index("Estimated total, point")


def test_it_says_what_a_statistical_office_checks(korea: list[Any], report: Report) -> None:
    account = text_of(part(report, "account"))
    for needed in (
        korea[0].provenance["table"],
        "Seed: 1",
        "Replicates: 40",
        "criterion: pvalue",
        f"multiple-systems {mse.__version__}",
        "numpy: " + np.__version__,
        "[12,3]",
        "threshold: 0.02",
        "No rules of disclosure were applied",
    ):
        assert needed in account


def test_every_figure_says_itself_in_words(report: Report) -> None:
    figures = [block for block in report.walk() if isinstance(block, Figure)]
    assert len(figures) >= 6
    for figure in figures:
        assert figure.svg.startswith("<?xml")
        assert len(figure.alt) > 40
        assert figure.caption


def test_the_same_results_give_the_same_report(korea: list[Any], report: Report) -> None:
    assert build_report(korea, date=DAY) == report


def test_dutch_says_the_same(report: Report, dutch: Report) -> None:
    assert [each.id for each in dutch.sections] == [each.id for each in report.sections]
    said = text_of(dutch)
    for words in ("geschatte totaal", "betrouwbaarheidsinterval", "vermoed", "Geregistreerd"):
        assert words in said
    for english in ("estimated", "registered", "interval of", "the model"):
        assert english not in said


def test_what_is_not_translated_is_marked(dutch: Report) -> None:
    title = dutch.title
    assert [run.language for run in title] == ["", "en", "", ""]
    assert title[1].text == "Korean women held by the Japanese military at Palembang"


# Single results ----------------------------------------------------------------------------------


def test_a_fit_alone_is_a_report() -> None:
    table = mse.CaptureTable.from_counts({"11": 12, "10": 41, "01": 28}, lists=["a", "b"])
    report = quick(mse.LincolnPetersen().fit(table))
    assert "How many? An estimate from the lists a and b" in text_of(report)
    assert "Population: not stated" in text_of(report)
    assert "comparison" not in [section.id for section in report.sections]


def test_an_estimate_read_from_json_is_a_report(korea: list[Any]) -> None:
    p = mse.PopulationEstimate.from_json(korea[0].to_json())
    report = quick(p)
    assert "lists" not in [section.id for section in report.sections]
    low, high = p.interval()
    assert f"{ROUNDED.span(low, high, p.observed)} is the estimated total" in text_of(report)


def test_without_an_interval_the_uncertainty_is_said_to_be_unknown() -> None:
    p = mse.PopulationEstimate(
        observed=10, hidden=5.0, status="ok", limit="finite", reason="", method="example"
    )
    text = text_of(quick(p))
    assert "15 is the estimated total, and its uncertainty is not known" in text


def test_an_interval_without_end() -> None:
    from mse.answer.intervals import StoredIntervals

    p = mse.PopulationEstimate(
        observed=10,
        hidden=5.0,
        status="ok",
        limit="finite",
        reason="",
        method="example",
        uncertainty=StoredIntervals("bca", "given the model", {0.95: (12.0, math.inf)}),
    )
    report = quick(p)
    assert "at least 12, no upper bound is the estimated total" in text_of(report)
    facts = report.sections[0].blocks[1]
    assert isinstance(facts, Facts)
    assert facts.rows[1][2] == (2.0, None)  # type: ignore[misc]


def test_a_table_and_checks_alone_say_that_there_is_no_estimate(apart: mse.CaptureTable) -> None:
    text = text_of(quick([apart, mse.diagnostics.check(apart)]))
    assert "This report holds no estimate" in text
    assert "3 of 4 checks" in text


def test_estimates_of_several_tables_have_a_line_each() -> None:
    parts = mse.load_dataset("scotland_pwid").collapse("sex", "age").by("region")
    report = quick({name: mse.LogLinear("main").fit(table) for name, table in parts.items()})
    block = report.sections[0].blocks[0]
    assert isinstance(block, Bullets)
    assert len(block.items) == 2
    assert [each.id for each in part(report, "lists").sections] == ["lists-1", "lists-2"]
    assert "comparison" not in [section.id for section in report.sections]


def test_strata_are_shown_by_covariate() -> None:
    births = mse.load_dataset("spina_bifida")
    report = quick(mse.LogLinear("S2*S3 + S1 + ethnicity").fit(births))
    table = next(t for t in tables(part(report, "estimate")) if "ethnicity" in t.caption)
    assert [row[0].text for row in table.rows] == ["caucasian", "afro-american", "other"]
    assert [row[1].value for row in table.rows] == [583, 36, 2]


def test_a_table_known_in_part() -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 1, 0, None], "b": [0, 1, 1, 1], "n": [41, 7, 5, 6]})
    table = mse.CaptureTable.from_frame(frame, lists=["a", "b"], count="n")
    report = quick(mse.LogLinear("main").fit(table))
    assert "known only in part" in text_of(part(report, "overlaps"))
    assert "some counts or memberships known in part" in text_of(part(report, "account"))


def test_margins_have_no_overlaps() -> None:
    table = mse.CaptureTable.from_margins({"a": 53, "b": 70, "c": 40}, union=130)
    text = text_of(quick(mse.LogLinear("main").fit(table)))
    assert "Only the totals of the lists are known" in text


# No estimate -------------------------------------------------------------------------------------


def test_what_is_not_estimable_is_said_first_and_has_no_number(apart: mse.CaptureTable) -> None:
    report = quick(usual_results(apart, replicates=20, seed=1))
    answer = text_of(report.sections[0])
    assert answer.startswith("No total can be estimated from these data")
    assert "18 are registered" in answer
    assert "Why: the data set no upper limit to the hidden number." in answer
    missing = text_of(part(report, "missing"))
    assert "log-linear model [1,2,3]: The likelihood keeps rising" in missing
    for row in tables(part(report, "comparison"))[0].rows:
        assert row[1].value == (None, None)
        assert row[2].value is None


def test_strata_that_are_not_estimable_are_named() -> None:
    counts = np.zeros((2, 2, 2), dtype=int)
    counts[1, 0], counts[0, 1], counts[1, 1] = (60, 9), (40, 7), (20, 0)
    table = mse.CaptureTable.from_array(counts, ["a", "b"], {"sex": ["f", "m"]})
    report = quick(mse.LogLinear("a*sex + b*sex").fit(table))
    assert "1 group, m: the data set no upper limit" in text_of(part(report, "missing"))
    rows = next(t for t in tables(part(report, "estimate")) if "sex" in t.caption).rows
    assert [row[3].value is None for row in rows] == [False, True]


# Other results -----------------------------------------------------------------------------------


def test_a_monitor(monitored: Any) -> None:
    report = quick(monitored)
    lead = plain(report.sections[0].blocks[0].text)  # type: ignore[union-attr]
    total = monitored.cells[2015, ()].figures["total"]
    assert lead.startswith(f"{ROUNDED.span(total.low, total.high)} is the estimated total in 2015")
    monitor = part(report, "monitor")
    assert [section.heading for section in monitor.sections][:2] == [
        "By year",
        "Is the number rising?",
    ]
    assert "2014 to 2015:" in text_of(monitor)
    further = part(report, "monitor-further")
    assert "By sex" in [section.heading for section in further.sections]
    table = tables(monitor)[0]
    assert [row[1].value for row in table.rows] == monitored.periods["observed"].tolist()


def test_a_monitor_does_not_compare_scopes(yearly: mse.CaptureTable) -> None:
    found = mse.monitor(
        yearly,
        estimator=mse.LogLinear("police*year + care*year + sex"),
        replicates=20,
        seed=1,
        scope={2015: "newer"},
        rates={2014: 100_000, 2015: 200_000},
    )
    text = text_of(quick(found))
    assert "not compared, since the scopes differ" in text
    assert "From 2015: newer" in text
    headings = [c.heading for t in tables(part(quick(found), "monitor")) for c in t.columns]
    assert "Estimated per 100,000 inhabitants, 95% interval" in headings


def test_validation_sensitivity_and_diagnostics() -> None:
    table = mse.load_dataset("korea")
    fit = mse.LogLinear("main").fit(table)
    report = quick(
        [
            fit,
            mse.validate(table, [mse.LogLinear("main"), mse.LogLinearSearch()]),
            mse.sensitivity.merge(mse.LogLinear("main"), table),
            mse.sensitivity.odds_ratio(table, ratios=(0.5, 1, 2)),
            mse.diagnostics.goodness_of_fit(fit, replicates=19, seed=1),
            mse.diagnostics.residuals(fit),
            mse.diagnostics.influence(fit),
        ]
    )
    text = text_of(report)
    for words in (
        "Each list in turn is taken as a population of known size",
        "Two lists are made one",
        "The odds ratio tells how",
        "A small p-value says",
        "One person of each history is left out",
    ):
        assert words in text
    captions = [table.caption for section in report.sections for table in tables(section)]
    assert "Goodness of fit of [1,2,3]" in captions
    assert "Histories that the model describes worst" in captions


def test_results_of_unknown_kinds_show_their_summary() -> None:
    from mse.answer.shown import Result
    from mse.answer.shown import Section as Summary

    class Found(Result):
        def _sections(self) -> list[Summary]:
            return [
                Summary("Heading", (("name", "text"),), ("A paragraph.",), ("A bullet.",), "a  b")
            ]

    report = quick([mse.load_dataset("korea"), Found()], language="nl")
    further = part(report, "further")
    assert further.sections[0].heading == "Heading [en]"
    assert [type(block).__name__ for block in further.walk()] == [
        "Facts",
        "Paragraph",
        "Bullets",
        "Verbatim",
    ]
    hidden = quick([mse.load_dataset("korea"), Found()], disclosure="cbs")
    assert "A paragraph." not in text_of(hidden)
    assert "Found: left out under the rules of disclosure." in text_of(hidden)


def test_synthetic_data_say_so_everywhere() -> None:
    table = mse.simulate.tables({"a": -1.0, "b": -1.0, "c": -1.0}, N=300, seed=1)[0]
    text = text_of(quick(mse.LogLinear("main").fit(table)))
    assert text.startswith("SYNTHETIC DATA: estimated number of 300 persons of a known model")
    assert "these figures are about nobody" in text


def test_nothing_is_estimated_anew(korea: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a report must not fit anything")

    for kind in (mse.LogLinear, mse.LogLinearSearch):
        monkeypatch.setattr(kind, "fit", refuse)
    quick(korea)


# Options -----------------------------------------------------------------------------------------


def test_title_and_level(korea: list[Any]) -> None:
    report = quick(korea, title="A title <of> mine", level=0.8)
    assert report.title == inline("A title <of> mine")
    assert "(80% interval)" in text_of(report)


def test_without_figures_there_are_none(korea: list[Any]) -> None:
    assert not [block for block in quick(korea).walk() if isinstance(block, Figure)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "xx"}, "no catalogue"),
        ({"level": 1.5}, "level"),
        ({"disclosure": "cbz"}, "cbs"),
    ],
)
def test_options_that_are_not_known(
    korea: list[Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        build_report(korea, **options)


# Speed -------------------------------------------------------------------------------------------


def test_the_report_of_a_large_table_is_quick() -> None:
    from benchmarks.bench_report import fits, table, written

    assert table().n_cells == 12_288
    for fit in fits():
        assert fit.population.observed > 0
    # Once before, so that nothing is compiled in the time that counts.
    written(figures=False)
    start = time.process_time()
    text = written(figures=False)
    # It takes about a second; the bar of 10 s, figures included, is held by the benchmark.
    assert time.process_time() - start < 10
    assert text.count("<tr") > 40
