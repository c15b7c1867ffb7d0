"""Identifiers of persons reach no output, whatever is made of their records."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mse
from mse.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = CliRunner()

#: No other text of the library, and no number in it, looks like this.
TELLING = "PSEUDONYM"


def records() -> pd.DataFrame:
    """Make registrations of 400 persons, with an identifier that cannot be mistaken."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(400):
        person = f"{TELLING}-{number:05d}-zq"
        on = [name for name in ("police", "care", "kmar") if rng.random() < 0.4] or ["care"]
        year, sex = int(rng.choice([2014, 2015])), str(rng.choice(["f", "m"]))
        rows += [(person, name, year, sex, f"{TELLING} born {number}") for name in on]
    # One person whose records disagree, and one without a register: both are spoken of in warnings.
    rows += [
        (f"{TELLING}-00001-zq", "police", 2014, "f", ""),
        (f"{TELLING}-00001-zq", "care", 2014, "m", ""),
    ]
    return pd.DataFrame(rows, columns=["pseudonym", "source", "year", "sex", "remark"])


@pytest.fixture(scope="module")
def table() -> mse.CaptureTable:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = mse.CaptureTable.from_records(
            records(), person="pseudonym", register="source", period="year", covariates=["sex"]
        )
    assert caught
    assert TELLING not in " ".join(str(each.message) for each in caught)
    known = table.patterns[:, -1] >= 0
    return mse.CaptureTable(
        table.lists, table.covariates, table.patterns[known], table.low[known], table.high[known]
    )


def shown(thing: object) -> Iterator[str]:
    """All that a thing shows of itself."""
    yield repr(thing)
    yield str(thing)
    for name in ("_repr_html_", "summary", "describe", "to_json", "to_frame", "to_dict"):
        method = getattr(thing, name, None)
        if callable(method):
            found = method()
            yield found.to_csv() if isinstance(found, pd.DataFrame) else str(found)
    for name, value in vars(thing).items() if hasattr(thing, "__dict__") else ():
        yield f"{name}: {value!r}"


def results(table: mse.CaptureTable) -> Iterator[object]:
    model = mse.LogLinear("police*year + care*year + kmar*year + year*sex")
    fit = model.fit(table)
    yield table
    yield fit
    yield fit.population
    comparison = mse.compare(table, [model])
    monitor = mse.monitor(table, groups=["sex"], estimator=model, replicates=10, seed=1, n_jobs=1)
    yield comparison
    yield monitor
    lists = table.collapse("year", "sex")
    yield mse.validate(lists, [mse.LogLinear("main")])
    yield from mse.diagnostics.check(lists, mse.LogLinear("main").fit(lists), seed=1)
    yield mse.sensitivity.leave_one_out(mse.LogLinear("main"), lists)
    strict = mse.disclosure.rules("cbs")
    for thing in (table, fit.population, comparison, monitor):
        yield mse.disclosure.protect(thing, strict)  # type: ignore[call-overload]
        yield mse.disclosure.check(thing, strict)


def test_no_result_shows_an_identifier(table: mse.CaptureTable) -> None:
    things = list(results(table))
    assert len(things) > 16
    for thing in things:
        for text in shown(thing):
            assert TELLING not in text, type(thing).__name__


def test_no_report_shows_an_identifier(table: mse.CaptureTable, tmp_path: Path) -> None:
    fit = mse.LogLinear("main").fit(table.collapse("year", "sex"))
    for suffix in (".html", ".md", ".json"):
        path = tmp_path / f"report{suffix}"
        mse.write_report(fit, path, figures=False)
        assert TELLING not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["text", "json", "csv"])
@pytest.mark.parametrize("disclosure", ["none", "cbs"])
def test_no_output_of_the_command_line_shows_an_identifier(
    form: str, disclosure: str, tmp_path: Path
) -> None:
    path = tmp_path / "records.csv"
    records().to_csv(path, index=False)
    arguments = ["monitor", str(path), "--person", "pseudonym", "--register", "source"]
    arguments += ["--groups", "sex", "--model", "police*year + care*year + kmar*year + year*sex"]
    arguments += ["--replicates", "100", "--workers", "1", "--seed", "1", "--format", form]
    result = RUN.invoke(app, [*arguments, "--disclosure", disclosure])
    assert result.exit_code in (0, 3), result.output
    assert TELLING not in result.stdout
    assert TELLING not in result.stderr
    if form == "json":
        json.loads(result.stdout)


def test_mistakes_are_reported_without_identifiers(tmp_path: Path) -> None:
    broken = records()
    broken.loc[3, "source"] = None
    broken.loc[5, "pseudonym"] = None
    with pytest.raises(mse.InvalidTableError) as error:
        mse.CaptureTable.from_records(broken, person="pseudonym", register="source", period="year")
    assert TELLING not in str(error.value)
    path = tmp_path / "records.csv"
    broken.to_csv(path, index=False)
    arguments = ["monitor", str(path), "--person", "pseudonym", "--register", "source"]
    result = RUN.invoke(app, arguments)
    assert result.exit_code == 2
    assert TELLING not in result.output


def test_individual_rows_leave_their_identifier_behind(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "pseudonym": [f"{TELLING}-{i}" for i in range(120)],
            "a": [1, 1, 0, 1] * 30,
            "b": [0, 1, 1, 0] * 30,
            "c": [0, 0, 1, 1] * 30,
        }
    )
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    result = RUN.invoke(app, ["estimate", str(path), "--lists", "a,b,c", "--model", "main"])
    assert result.exit_code == 0
    assert TELLING not in result.output


# What is named by mistake: a column of identifiers as a list, a count, a register.
def mistaken() -> pd.DataFrame:
    rows = {"id": [f"{TELLING}{n}" for n in range(40)], "register": ["police", "care"] * 20}
    return pd.DataFrame(rows).assign(a=1, b=[0, 1] * 20)


@pytest.mark.parametrize(
    "read",
    [
        lambda frame: mse.CaptureTable.from_frame(frame, lists=["id", "a"]),
        lambda frame: mse.CaptureTable.from_frame(frame, lists=["a", "b"], count="id"),
        lambda frame: mse.CaptureTable.from_records(frame, person="register", register="id"),
        lambda frame: mse.CaptureTable.from_records(
            frame, person="register", register="id", registers=["police", "care"]
        ),
    ],
)
def test_errors_give_the_number_of_values_and_not_the_values(read: Any) -> None:
    with pytest.raises(
        mse.InvalidTableError, match=r"40 (different|other) (values|texts)"
    ) as error:
        read(mistaken())
    assert TELLING not in str(error.value)


def test_a_column_of_identifiers_is_no_register() -> None:
    frame = mistaken()
    with pytest.raises(mse.InvalidTableError, match="person and register are exchanged"):
        mse.CaptureTable.from_records(frame, person="register", register="id")
    assert mse.CaptureTable.from_records(frame, person="id", register="register").lists == (
        "care",
        "police",
    )


def test_the_command_line_names_no_identifier(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    mistaken().to_csv(path, index=False)
    found = RUN.invoke(app, ["estimate", str(path), "--lists", "id,register"])
    assert found.exit_code == 2
    assert "40 other texts" in found.output
    assert TELLING not in found.output
