"""What results say, said in Dutch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import mse
from mse.answer.goodness import deviance_in_words, how_tested, short_p
from mse.answer.method import STANDARD_ASSUMPTIONS
from mse.answer.reasons import boundary_reason, not_estimable_reason
from mse.cli.monitor import _not_named
from mse.loglinear.fit import within_bounds
from mse.messages import MARK, Message, catalogue_of, fields_of, joined
from mse.messages import template as cut
from mse.words.catalogue import language_of

if TYPE_CHECKING:
    from mse.answer.population import PopulationEstimate

NL = language_of("nl")


def texts_of(population: PopulationEstimate) -> list[str]:
    found = [population.method, population.reason, *population.assumptions, *population.warnings]
    return [text for text in found if text]


def test_known_sentences_are_translated_with_their_numbers() -> None:
    message = Message("remark.unbounded", n=1204, of=2000)
    assert message == "In 1,204 of 2,000 replicates the hidden count has no upper bound."
    said = NL.said(message)
    assert said.language == ""
    assert (
        said.text == "In 1.204 van de 2.000 herhalingen heeft het verborgen aantal geen bovengrens."
    )


def test_unknown_sentences_stay_english_and_say_so() -> None:
    said = NL.said("The data determine a total. Nobody ever wrote this.")
    assert (said.text, said.language) == (
        "The data determine a total. Nobody ever wrote this.",
        "en",
    )


def test_english_is_left_alone() -> None:
    text = "Nobody ever wrote this."
    assert language_of("en").said(text).language == ""


def test_names_are_kept_and_fragments_translated() -> None:
    reason = not_estimable_reason("infinite", [f"a:b{i}" for i in range(9)], ["sex=f", "sex=m"])
    said = NL.said(reason)
    assert said.language == ""
    assert "a:b5 en nog 3" in said.text
    assert "schatten in sex=f, sex=m." in said.text


def test_names_that_look_like_numbers_are_kept() -> None:
    text = Message(
        "remark.best_not_estimable",
        criterion="BIC",
        model="[123,145,6]",
        limit=Message("limit_word.infinite"),
    )
    assert "[123,145,6], is niet te schatten (grens: oneindig)" in NL.said(text).text


@pytest.mark.parametrize("limit", ["infinite", "zero", "indeterminate"])
def test_reasons_are_known(limit: str) -> None:
    assert NL.knows(not_estimable_reason(limit, ["a:b"], ["x=1"]))  # type: ignore[arg-type]
    assert NL.knows(not_estimable_reason(limit, ["x=1"], ["x=1"]))  # type: ignore[arg-type]
    assert NL.knows(boundary_reason(["a:b"], ["c:d"], 1204))
    assert NL.knows(boundary_reason(["a:b"], ["c:d"], 1))


def test_counts_within_bounds_are_known() -> None:
    assert "1 aantal is" in NL.said(within_bounds(1, 3.4)).text
    assert "1.204 aantallen zijn" in NL.said(within_bounds(1204, 3.4)).text


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


@pytest.mark.parametrize("key", sorted(catalogue_of("en").messages))
def test_every_text_can_be_filled_in_alike(key: str) -> None:
    for code in ("en", "nl"):
        text = catalogue_of(code).messages[key]
        numbers = {name for _, name, spec in cut(text) if spec and spec[-1] in "%,dfegx"}
        values = {name: 1234 if name in numbers else "police" for name in fields_of(text)}
        said = catalogue_of(code)(key, **values)
        assert "{" not in said or "{{" in text
        assert all(word in said for word in ["police"] if set(values) - numbers)


@pytest.mark.parametrize("count", [1, 2])
def test_one_and_several_are_known(count: int) -> None:
    from mse.answer.reasons import averaged, no_range, none_estimable
    from mse.diagnostics.checks import _first

    texts = [averaged(count, "BIC"), none_estimable(count, "[1,2]")]
    for tried, estimable, failed in ((1, 1, 0), (7, 1, 2), (7, 3, count), (7, 3, 0)):
        found = {"tried": tried, "estimable": estimable, "failed": failed}
        texts.append(no_range(**found, within=10, criterion="BIC"))
    assert [text for text in texts if not NL.knows(text)] == []
    pairs = [Message("joined.and", parts=("a", "b"))] * (count + 3)
    said = NL.said(Message("nobody.pairs", n=9, of=10, names=_first(pairs, 3, "joined.more_pairs")))
    assert said.language == ""
    assert ("1 paar)" if count == 1 else "2 paren)") in said.text


def test_a_comma_behind_a_number_is_no_part_of_it() -> None:
    how = how_tested(selected=True, drawn=True, seed=1)
    text = deviance_in_words(9.3, 4, short_p(0.001, 0.001), how)
    assert text.endswith("p <= 0.001 (bootstrap, seed 1, too kind after selection).")
    assert NL.said(text).text.endswith(
        "p <= 0,001 (bootstrap, startwaarde 1, te gunstig na modelkeuze)."
    )


def test_numbers_that_are_not_shown_are_known_too() -> None:
    said = NL.said(Message("remark.unbounded", n=None, of=None))
    assert (said.language, said.text.split().count(MARK)) == ("", 2)


@pytest.mark.parametrize("interval", ["percentile", "basic", "bca"])
@pytest.mark.parametrize("replicates", [1, 10, 50, 200])
def test_what_a_bootstrap_says_is_known(interval: str, replicates: int) -> None:
    table = mse.load_dataset("kosovo")
    p = mse.bootstrap(mse.LogLinearSearch(), table, replicates, interval=interval, seed=1)
    assert [text for text in texts_of(p) if not NL.knows(text)] == []
    for text in texts_of(p):
        assert not {"below", "above", "the"} & set(NL.said(text).text.split()), text


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


def test_what_was_known_before_messages_is_known_by_its_text() -> None:
    stored = str(STANDARD_ASSUMPTIONS[0])
    assert type(stored) is str
    assert NL.said(stored).text.startswith("Gesloten populatie")


def test_sentences_after_each_other_stay_messages() -> None:
    first, second = Message("remark.many_redrawn"), Message("remark.unseen")
    both = joined(first, "", joined(second, first))
    assert isinstance(both, Message)
    assert (both, both.fields["parts"]) == (f"{first} {second} {first}", (first, second, first))
    assert NL.said(both).language == ""
    assert NL.said(joined(first, "Words of somebody.")).language == "en"
