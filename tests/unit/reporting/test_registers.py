"""Reports on one register: counts beside what is expected, families by criteria, what those seen once decide."""

from __future__ import annotations

import numpy as np
import pytest

import mse
from mse.reporting.building import build_report
from mse.reporting.layout import as_markdown
from mse.words.catalogue import language_of
from mse.words.content import Figure, Section, Table

COUNTS = mse.CountTable.from_frequencies({1: 1645, 2: 183, 3: 37, 4: 13, 5: 1, 6: 1})
EVERY = ["poisson", "geometric", "zelterman", "chao", "one_inflated_chao"]


def report_of(table: mse.CountTable = COUNTS, **options: object) -> mse.words.content.Report:
    fits = [mse.SingleRegisterSearch().fit(table)]
    fits += [mse.SingleRegister(each).fit(table) for each in EVERY]  # type: ignore[arg-type]
    fits.append(mse.SingleRegister("poisson", inflation="before").fit(table))
    results = [*fits, *mse.diagnostics.check(table, fits[0])]
    return build_report(results, figures=bool(options.pop("figures", False)), **options)  # type: ignore[arg-type]


def section(report: mse.words.content.Report, name: str) -> Section:
    return next(each for each in report.sections if each.id == name)


def table_in(part: Section) -> Table:
    return next(each for each in part.blocks if isinstance(each, Table))


def test_counts_stand_beside_what_the_chosen_family_expects() -> None:
    made = table_in(section(report_of(), "seen"))
    values = [[cell.value for cell in row] for row in made.rows]
    fit = mse.SingleRegister("geometric").fit(COUNTS)
    assert [row[1] for row in values] == [1645, 183, 37, 13, 1, 1]
    assert [row[2] for row in values] == pytest.approx(fit.fitted["fitted"].tolist())
    assert "geometric" in made.caption
    assert "degrees of freedom" in made.notes[0]


def test_families_are_ordered_by_bic_and_those_of_other_counts_left_out() -> None:
    made = table_in(section(report_of(), "families"))
    names = [row[0].text for row in made.rows]
    assert len(names) == 4
    assert names[-1].endswith("negative binomial")
    bic = [row[4].value for row in made.rows if row[4].value is not None]
    assert bic == sorted(bic)
    assert not any("Chao" in each or "Zelterman" in each for each in names)


@pytest.mark.parametrize(
    ("language", "numbers"), [("en", ("9,274", "2,784")), ("nl", ("9.274", "2.784"))]
)
def test_what_those_seen_once_decide_is_said(language: str, numbers: tuple[str, str]) -> None:
    report = report_of(language=language)
    text = as_markdown(report, language_of(language))
    part = text[text.index(section(report, "families").heading) :]
    assert all(each in part for each in numbers)
    assert section(report, "worries").blocks


def test_pictures_of_counts_and_ratios() -> None:
    report = report_of(figures=True)
    for name in ("seen", "families"):
        figures = [each for each in section(report, name).blocks if isinstance(each, Figure)]
        assert len(figures) == 1
        assert figures[0].alt


def test_under_rules_none_of_it_leaves() -> None:
    text = as_markdown(report_of(disclosure="cbs"), language_of("en"))
    assert "How often persons were seen" in text
    for number in ("1,645", "1,627", "9,274", "2,784", "Log likelihood"):
        assert number not in text


def test_counts_beyond_the_twelfth_are_one_row() -> None:
    rng = np.random.default_rng(1)
    times = 1 + rng.geometric(0.15, 3000)
    found = dict(zip(*map(list, np.unique(times, return_counts=True)), strict=True))
    table = mse.CountTable.from_frequencies({1: 500, **{int(k): int(v) for k, v in found.items()}})
    made = table_in(section(report_of(table), "seen"))
    assert len(made.rows) == 12
    assert sum(row[1].value for row in made.rows) == table.n_observed


def test_a_table_of_which_little_is_known() -> None:
    few = mse.CountTable.from_frequencies({1: 30, 2: 4})
    text = as_markdown(report_of(few), language_of("en"))
    assert "Too few were seen twice and three times" in text


# The test of fit, and the checks ------------------------------------------------------------------


def test_the_deviance_is_of_joined_counts() -> None:
    test = mse.SingleRegister("poisson").fit(COUNTS).fit_test
    assert test is not None
    # By hand: a truncated Poisson with the mean of the counts, three or more joined since fewer than five are expected.
    mean = np.exp(mse.SingleRegister("poisson").fit(COUNTS).coefficients["estimate"].iloc[0])
    chance = np.array([mean, mean**2 / 2]) / np.expm1(mean)
    expected = 1880 * np.append(chance, 1 - chance.sum())
    observed = np.array([1645, 183, 52])
    assert test.deviance == pytest.approx(2 * np.sum(observed * np.log(observed / expected)))
    assert test.df == 1
    assert test.p_value < 0.001


def test_the_test_holds_its_level() -> None:
    rng = np.random.default_rng(7)
    rejected = 0
    for _ in range(200):
        times = rng.poisson(0.9, 1500)
        values, counts = np.unique(times[times > 0], return_counts=True)
        table = mse.CountTable.from_frequencies(
            dict(zip(values.tolist(), counts.tolist(), strict=True))
        )
        test = mse.SingleRegister("poisson").fit(table).fit_test
        assert test is not None
        rejected += test.p_value < 0.05
    # 10 expected; two-sided binomial limits at one in ten thousand.
    assert 0 < rejected <= 24


def test_nothing_is_left_to_test_where_there_are_no_more_counts_than_parameters() -> None:
    few = mse.CountTable.from_frequencies({1: 90, 2: 20})
    test = mse.SingleRegister("chao").fit(few).fit_test
    assert test is not None
    assert test.df == 0
    assert np.isnan(test.p_value)
    assert mse.SingleRegister("negative_binomial").fit(COUNTS).fit_test is None


def test_checks_of_one_register() -> None:
    fit = mse.SingleRegister("poisson").fit(COUNTS)
    found = mse.diagnostics.check(COUNTS, fit)
    assert [each.passed for each in found] == [False, True, False]
    assert "9,274" in found[0].text
    assert "does not describe" in found[2].text
    assert [each.passed for each in mse.diagnostics.check(COUNTS)] == [False]
    agree = mse.CountTable.from_frequencies({1: 900, 2: 405, 3: 122, 4: 27, 5: 5})
    assert mse.diagnostics.check(agree)[0].passed is True
    with pytest.raises(mse.ModelError, match="another table"):
        mse.diagnostics.check(agree, fit)
