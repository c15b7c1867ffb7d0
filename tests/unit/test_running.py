"""A year in one file: run, run again, verified, reviewed, compared."""

from __future__ import annotations

import json
import math
import re
import sqlite3
import stat
import tomllib
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

import mse
from mse import resampling
from mse._schemas import schema
from mse.cli import app
from mse.data.read_options import ReadOptions
from mse.data.reading import understood
from mse.disclosure.printed import read_printed
from mse.errors import ModelError
from mse.messages import languages
from mse.reporting.writing import FORMS
from mse.running import anew, making, run
from mse.running.configuration import Configuration, Output, template
from mse.running.folder import digest
from mse.running.verifying import _near, _tokens, verify

if TYPE_CHECKING:
    from click.testing import Result

RUN = CliRunner()
COUNTS = {
    2014: {"100": 70, "010": 60, "001": 45, "110": 19, "101": 18, "011": 16, "111": 4},
    2015: {"100": 85, "010": 62, "001": 50, "110": 22, "101": 15, "011": 18, "111": 5},
    2016: {"100": 91, "010": 74, "001": 58, "110": 25, "101": 17, "011": 21, "111": 6},
}


def registrations() -> pd.DataFrame:
    """Make one row for each registration; identifiers say that they are not to be seen."""
    rows, person = [], 0
    for year, counts in COUNTS.items():
        for history, persons in counts.items():
            for _ in range(persons):
                person += 1
                on = [name for name, each in zip("abc", history, strict=True) if each == "1"]
                rows += [(f"SECRET{person:05d}", name, year) for name in on]
    return pd.DataFrame(rows, columns=["person", "register", "year"])


def configuration(**sections: dict[str, Any]) -> str:
    """Write a configuration of the registrations, quick to run."""
    data = {"source": "r.csv", "person": "person", "register": "register", "period": "year"}
    method = {"replicates": 100, "model": "a*year + b*year + c*year", "heterogeneity": False}
    output = {"workers": 1, "figures": False, "reports": ["html", "md"]}
    known = {"data": data, "method": method, "output": output}
    lines = []
    for name in dict.fromkeys([*known, *sections]):
        lines.append(f"[{name}]")
        values = {**known.get(name, {}), **sections.get(name, {})}
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(lines)


