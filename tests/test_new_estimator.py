"""A new estimator is one file and one line: the whole library then knows it, and calls a bound a bound.

The package is copied, the file is added, the line is put in, and everything is asked of the copy in fresh
interpreters, as somebody who adds an estimator would.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from filecmp import dircmp
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from numba.core.caching import _CacheLocator

import mse
from mse.core._compiled import Kernel
from tests.snapshots import ROOT

FILE = '''"""Zelterman's estimator: what those on one list and on two tell about those on none."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from mse.answer.intervals import LognormalInterval
from mse.answer.method import LOWER_BOUND, Method
from mse.answer.population import answer
from mse.answer.protocols import Answered, check_lists_alone

if TYPE_CHECKING:
    from mse.data.table import CaptureTable


@dataclass(frozen=True)
class Zelterman:
    """Population size from the persons on one list and on two.

    Declared a lower bound here, to see what comes of such a declaration; where persons differ much,
    Zelterman's estimator may also lie above N (Boehning 2010).
    """

    method = Method(
        "Zelterman",
        "Lists are independent for each person; how persons differ is left open.",
        ("Zelterman, D. (1988). Robust estimation in truncated discrete distributions. JSPI 18, 225-237.",),
        LOWER_BOUND,
    )

    def fit(self, table: CaptureTable) -> Answered:
        """Estimate the population from a table of lists alone."""
        check_lists_alone(self, table)
        seen = table.n_observed
        once, twice = np.bincount(table.patterns.sum(axis=1), table.low, minlength=3)[1:3]
        if not once or not twice:
            limit = "zero" if twice else "infinite"
            why = f"Nobody is on {'one list' if twice else 'two lists'} and no other."
            return Answered(self, table, answer(self, table, nan, "not_estimable", limit, why))
        rate = 2 * twice / once
        odds = exp(-rate) / (1 - exp(-rate)) ** 2
        se = sqrt(seen * odds * (1 + seen * odds * rate**2 * (1 / once + 1 / twice)))
        hidden = seen / (1 - exp(-rate)) - seen
        return Answered(
            self, table, answer(self, table, hidden, uncertainty=LognormalInterval(hidden, se, seen))
        )
