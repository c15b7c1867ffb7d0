"""Sentences of the layers below, said in Dutch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import mse
from mse.answer.method import STANDARD_ASSUMPTIONS
from mse.answer.reasons import boundary_reason, not_estimable_reason
from mse.cli.monitor import _not_named
from mse.loglinear.fit import within_bounds
from mse.words.catalogue import Sentences, language_of

if TYPE_CHECKING:
    from mse.answer.population import PopulationEstimate

NL = Sentences(language_of("nl"))


def texts_of(population: PopulationEstimate) -> list[str]:
    found = [population.method, population.reason, *population.assumptions, *population.warnings]
    return [text for text in found if text]


def test_known_sentences_are_translated_with_their_numbers() -> None:
    said = NL.say("In 1,204 of 2,000 replicates the hidden count has no upper bound.")
    assert said.language == ""
    assert (
        said.text == "In 1.204 van de 2.000 herhalingen heeft het verborgen aantal geen bovengrens."
    )


def test_unknown_sentences_stay_english_and_say_so() -> None:
    said = NL.say("The data determine a total. Nobody ever wrote this.")
    assert (said.text, said.language) == (
        "The data determine a total. Nobody ever wrote this.",
        "en",
    )


def test_english_is_left_alone() -> None:
    text = "Nobody ever wrote this."
    assert Sentences(language_of("en")).say(text).language == ""


def test_names_are_kept_and_fragments_translated() -> None:
    reason = not_estimable_reason("infinite", [f"a:b{i}" for i in range(9)], ["sex=f", "sex=m"])
    said = NL.say(reason)
    assert said.language == ""
    assert "a:b5 en nog 3" in said.text
    assert "schatten in sex=f, sex=m." in said.text


def test_names_that_look_like_numbers_are_kept() -> None:
    text = (
        "The model with the best BIC, [123,145,6], is not estimable (limit: infinite); the best "
        "estimable one was chosen."
    )
    assert "[123,145,6]" in NL.say(text).text


@pytest.mark.parametrize("limit", ["infinite", "zero", "indeterminate"])
def test_reasons_are_known(limit: str) -> None:
    assert NL.knows(not_estimable_reason(limit, ["a:b"], ["x=1"]))  # type: ignore[arg-type]
    assert NL.knows(not_estimable_reason(limit, ["x=1"], ["x=1"]))  # type: ignore[arg-type]
    assert NL.knows(boundary_reason(["a:b"], ["c:d"], 1204))
    assert NL.knows(boundary_reason(["a:b"], ["c:d"], 1))


def test_counts_within_bounds_are_known() -> None:
    assert "1 aantal is" in NL.say(within_bounds(1, 3.4)).text
    assert "1.204 aantallen zijn" in NL.say(within_bounds(1204, 3.4)).text


def test_a_search_without_an_estimable_model_is_known() -> None:
    array = np.zeros((2, 2, 2), dtype=np.int64)
    array[0, 1], array[1, 0] = 4, 5
    table = mse.CaptureTable.from_array(array, lists=["a", "b"], covariates={"z": ["x", "y"]})
    p = mse.LogLinearSearch(strategy="stepwise").fit(table).population
    assert "None of the" in p.warnings[0]
    assert [text for text in texts_of(p) if not NL.knows(text)] == []


def test_a_level_that_nobody_has_is_known() -> None:
    array = np.zeros((2, 2, 2), dtype=np.int64)
    array[:, :, 0] = [[0, 4], [5, 2]]
    table = mse.CaptureTable.from_array(array, lists=["a", "b"], covariates={"z": ["x", "y"]})
    p = mse.LogLinear("main").fit(table).population
    assert p.reason.endswith("with table.where(...).")
    assert NL.knows(p.reason)


def test_assumptions_are_known() -> None:
    assert all(NL.knows(text) for text in STANDARD_ASSUMPTIONS)


@pytest.mark.parametrize("name", ["korea", "kosovo", "artificial_3", "hepatitis_a"])
def test_what_log_linear_models_say_is_known(name: str) -> None:
    table = mse.load_dataset(name)
    fits = [mse.LogLinear("main").fit(table), mse.LogLinearSearch().fit(table)]
    texts = [text for fit in fits for text in texts_of(fit.population)]
    texts += texts_of(fits[1].average())
    texts += texts_of(mse.bootstrap(mse.LogLinearSearch(), table, 30, seed=1))
    assert [text for text in texts if not NL.knows(text)] == []


def test_what_the_classical_methods_say_is_known() -> None:
    pairs = [{"10": 5, "01": 9, "11": 3}, {"10": 5, "01": 9}, {"10": 5, "11": 3}]
    texts = []
    for counts in pairs:
        table = mse.CaptureTable.from_counts(counts, lists=["a", "b"])
        for estimator in (mse.LincolnPetersen(), mse.Chapman()):
            texts += texts_of(estimator.fit(table).population)
    table = mse.load_dataset("hepatitis_a")
    for variant in ("high", "low", "independent"):
        texts += texts_of(mse.SampleCoverage(variant).fit(table).population)
    for model in ("M0", "Mt", "Mb", "Mbh"):
        texts += texts_of(mse.ClosedPopulation(model, ordered=True).fit(table).population)
    assert [text for text in texts if not NL.knows(text)] == []


@pytest.mark.parametrize("name", ["korea", "artificial_3", "hepatitis_a"])
def test_what_checks_say_is_known(name: str) -> None:
    table = mse.load_dataset(name)
    found = [*mse.diagnostics.check(table)]
    found += mse.diagnostics.check(table, mse.LogLinear("main").fit(table), seed=1)
    texts = [text for each in found for text in (each.name, each.text)]
    assert [text for text in texts if not NL.knows(text)] == []


@pytest.mark.parametrize("name", ["netherlands", "netherlands_5"])
def test_descriptions_of_the_dutch_tables_are_known(name: str) -> None:
    info = mse.load_dataset(name).info
    texts = [info.population, info.period, info.scope, *info.list_descriptions.values()]
    assert [text for text in texts if not NL.knows(text)] == []


def test_every_template_of_a_sentence_reads_itself() -> None:
    english = language_of("en")
    for text in english.section("sentences").values():
        filled = text.format_map(Filler())
        assert NL.knows(filled), text


class Filler(dict[str, object]):
    """Fills in a number for ``{x:n}`` and a word for the rest."""

    def __missing__(self, key: str) -> Filled:
        return Filled()


class Filled:
    def __format__(self, kind: str) -> str:
        return "1,234" if kind == "n" else "police"


@pytest.mark.parametrize("count", [1, 2])
def test_one_and_several_are_known(count: int) -> None:
    from mse.answer.reasons import averaged, no_range, none_estimable
    from mse.diagnostics.checks import _more

    texts = [averaged(count, "BIC"), none_estimable(count, "[1,2]")]
    for tried, estimable, failed in ((1, 1, 0), (7, 1, 2), (7, 3, count), (7, 3, 0)):
        place = "within 10 of the best BIC"
        texts.append(no_range(tried=tried, estimable=estimable, failed=failed, place=place))
    assert [text for text in texts if not NL.knows(text)] == []
    said = NL.say(
        f"Nobody is on both lists of 9 of 10 pairs (a and b{_more(count, 'pair')}). Whether they avoid "
        "each other's persons or are small cannot be told from the data."
    )
    assert said.language == ""
    assert ("1 paar)" if count == 1 else "2 paren)") in said.text


def test_a_comma_behind_a_number_is_no_part_of_it() -> None:
    text = "Deviance 9.3 on 4 degrees of freedom, p <= 0.001 (bootstrap, seed 1, too kind after selection)."
    assert NL.say(text).text.endswith(
        "p <= 0,001 (bootstrap, startwaarde 1, te gunstig na modelkeuze)."
    )


def test_numbers_that_are_not_shown_are_known_too() -> None:
    said = NL.say("In x of x replicates the hidden count has no upper bound.")
    assert (said.language, said.text.count("x")) == ("", 2)


@pytest.mark.parametrize("interval", ["percentile", "basic", "bca"])
@pytest.mark.parametrize("replicates", [1, 10, 50, 200])
def test_what_a_bootstrap_says_is_known(interval: str, replicates: int) -> None:
    table = mse.load_dataset("kosovo")
    p = mse.bootstrap(mse.LogLinearSearch(), table, replicates, interval=interval, seed=1)
    assert [text for text in texts_of(p) if not NL.knows(text)] == []
    for text in texts_of(p):
        assert not {"below", "above", "the"} & set(NL.say(text).text.split()), text


def test_what_a_monitor_says_of_its_models_is_known() -> None:
    table = mse.simulate.netherlands(years=[2014, 2015]).draw(1).table().collapse("sex", "age")
    with pytest.warns(mse.MSEWarning, match="set aside"):
        silent = table.not_operating("police", year=2015)
    few = table.keep_lists(["police", "others", "inspectorate"]).collapse("form", "nationality")
    texts = [
        text
        for each in (table, silent, few)
        for text in mse.monitor(each, replicates=20, seed=1, n_jobs=1).notes
    ]
    texts += list(_not_named(["form", "sex"]))
    assert len(texts) > 6
    assert [text for text in texts if not NL.knows(text)] == []