def written(folder: Path, name: str = "year.toml", **sections: dict[str, Any]) -> Path:
    path = folder / name
    path.write_text(configuration(**sections), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    registrations().to_csv("r.csv", index=False)
    return tmp_path


def command(*arguments: object, status: int = 0) -> Result:
    found = RUN.invoke(app, [str(each) for each in arguments])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == status, found.output
    return found


def everything(folder: Path) -> bytes:
    """All that was written, archives unpacked."""
    import zipfile

    found = []
    for path in folder.rglob("*"):
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                found += [archive.read(name) for name in archive.namelist()]
        elif path.is_file() and path.name not in ("r.csv", "r.db"):
            found.append(path.read_bytes())
    return b"\n".join(found)


# Running ------------------------------------------------------------------------------------------


def test_a_run_gives_what_the_monitor_gives(folder: Path) -> None:
    made = run(written(folder))
    assert {each.name for each in made.iterdir()} == {
        *("result.json", "figures.csv", "changes.csv", "report.html", "report.md", "private"),
    }
    table = mse.read("r.csv", person="person", register="register", period="year")
    model = mse.LogLinear("a*year + b*year + c*year")
    found = mse.monitor(table, "year", (), model, 100, 1, heterogeneity=False)
    shown = json.loads((made / "result.json").read_text(encoding="utf-8"))
    assert shown["cells"] == json.loads(found.to_json())["cells"]


def test_what_stays_inside_is_for_the_owner_and_holds_no_identifier(folder: Path) -> None:
    made = run(written(folder, about={"population": "somebody"}))
    for path in (made / "private", folder / ".mse"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in path.iterdir())
    assert b"SECRET" not in everything(folder)
    log = (made / "private" / "log.txt").read_text(encoding="utf-8")
    assert all(each in log for each in ("multiple-systems", "numpy", "reading:", "the monitor:"))


def test_an_unchanged_file_is_not_run_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(folder)
    made = run(path)
    with monkeypatch.context() as patched:
        patched.setattr(anew, "run_anew", lambda *_, **__: pytest.fail("it was run"))
        said: list[str] = []
        run(path, announce=said.append)
        assert "nothing has changed" in said[-1]
    (made / "figures.csv").write_text("touched", encoding="utf-8")
    run(path)
    assert "touched" not in (made / "figures.csv").read_text(encoding="utf-8")


def test_a_changed_caption_estimates_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(written(folder))
    monkeypatch.setattr(making, "monitor", lambda *_, **__: pytest.fail("it was estimated"))
    about = {"title": "Another title", "population": "others than before", "when": "of late"}
    made = run(written(folder, about=about))
    assert "Another title" in (made / "report.html").read_text(encoding="utf-8")
    shown = json.loads((made / "result.json").read_text(encoding="utf-8"))
    assert shown["info"]["population"] == "others than before"
    with pytest.raises(BaseException, match="it was estimated"):
        run(written(folder, about=about, method={"seed": 2}))


def test_one_total_without_a_period(folder: Path) -> None:
    text = '[data]\nsource = "kosovo"\nlists = ["EXH", "OSCE"]\n[method]\nreplicates = 100\nheterogeneity = false\n'
    path = folder / "total.toml"
    path.write_text(text + '[output]\nworkers = 1\nfigures = false\nreports = ["md"]\n', "utf-8")
    made = run(path)
    shown = json.loads((made / "result.json").read_text(encoding="utf-8"))
    table = mse.load_dataset("kosovo").keep_lists(["EXH", "OSCE"])
    found = mse.estimate(table, replicates=100, seed=1, heterogeneity=False)
    assert shown["interval"] == json.loads(found.to_json())["interval"]
    assert verify(made).passes


def test_scope(folder: Path) -> None:
    scope = {"periods": [2015, 2016], "scope": "registered in the capital"}
    made = run(written(folder, scope=scope))
    shown = json.loads((made / "result.json").read_text(encoding="utf-8"))
    assert [each["period"] for each in shown["periods"]] == [2015, 2016]
    assert {each["scope"] for each in shown["periods"]} == {"registered in the capital"}
    path = written(folder)
    path.write_text(path.read_text() + '\n[scope]\nbreaks = {2016 = "newer"}\n', encoding="utf-8")
    shown = json.loads((run(path) / "result.json").read_text(encoding="utf-8"))
    assert shown["breaks"] == [[2015, 2016]]


def test_what_was_finished_is_kept_where_a_run_is_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def stopping(*given: Any) -> Any:
        made.append(1)
        if len(made) == 2:
            raise KeyboardInterrupt
        return resampling_redraw(*given)

    resampling_redraw = resampling._redraw
    path = written(folder, method={"replicates": 150})
    monkeypatch.setattr(resampling, "_redraw", stopping)
    said: list[str] = []
    with pytest.warns(mse.ConvergenceWarning):
        run(path, announce=said.append)
    assert any("run it again" in each for each in said)
    finished = [each.name for each in (folder / ".mse").rglob("*-*.npz")]
    assert finished
    result = run(path, announce=said.append)
    # One chunk was taken up: the others are drawn, and the first is not drawn again.
    assert len(made) == 1 + math.ceil(150 / resampling.CHUNK)
    assert json.loads((result / "result.json").read_text())["replicates"] == 150
    assert not [*(folder / ".mse").rglob("*.parts")]
    assert verify(result).passes


def test_the_workbook_is_one_of_the_reports_and_is_verified(folder: Path) -> None:
    made = run(written(folder, output={"reports": ["xlsx"], "figures": True}))
    data = (made / "report.xlsx").read_bytes()
    said = command("verify", made).stdout
    assert said.count("the same to the byte") == 4
    with zipfile.ZipFile(made / "report.xlsx") as archive:
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
    day = json.loads((made / "private" / "run.json").read_text())["date"]
    assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]*", core)) == {f"{day}T00:00:00"}
    command("bundle", made, "--for-review", "-o", "review")
    assert Path("review/leaves/report.xlsx").read_bytes() == data
    # One figure another, and it is said to be.
    book = openpyxl.load_workbook(made / "report.xlsx")
    book.worksheets[1]["B3"] = 1
    book.save(made / "report.xlsx")
    assert "changed since the run" in command("verify", made, status=5).stdout


