"""Estimators by name and as text, in comparisons and on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import mse
from mse.answer.protocols import takes
from mse.cli import app
from mse.comparing import every_estimator
from mse.registry import ESTIMATORS, estimator_of

if TYPE_CHECKING:
    from click.testing import Result

TWO = mse.CaptureTable.from_counts({"10": 86, "01": 73, "11": 49}, lists=["P", "Q"])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SampleCoverage()", mse.SampleCoverage()),
        (" SampleCoverage ", mse.SampleCoverage()),
        ("mse.Chapman()", mse.Chapman()),
        ("LogLinear('[12,23]')", mse.LogLinear("[12,23]")),
        ("LogLinear('main', trend={'year': 2})", mse.LogLinear("main", trend={"year": 2})),
        ("LogLinearSearch(criterion='aic')", mse.LogLinearSearch(criterion="aic")),
        ("PooledLogLinear(rate=(-1.5, 2))", mse.PooledLogLinear(rate=(-1.5, 2))),
        ("ClosedPopulation('Mh', bias_corrected=True)", mse.ClosedPopulation("Mh", None, True)),
    ],
)
def test_a_text_makes_an_estimator(text: str, expected: object) -> None:
    assert estimator_of(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Chapmann()", r"'Chapmann' is not an estimator. Did you mean Chapman\? Known are: Bayes"),
        ("main", "'main' is not an estimator. Known are"),
        ("", "is not an estimator: expected one of"),
        ("[12,3]", "expected one of"),
        ("Chapman(), SampleCoverage()", "expected one of"),
        ("Chapman(3)", "too many positional arguments. The settings of Chapman: there are none"),
        (
            "SampleCoverage(variety='low')",
            "'variety'. The settings of SampleCoverage: variant='auto",
        ),
        ("SampleCoverage('low', variant='low')", "multiple values for argument 'variant'"),
        ("SampleCoverage(variant='lo')", "variant='lo' is not known; expected one of 'automatic'"),
        (
            "LatentClasses(classes='many')",
            "classes='many': expected a whole number, 1 or more",
        ),
        ("LogLinearSearch(keep=3)", "cannot be made.*trend, keep="),
    ],
)
def test_what_is_no_estimator_is_said_with_what_is_known(text: str, message: str) -> None:
    with pytest.raises(mse.ModelError, match=message):
        estimator_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('echo')",
        "LogLinear(open('x'))",
        "LogLinear(*['main'])",
        "LogLinear(**{'model': 'main'})",
        "LogLinear(model := 'main')",
        "LogLinear(f'{1}')",
        "LogLinear(lambda: 1)",
        "LatentClasses(10**9)",
        "mse.os.system('echo')",
        "Chapman(\0)",
        "Chapman(" + "(" * 5000,
        "Chapman(" + "-" * 100_000 + "1)",
    ],
)
def test_nothing_in_a_text_is_run(text: str) -> None:
    with pytest.raises(mse.ModelError, match=r"is not an estimator|too many positional"):
        estimator_of(text)


def test_texts_stand_for_estimators_in_comparisons_and_estimates() -> None:
    compared = mse.compare(TWO, ["Chapman()", mse.LincolnPetersen()])
    assert [fit.estimator for fit in compared.fits] == [mse.Chapman(), mse.LincolnPetersen()]
    assert mse.compare(TWO, "Chapman").fits[0].estimator == mse.Chapman()
    alone = mse.estimate(TWO, estimator="Chapman()")
    assert alone.total == mse.Chapman().fit(TWO).population.total
    assert alone.interval_kind == "lognormal"
    repeated = mse.estimate(TWO, estimator=mse.Chapman(), interval="basic", replicates=30, seed=1)
    assert (repeated.total, repeated.interval_kind) == (alone.total, "basic")


@pytest.mark.parametrize(
    "options",
    [{"model": "main"}, {"criterion": "aic"}, {"strategy": "stepwise"}, {"interval": "profile"}],
    ids=str,
)
def test_settings_of_an_estimator_are_written_into_it(options: dict[str, Any]) -> None:
    with pytest.raises(mse.ModelError, match="write them into it"):
        mse.estimate(TWO, estimator="Chapman()", **options)


def test_all_are_those_that_suit_the_table() -> None:
    compared = mse.compare(TWO, "all")
    kinds = {type(fit.estimator).__name__ for fit in compared.fits}
    assert {"Chapman", "LincolnPetersen", "LogLinear", "ClosedPopulation"} <= kinds
    assert "SampleCoverage" not in kinds
    assert "three lists or more" in compared.left_out["SampleCoverage(variant='automatic')"]
    assert "Not for such a table".upper() in compared.summary()
    asked = {*map(repr, every_estimator(TWO))}
    assert asked == {*compared.left_out, *(repr(fit.estimator) for fit in compared.fits)}
    of_lists = {name for name in ESTIMATORS if takes(getattr(mse, name)()) == "lists"}
    assert kinds | {name.partition("(")[0] for name in compared.left_out} == of_lists


def test_all_of_margins_is_what_margins_can_tell() -> None:
    margins = mse.CaptureTable.from_margins({"a": 53, "b": 70}, union=110)
    compared = mse.compare(margins, "all")
    assert [fit.estimator for fit in compared.fits] == [mse.LogLinear("main")]


def test_what_is_named_beside_all_has_to_suit() -> None:
    with pytest.raises(mse.ModelError, match=r"^SampleCoverage\(.*cannot be asked of this table"):
        mse.compare(TWO, ["SampleCoverage()", "all"])


# The command line --------------------------------------------------------------------------------


def test_compare_takes_estimators_as_text() -> None:
    named = ("--estimator", "SampleCoverage()", "--estimator", "LogLinear('[12,23]')")
    done = run("compare", "korea", *named, "--model", "main", "--format", "json")
    assert done.exit_code == 0
    data = json.loads(done.stdout)
    assert [each["estimator"].partition("(")[0] for each in data["estimates"]] == [
        "LogLinear",
        "SampleCoverage",
        "LogLinear",
    ]
    assert [each["population"]["lower_bound"] for each in data["estimates"]] == [False] * 3


def test_estimate_takes_an_estimator_as_text() -> None:
    done = run("estimate", "hepatitis_a", "--estimator", "SampleCoverage(variant='low')")
    assert done.exit_code == 0
    assert "Estimated total (at least), point" in done.stdout
    drawn = ("--interval", "percentile", "--replicates", "100", "--seed", "1", "--format", "json")
    done = run("estimate", "korea", "--estimator", "ClosedPopulation('M0')", *drawn)
    assert json.loads(done.stdout)["interval"]["kind"] == "percentile"


@pytest.mark.parametrize("command", ["compare", "estimate"])
def test_errors_are_plain_lines_that_name_what_is_known(command: str) -> None:
    done = run(command, "korea", "--estimator", "Chapmann()")
    assert done.exit_code == 2
    assert "Did you mean Chapman?" in done.stderr
    assert "SampleCoverage" in done.stderr
    done = run(command, "korea", "--estimator", "Chapman()")
    assert done.exit_code == 2
    assert "is for two lists and the table has 3" in done.stderr