'''
LINE = '    "Zelterman": "mse.classical.zelterman",\n'

SCRIPT = """
import contextlib, io, json, sys
import mse
from mse.cli import main

def typed(*arguments):
    sys.argv = ["mse", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main()
    return out.getvalue()

table = mse.load_dataset("kosovo")
estimator = mse.Zelterman()
fit = estimator.fit(table)
p = fit.population
repeated = mse.bootstrap(estimator, table, 100, seed=1, n_jobs=1)
compared = mse.compare(table, ["Zelterman()", mse.LogLinear("main")])
every = mse.compare(mse.CaptureTable.from_counts({"10": 5, "01": 10, "11": 5}, ["a", "b"]), "all")
tested = mse.validate(table, [estimator])
given = [repeated, compared, tested]
reports = {}
for language in ("en", "nl"):
    path = f"report-{language}.md"
    mse.write_report(given, path, language=language, figures=False)
    reports[language] = open(path, encoding="utf-8").read()
ax = compared.plot()
again = mse.PopulationEstimate.from_json(p.to_json())
named = ["kosovo", "--estimator", "Zelterman()"]
print(json.dumps({
    "where": mse.__file__,
    "total": p.total,
    "interval": p.interval(),
    "repeated": [repeated.total, *repeated.interval(), repeated.lower_bound],
    "json": p.to_dict(),
    "again": [again.lower_bound, again.references, again.summary() == p.summary()],
    "summary": fit.summary(),
    "compared": compared.summary(),
    "frame": compared.to_frame()["lower_bound"].tolist(),
    "every": every.to_frame()["method"].tolist(),
    "tested": tested.summary(),
    "tests": tested.to_frame()["estimate"].tolist(),
    "bounds": tested.to_frame()["lower_bound"].tolist(),
    "reports": reports,
    "picture": [each.get_text() for each in ax.texts],
    "typed": {
        "compare": typed("compare", *named),
        "estimate": typed("estimate", *named, "--format", "json"),
        "help": typed("compare", "--help"),
    },
}))
"""


@dataclass(frozen=True)
class Copy:
    """A copy of the package with one estimator more."""

    root: Path

    def run(self, *arguments: str) -> str:
        """Run Python on the copy, and give what it prints."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root),
            "MPLBACKEND": "agg",
            "NUMBA_CACHE_DIR": str(self.root / "compiled"),
        }
        done = subprocess.run(
            [sys.executable, "-W", "ignore", *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def share_compiled_code(root: Path) -> None:
    """Let a copy keep its machine code where the package does, so that no kernel is compiled twice."""
    (root / "compiled").mkdir()
    kept = {}
    for path in (ROOT / "mse" / "core").rglob("*.py"):
        own = path.relative_to(ROOT)
        name = ".".join(own.with_suffix("").parts)
        for each in vars(import_module(name)).values():
            if isinstance(each, Kernel) and each.__module__ == name:
                kept[_CacheLocator.get_suitable_cache_subpath(root / own)] = each._cache.cache_path
    for folder, target in kept.items():
        (root / "compiled" / folder).symlink_to(target)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "mse", root / "mse", ignore=shutil.ignore_patterns("__pycache__"))
    share_compiled_code(root)
    (root / "mse" / "classical" / "zelterman.py").write_text(FILE, encoding="utf-8")
    registry = root / "mse" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    head = "ESTIMATORS = {\n"
    registry.write_text(text.replace(head, head + LINE), encoding="utf-8")
    return Copy(root)


@pytest.fixture(scope="module")
def said(copy: Copy) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(copy.run("-c", SCRIPT))
    assert Path(found["where"]).is_relative_to(copy.root)
    return found


def differing(compared: dircmp[str], at: str = "") -> list[str]:
    """List the files that differ or stand on one side only."""
    names = [*compared.diff_files, *compared.right_only, *compared.left_only]
    found = [f"{at}{name}" for name in names]
    for name, below in compared.subdirs.items():
        found += differing(below, f"{at}{name}/")
    return sorted(found)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_it_is_one_file_and_one_line(copy: Copy) -> None:
    compared = dircmp(ROOT / "mse", copy.root / "mse", ignore=["__pycache__"])
    assert differing(compared) == ["classical/zelterman.py", "registry.py"]
    before, after = (
        (root / "mse" / "registry.py").read_text(encoding="utf-8") for root in (ROOT, copy.root)
    )
    assert after.replace(LINE, "", 1) == before


def test_it_is_fitted_and_repeated(said: dict[str, Any]) -> None:
    table = mse.load_dataset("kosovo").to_frame()
    number = table[["EXH", "ABA", "OSCE", "HRW"]].sum(axis=1)
    once, twice = (table["n"][number == k].sum() for k in (1, 2))
    total = table["n"].sum() / (1 - math.exp(-2 * twice / once))
    assert said["total"] == pytest.approx(total, rel=1e-12)
    low, high = said["interval"]
    assert low < total < high
    again, low, high, bound = said["repeated"]
    assert again == said["total"]
    assert low < total < high
    assert bound


def test_its_answer_says_that_it_is_a_lower_bound(said: dict[str, Any]) -> None:
    summary = flat(said["summary"])
    assert f"Estimated total (at least), point {said['total']:,.0f}" in summary
    assert "Estimated share registered (at most), point" in summary
    assert "The total is a lower bound" in summary
    assert "Lists are independent for each person" in summary
    assert "Zelterman, D. (1988)" in summary
    assert said["json"]["lower_bound"] is True
    assert any("Zelterman, D. (1988)" in each for each in said["json"]["references"])
    bound, references, same = said["again"]
    assert bound
    assert any("Zelterman" in each for each in references)
    assert same


def test_it_is_compared_and_validated_as_a_lower_bound(said: dict[str, Any]) -> None:
    assert said["frame"] == [True, False]
    assert f"at least {said['total']:,.0f}" in said["compared"]
    assert "it is a lower bound" in flat(said["compared"])
    assert "Zelterman, D. (1988)" in flat(said["compared"])
    assert any(f"(at least {said['total']:,.0f})" in each for each in said["picture"])
    assert said["bounds"] == [True] * 4
    assert "Zelterman() (a lower bound)" in said["tested"]
    assert all(f"at least {each:,.0f}" in said["tested"] for each in said["tests"])
    assert "Zelterman" in said["every"]


@pytest.mark.parametrize(
    ("language", "least", "bound"),
    [
        ("en", "at least", "lower bound of the total"),
        ("nl", "ten minste", "ondergrens van het totaal"),
    ],
)
def test_a_report_calls_it_a_lower_bound(
    said: dict[str, Any], language: str, least: str, bound: str
) -> None:
    text, mark = said["reports"][language], "," if language == "en" else "."
    assert bound in text
    # Rounded, and downward.
    shown = re.findall(rf"{least} (\d[\d{mark}]*)", text)
    bounds = [int(each.replace(mark, "")) for each in shown]
    assert any(0.9 * said["total"] <= each <= said["total"] for each in bounds), bounds
    assert "Zelterman, D. (1988)" in text
    assert "Zelterman()" in text


def test_the_command_line_knows_it(said: dict[str, Any]) -> None:
    text = said["typed"]["compare"]
    assert "at least" in text
    assert "Zelterman, D. (1988)" in flat(text)
    data = json.loads(said["typed"]["estimate"])
    assert (data["method"], data["lower_bound"]) == ("Zelterman", True)
    assert "Zelterman" in said["typed"]["help"]