def test_elsewhere_the_figures_of_a_workbook_are_compared(folder: Path) -> None:
    made = run(written(folder, output={"reports": ["xlsx"]}))
    record = made / "private" / "run.json"

    def moved(by: float) -> bool:
        book = openpyxl.load_workbook(made / "report.xlsx")
        sheet = next(
            each for each in book.worksheets if "estimate" in each.title or "periods" in each.title
        )
        cell = next(c for row in sheet.iter_rows() for c in row if isinstance(c.value, float))
        cell.value *= 1 + by
        book.save(made / "report.xlsx")
        known = json.loads(record.read_text())
        known["software"]["numpy"] = "1.0"
        known["outputs"]["report.xlsx"] = digest((made / "report.xlsx").read_bytes())
        record.write_text(json.dumps(known), encoding="utf-8")
        return verify(made).passes

    assert moved(1e-13)
    assert not moved(1e-6)


def test_under_rules_the_attack_reads_the_workbook(folder: Path) -> None:
    made = run(written(folder, disclosure={"rules": "cbs"}, output={"reports": ["xlsx", "json"]}))
    one, other = (read_printed(made / name) for name in ("report.xlsx", "report.json"))
    ends = [{level: each.ends[level] for level in each.ends} for each in one.estimates]
    assert ends == [dict(each.ends) for each in other.estimates]
    with pytest.raises(ModelError, match="cannot be read"):
        read_printed(written(folder, "no.xlsx"))


def test_under_rules_the_error_stream_names_no_count(folder: Path) -> None:
    # Two rows of one person disagree: "in 1 of 779 units" is a count.
    rows = registrations().assign(sex="f")
    rows.loc[rows.index[rows["person"].duplicated()][:1], "sex"] = "m"
    rows.to_csv("r.csv", index=False)
    settings: dict[str, Any] = {
        "data": {"covariates": ["sex"]},
        "method": {"model": "a*year + b*year + c*year + sex"},
        "output": {"reports": ["md"]},
    }
    (folder / "office.toml").write_text('like = "cbs"', encoding="utf-8")
    for place, rules in enumerate(("none", "cbs", "office.toml")):
        asked = {**settings, "disclosure": {"rules": rules, "private": f"p{place}.json"}}
        said = command("run", written(folder, **asked), "--fresh").stderr
        warned = " ".join(each for each in said.splitlines() if "warning" in each)
        assert warned
        assert ("units" in warned) == (rules == "none")
        assert bool(re.search(r"\d", warned)) == (rules == "none")


def test_under_rules_a_value_that_is_a_list_by_mistake_is_not_printed(folder: Path) -> None:
    rows = registrations()
    rows.loc[7, "register"] = "SECRET00007"
    rows.to_csv("r.csv", index=False)
    said = command("run", written(folder, disclosure={"rules": "cbs"}), status=2)
    assert "Name the lists that there are with [data] lists" in said.stderr
    assert b"SECRET00007" not in everything(folder) + said.output.encode()


@pytest.mark.parametrize("rules", ["cbs", "none"])
def test_under_rules_further_methods_draw_from_the_secret_seed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rules: str
) -> None:
    seeds, fit = [], mse.DecomposableGraphs.fit
    monkeypatch.setattr(
        mse.DecomposableGraphs,
        "fit",
        lambda self, table: (seeds.append(self.seed), fit(self, table))[1],
    )
    text = '[data]\nsource = "korea"\n[method]\nreplicates = 100\nestimators = ["DecomposableGraphs()"]\n'
    text += 'heterogeneity = false\n[output]\nworkers = 1\nfigures = false\nreports = ["md"]\n'
    path = folder / "total.toml"
    path.write_text(f'{text}[disclosure]\nrules = "{rules}"\n', "utf-8")
    made = run(path)
    assert (seeds[0] == 1) == (rules == "none")
    assert verify(made).passes
    assert len({*seeds}) == 1


def test_places_are_reported_as_the_monitor_reports_them(folder: Path) -> None:
    rows = registrations()
    rows["town"] = "town " + (rows["person"].str[-5:].astype(int) % 4).astype(str)
    rows.to_csv("r.csv", index=False)
    Path("regions.csv").write_text(
        "town,region\n" + "".join(f"town {i},{'NS'[i % 2]}\n" for i in range(4))
    )
    method = {
        "place": "town",
        "regions": "regions.csv",
        "estimator": "joint",
        "model": "a*year + b*year + c*year + town",
    }
    path = written(folder, method=method)
    made = run(path)
    frame = pd.read_csv(made / "places.csv")
    assert set(frame["town"]) == {f"town {i}" for i in range(4)}
    assert set(frame["region"]) == {"N", "S"}
    table = mse.read(
        "r.csv", person="person", register="register", period="year", covariates=["town"]
    )
    model = mse.LogLinear(method["model"])
    found = mse.monitor(
        table,
        "year",
        (),
        model,
        100,
        1,
        heterogeneity=False,
        place="town",
        regions=pd.read_csv("regions.csv"),
    )
    assert found.places is not None
    expected = found.places.to_frame()
    assert frame["total"].to_numpy() == pytest.approx(expected["total"].to_numpy(), rel=1e-9)
    assert verify(made).passes
    # Another region is another result.
    Path("regions.csv").write_text("town,region\n" + "".join(f"town {i},N\n" for i in range(4)))
    assert set(pd.read_csv(run(path) / "places.csv")["region"]) == {"N"}


def late() -> dict[str, Any]:
    """Write registrations of which those of the last months are still to come."""
    rows = registrations()
    number = rows["person"].str[-5:].astype(int)
    rows["date"] = pd.to_datetime(rows["year"].astype(str) + "-01-01") + pd.to_timedelta(
        number * 7 % 360, "D"
    )
    rows["received"] = rows["date"] + pd.to_timedelta(number * 13 % 150, "D")
    rows[rows["received"] <= "2017-01-20"].to_csv("r.csv", index=False)
    return {"date": "date", "received": "received"}


def test_a_date_completes_the_last_periods(folder: Path) -> None:
    data = late()
    path = written(folder, data=data, scope={"as_of": "2017-01-20"})
    # A date may stand without quotes.
    path.write_text(path.read_text().replace('"2017-01-20"', "2017-01-20"), encoding="utf-8")
    made = run(path)
    shown = json.loads((made / "result.json").read_text(encoding="utf-8"))
    assert any(each["preliminary"] for each in shown["cells"])
    read = mse.read("r.csv", person="person", register="register", period="year", **data)
    model = mse.LogLinear("a*year + b*year + c*year")
    options = ReadOptions(person="person", register="register", period="year", **data)
    nowcast = mse.nowcast(understood("r.csv", options, {}), "2017-01-20", seed=1)
    found = mse.monitor(nowcast, "year", (), model, 100, 1, heterogeneity=False)
    assert shown["cells"] == json.loads(found.to_json())["cells"]
    assert read.n_observed == found.population.observed
    assert b"SECRET" not in everything(folder)
    Path("r.csv").unlink()
    assert verify(made).passes


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ({"not_in": {"a": [2016]}}, "add as_of"),
        ({"as_of": "2017-01-20", "periods": [2015]}, "leave one of them out"),
        ({"as_of": "2017-01-20", "not_operating": {"a": [2016]}}, "leave one of them out"),
        ({"as_of": "2017-01-20", "not_in": {"a": [2019]}}, "no year in the table"),
        ({"as_of": "some day"}, "date"),
        ({"as_of": 2016}, "expected a date"),
        ({"as_off": "2017-01-20"}, "'as_of'?"),
    ],
)
def test_dates_that_do_not_go_together_are_refused(
    folder: Path, scope: dict[str, Any], told: str
) -> None:
    data = late()
    path = written(
        folder, data=data, scope={k: v for k, v in scope.items() if not isinstance(v, dict)}
    )
    for name, value in scope.items():
        if isinstance(value, dict):
            ((key, levels),) = value.items()
            start = "" if "[scope]" in path.read_text() else "\n[scope]"
            path.write_text(f"{path.read_text()}{start}\n{name} = {{{key} = {levels}}}\n")
    assert told in " ".join(command("run", path, status=2).stderr.split())


def test_forms_and_languages_are_checked_before_anything_is_read(folder: Path) -> None:
    path = written(folder, output={"reports": ["html", "pdf"], "languages": ["de"]})
    said = command("run", path, status=2).stderr
    assert "'pdf'" in said
    assert "'de'" in said
    assert not (folder / "results").exists()


def test_the_choices_are_those_that_there_are() -> None:
    choices = {each.name: each.metadata["choices"] for each in fields(Output)}
    assert set(choices["reports"]) == set(FORMS)
    assert set(choices["languages"]) == set(languages())


# The configuration --------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_said_at_once(folder: Path) -> None:
    path = folder / "wrong.toml"
    path.write_text(
        '[daat]\n[data]\nblank = 3\n[method]\nreplicate = 5\nseed = "one"\n[output]\nfigures = 1\n'
    )
    said = command("run", path, status=2).stderr
    for part in ("[daat]", "'data'?", "source", "'replicates'?", "'one'", "figures is 1"):
        assert part in said


def test_the_template_says_the_defaults() -> None:
    text = template("r.csv", ReadOptions(blank="0"), ("sex",), 5)
    found = Configuration.of(tomllib.loads(text))
    asked = Configuration.of(
        {"data": {"source": "r.csv", "blank": "0"}, "method": {"groups": ["sex"], "seed": 5}}
    )
    assert found == asked
    # What stands behind a # can be said.
    said = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    assert all(tomllib.loads(line) for line in said)


def test_init_writes_what_run_executes(folder: Path) -> None:
    offered = command("init", "r.csv", "--period", "year", "-o", "m.toml").stdout
    assert "mse run m.toml" in offered
    text = Path("m.toml").read_text(encoding="utf-8")
    assert "SECRET" not in text + offered
    for old, new in (
        ("replicates = 1000", "replicates = 100"),
        ("# heterogeneity = true", "heterogeneity = false"),
        ("workers = -1", "workers = 1"),
        ("figures = true", "figures = false"),
    ):
        assert old in text
        text = text.replace(old, new)
    Path("m.toml").write_text(text, encoding="utf-8")
    assert "the results are in results" in command("run", "m.toml").stdout
    assert "exists" in command("init", "r.csv", "-o", "m.toml", status=2).stderr
    assert (folder / "results" / "report.html").exists()


def test_credentials_are_in_no_file_log_or_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = sqlite3.connect("r.db")
    registrations().to_sql("r", connection, index=False)
    connection.close()
    monkeypatch.setenv("MSE_TEST_PASSWORD", "hunter2hunter2")
    query = "select * from r where '${MSE_TEST_PASSWORD}' <> ''"
    made = command("run", written(folder, data={"source": "r.db", "query": query}))
    assert b"hunter2" not in everything(folder)
    assert "hunter2" not in made.output
    query = "select ${MSE_TEST_PASSWORD} from r"
    path = written(folder, data={"source": "r.db", "query": query})
    said = command("run", path, status=2).stderr
    assert "${MSE_TEST_PASSWORD}" in said
    assert "hunter2" not in said
    monkeypatch.delenv("MSE_TEST_PASSWORD")
    assert "is not set" in command("run", path, status=2).stderr


@pytest.mark.parametrize(
    "source", ["postgresql://me:hunter2@host/db", "host=db password=hunter2", "x pwd='hunter2'"]
)
def test_a_credential_that_is_written_out_is_refused(source: str) -> None:
    with pytest.raises(ModelError, match="environment variable") as caught:
        Configuration.of({"data": {"source": source}})
    assert "hunter2" not in str(caught.value)
    Configuration.of({"data": {"source": source.replace("hunter2", "${PASSWORD}")}})


# Verified, reviewed -------------------------------------------------------------------------------


def test_verify_finds_what_was_changed(folder: Path) -> None:
    made = run(written(folder))
    said = command("verify", made).stdout
    assert said.count("the same to the byte") == 5
    # The source is not needed.
    Path("r.csv").unlink()
    command("bundle", made, "-o", "copy")
    command("verify", "copy")
    path = made / "figures.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("2014", "2013", 1), encoding="utf-8")
    assert "changed since the run" in command("verify", made, status=5).stdout


def test_elsewhere_figures_need_to_be_near_only(folder: Path) -> None:
    made = run(written(folder))
    path, record = made / "result.json", made / "private" / "run.json"

    def moved(by: float) -> bool:
        data, known = json.loads(path.read_text()), json.loads(record.read_text())
        data["cells"][0]["total"]["point"] *= 1 + by
        path.write_text(json.dumps(data), encoding="utf-8")
        known["software"]["numpy"] = "1.0"
        known["outputs"]["result.json"] = digest(path.read_text())
        record.write_text(json.dumps(known), encoding="utf-8")
        return verify(made).passes

    assert moved(1e-12)
    assert not moved(1e-6)


def test_numbers_in_texts_are_numbers() -> None:
    assert _near(_tokens("a,1.0,x2"), _tokens("a,1.0000000000001,x2"))
    assert not _near(_tokens("a,1.0"), _tokens("b,1.0"))
    assert not _near(_tokens("1e9"), _tokens("1.1e9"))


def test_review_has_what_leaves_and_nothing_of_what_stays(folder: Path) -> None:
    made = run(written(folder, disclosure={"rules": "cbs"}))
    command("bundle", made, "--for-review", "-o", "review")
    found = {str(each.relative_to("review")) for each in Path("review").rglob("*.*")}
    leaving = {"changes.csv", "figures.csv", "report.html", "report.md", "result.json"}
    told = {"README.md", "attack.csv", "methods.md", "verification.txt"}
    assert found == {*told, *(f"leaves/{each}" for each in leaving)}
    said = Path("review/README.md").read_text(encoding="utf-8")
    assert "0 counts given away" in said
    assert "Verification (`verification.txt`): passes." in said
    key = json.loads((folder / ".mse" / "private.json").read_text())["key"]
    assert key.encode() not in everything(Path("review"))
    assert "Methodological account" in Path("review/methods.md").read_text(encoding="utf-8")
    # Published once, noted once.
    run(written(folder, disclosure={"rules": "cbs"}, about={"title": "other"}))
    assert len(json.loads((folder / ".mse" / "private.json").read_text())["runs"]) == 1


# Compared -----------------------------------------------------------------------------------------


def test_what_changed_is_said_by_cause(folder: Path) -> None:
    run(written(folder, scope={"periods": [2014, 2015]}, output={"folder": "old"}))
    made = run(written(folder, output={"folder": "new", "last": "old", "languages": ["en", "nl"]}))
    said = " ".join(command("compare-runs", "old", "new").stdout.split())
    assert "several things changed: data, scope" in said
    assert "2014, 2015 before" in said
    report = (made / "report-en.md").read_text(encoding="utf-8")
    assert "What changed since the last run" in report
    assert "Wat er veranderde" in (made / "report-nl.md").read_text(encoding="utf-8")
    data = json.loads(command("compare-runs", "old", "new", "--format", "json").stdout)
    Draft202012Validator(schema("since")).validate(data)
    (row,) = [each for each in data["figures"] if each["where"] == "2014"]
    assert row["before"]["observed"] == row["after"]["observed"] == 232
    (row,) = [each for each in data["figures"] if each["where"] == "2016"]
    assert row["before"] is None
    assert verify(made).passes


def test_one_cause_is_enough(folder: Path) -> None:
    run(written(folder, output={"folder": "old"}))
    run(written(folder, output={"folder": "new"}, about={"title": "other"}))
    assert "Nothing differs" in command("compare-runs", "old", "new").stdout
    run(written(folder, output={"folder": "newer"}, method={"level": 0.9}))
    said = " ".join(command("compare-runs", "old", "newer").stdout.split())
    assert "comes from it: method." in said
    assert "[method] level: 0.95 before, 0.9 now." in said


def test_data_and_method_are_told_apart_by_the_earlier_data(folder: Path) -> None:
    run(written(folder, scope={"periods": [2014, 2015]}, output={"folder": "old"}))
    other = {"model": "a*b*year + c*year"}
    run(written(folder, output={"folder": "new", "last": "old"}, method=other))
    data = json.loads(command("compare-runs", "old", "new", "--format", "json").stdout)
    Draft202012Validator(schema("since")).validate(data)
    assert not Draft202012Validator(schema("since")).is_valid({**data, "causes": ["chance"]})
    table = mse.read("r.csv", person="person", register="register", period="year")
    earlier = table.where(year=[2014, 2015])
    middle = mse.LogLinear(other["model"]).fit(earlier).population.margin("year")
    totals = [each["total"] for each in data["steps"]]
    assert [each["what"] for each in data["steps"]] == ["before", "method", "data"]
    assert totals[1] == pytest.approx(middle["total"].iloc[-1], rel=1e-12)
    # The years share no parameter of this model, so that the data of others do not move this one.
    assert math.isclose(totals[1], totals[2], rel_tol=1e-6)


def test_a_folder_that_is_no_run() -> None:
    for arguments in (("verify", "."), ("bundle", "."), ("compare-runs", ".", ".")):
        assert "holds no run" in command(*arguments, status=2).stderr
