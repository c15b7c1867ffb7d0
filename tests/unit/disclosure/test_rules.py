"""Rules by name and from files: what is read, and everything that is wrong at once."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import FrozenInstanceError, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import mse
from mse.disclosure import MARK, Rules, rules
from mse.disclosure.rules import presets
from tests.unit.disclosure import test_further

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_presets() -> None:
    cbs = rules("cbs")
    assert (cbs.threshold, cbs.base, cbs.group, cbs.dominance) == (10, 5, 0.9, 0.5)
    assert cbs.active
    assert cbs.suppresses
    assert not rules("none").active
    assert rules(cbs) is cbs
    assert MARK == "x"


def test_rules_are_settings() -> None:
    assert Rules(threshold=5) == Rules(threshold=5)
    assert len({Rules(threshold=5), Rules(threshold=5)}) == 1
    with pytest.raises(FrozenInstanceError):
        Rules().threshold = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("chosen", "active", "suppresses"),
    [
        (Rules(), False, False),
        (Rules(threshold=1), False, False),
        (Rules(threshold=1, zeros_safe=False), True, True),
        (Rules(base=3), True, False),
        (Rules(group=0.9), True, True),
    ],
)
def test_what_rules_ask_for(chosen: Rules, active: bool, suppresses: bool) -> None:
    assert (chosen.active, chosen.suppresses) == (active, suppresses)


def test_unsafe_counts() -> None:
    assert [Rules(threshold=5).unsafe(n) for n in (0, 1, 4, 5)] == [False, True, True, False]
    assert Rules(threshold=5, zeros_safe=False).unsafe(0)


def test_protection_limits() -> None:
    assert Rules(threshold=10).protection == (1, 10)
    assert Rules(threshold=10, zeros_safe=False).protection == (0, 10)
    assert Rules(threshold=10, limits=(2, 20)).protection == (2, 20)


def test_rounding_is_half_up_and_leaves_what_is_no_number() -> None:
    five = Rules(base=5)
    assert [five.rounded(x) for x in (2.4, 2.5, 7.5, 12)] == [0, 5, 10, 10]
    assert five.rounded(float("inf")) == float("inf")
    assert Rules(threshold=10).rounded(3.6) == 4
    assert Rules().rounded(3.6) == 3.6


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(mse.ModelError) as error:
        Rules(threshold=-1, base=0, group=90, zeros_safe="yes", limits=(9, 3), name="")  # type: ignore[arg-type]
    text = str(error.value)
    assert text.startswith("6 problems in the disclosure rules:")
    for part in (
        "threshold is -1",
        "base is 0",
        "group is 90",
        "zeros_safe is 'yes'",
        "limits are",
    ):
        assert part in text


def test_limits_must_be_two_whole_numbers() -> None:
    with pytest.raises(mse.ModelError, match="two whole numbers"):
        Rules(limits=(1, 2.5))  # type: ignore[arg-type]


def test_files(tmp_path: Path) -> None:
    toml = tmp_path / "ours.toml"
    toml.write_text('like = "cbs"\nbase = 3\nlimits = [1, 20]\n', encoding="utf-8")
    cbs = rules("cbs")
    expected = replace(cbs, base=3, limits=(1, 20), name="ours")
    assert rules(toml) == rules(str(toml)) == expected
    as_json = tmp_path / "other.json"
    as_json.write_text(json.dumps({"threshold": 7, "name": "seven"}), encoding="utf-8")
    assert rules(as_json) == Rules(threshold=7, name="seven")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            'treshold = 5\nlike = "cbss"\nbase = 0',
            ["3 problems", "Did you mean 'threshold'?", "like is 'cbss'", "base is 0"],
        ),
        ("threshold = ", ["cannot be read", "TOML or JSON"]),
    ],
)
def test_files_with_mistakes(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(mse.ModelError) as error:
        rules(path)
    for part in parts:
        assert part in str(error.value)


def test_json_that_is_no_object(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text("[1]", encoding="utf-8")
    with pytest.raises(mse.ModelError, match="expected an object"):
        rules(path)


def test_unknown_names_and_missing_files() -> None:
    with pytest.raises(mse.ModelError, match="Did you mean 'cbs'"):
        rules("csb")
    with pytest.raises(mse.ModelError, match="cannot be read"):
        rules("nowhere.toml")


def test_the_sentence_says_what_was_done() -> None:
    text = rules("cbs").sentence()
    for part in ("cbs", "below 10", "90%", "50%", "multiples of 5", "computed from totals"):
        assert part in text
    assert Rules().sentence().endswith("none.")
    assert "zeros too" in Rules(threshold=3, zeros_safe=False).sentence()


def test_rules_of_offices_are_files_with_date_and_source() -> None:
    found = presets()
    assert {"cbs", "ten", "seven", "five", "none"} == set(found)
    for name, each in found.items():
        assert each.name == name
        assert name == "none" or (each.suppresses and each.source and each.date[:4].isdigit())
    assert (found["ten"].threshold, found["ten"].base) == (10, 5)
    assert (found["five"].threshold, found["five"].base) == (5, 1)
    # Counts of 7 and fewer.
    assert found["seven"].unsafe(7)
    assert not found["seven"].unsafe(8)


# Case E10: rules that suppress nothing and say that they apply, or that cannot be read.
@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("group = 1e-300", "group is 1e-300"),
        ("threshold = 10\nbase = 4611686018427387904", "base is 4611686018427387904"),
        ("threshold = 100000", "at most 1,000"),
        ("threshold = 1", "protect nothing"),
        ("threshold = 0\nbase = 1", "protect nothing"),
        ("grain = 1e-9\nthreshold = 10", "grain is 1e-09"),
        ("threshold = 10\ndominance = 1e-5", "dominance is 1e-05"),
        ("threshold = 10\nlimits = [1, 4611686018427387904]", "limits are"),
        ("threshold = 10\nlimits = [0, 1]", "reach to the threshold"),
        ("threshold = nan", "threshold is nan"),
        ("threshold = 10\nsource = 3", "source is 3"),
        ('like = ["cbs"]', "like is"),
        (f"threshold = {'[' * 100_000}", "cannot be read"),
    ],
)
def test_e10_rules_that_protect_nothing_are_refused(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(mse.ModelError, match=re.escape(part)) as error:
        rules(path)
    assert len(str(error.value)) < 600


def test_deep_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(mse.ModelError, match="cannot be read"):
        rules(path)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (1_000, 50),
        (1_930, 50),
        (2_000, 100),
        (399, 10),
        (3, 5),
        (float("nan"), 5),
        (float("inf"), 5),
    ],
)
def test_steps_are_at_most_a_share_of_the_interval(width: float, expected: float) -> None:
    step = Rules(threshold=10, base=5).step(width, 100.0)
    assert step == expected
    assert Rules(base=5).step(width, 100.0) == 5


def _asked(tmp_path: Path) -> dict[str, Callable[[Any], object]]:
    """Public functions that take rules, each called with what it is about."""
    table = mse.load_dataset("korea")
    frame = pd.DataFrame({"a": [3, 40], "b": [50, 60]}, index=["f", "m"])
    fit = mse.LogLinear("main").fit(table)
    several = mse.compare(table, [mse.LogLinear("main")])
    group = pd.DataFrame({"person": range(200), "start": "2020-01-01"})
    register = pd.DataFrame({"person": range(60), "date": "2020-02-01"})
    reach = mse.reach(group, register, "180D", until="2021-01-01")
    yearly = np.stack([table.counts, table.counts], axis=-1)
    years = mse.CaptureTable.from_array(yearly, table.lists, {"year": [2014, 2015]})
    monitor = mse.monitor(years, estimator=mse.LogLinear("main"), replicates=20, seed=1)
    d, file = mse.disclosure, tmp_path / "estimate.json"
    file.write_text(fit.population.to_json(), encoding="utf-8")
    bundle, key = d.Bundle.at(None), d.Bundle(1)
    report, plan = test_further.monitored(), test_further.planned("korea")
    drivers = mse.drivers(report, test_further.yearly(), 2014, 2015, by="sex")
    return {
        "acro_outcome": lambda r: json.loads(
            d.acro_outcome([file], r, tmp_path / "acro").read_text(encoding="utf-8")
        )["results"]["output_0"]["outcome"],
        "attack": lambda r: d.attack(file, r).to_csv(),
        "check": lambda r: d.check(table, r).to_frame().to_csv(),
        "protect": lambda r: d.protect(table, r).summary(),
        "protect_comparison": lambda r: d.protect_comparison(several, r).summary(),
        "protect_counts": lambda r: d.protect_counts(frame, r).summary(),
        "protect_drivers": lambda r: d.protect_drivers(drivers, r, monitor=report).summary(),
        "protect_nowcast": lambda r: d.protect_nowcast(
            test_further.nowcast("2015-12-31"), r
        ).summary(),
        "protect_plan": lambda r: d.protect_plan(plan, r).summary(),
        "protect_revisions": lambda r: d.protect_revisions(test_further.revisions(), r).summary(),
        "protect_monitor": lambda r: d.protect_monitor(monitor, r).summary(),
        "protect_population": lambda r: d.protect_population(fit.population, r).to_json(),
        "protect_reach": lambda r: d.protect_reach(reach, r).summary(),
        "protect_table": lambda r: d.protect_table(table, r).summary(),
        "protect_together": lambda r: [
            each.summary() for each in d.protect_together([table, fit.population], r)
        ],
        "release": lambda r: d.release({"observed": 120, "other": 3}, [], r),
        "suppressions": lambda r: d.suppressions(table, r).to_csv(),
        "Bundle.held": lambda r: bundle.held(table, r),
        "Bundle.with_run": lambda r: key.with_run({}, r, table, None).runs,
    }


def test_rules_are_taken_in_one_way_everywhere(tmp_path: Path) -> None:
    asked = _asked(tmp_path)
    taking = {
        name
        for name in mse.disclosure.__all__
        if inspect.isfunction(each := getattr(mse.disclosure, name))
        and "rules" in inspect.signature(each).parameters
    }
    assert {name for name in asked if "." not in name} == taking
    file = tmp_path / "office.toml"
    file.write_text('like = "cbs"\nname = "cbs"\n', encoding="utf-8")
    for name, call in asked.items():
        expected = call(rules("cbs"))
        assert call("cbs") == expected, name
        assert call(file) == expected, name
        with pytest.raises(mse.ModelError, match=r"no disclosure rules 'cbz'.*Did you mean 'cbs'"):
            call("cbz")
        with pytest.raises(mse.ModelError, match=r"rules are 10: expected 'none', .* or `Rules`"):
            call(10)


def test_what_other_rules_protected_is_not_taken_for_protected() -> None:
    table = mse.load_dataset("korea")
    safe = mse.disclosure.protect(table, "five")
    assert mse.disclosure.protect(safe, "five") is safe
    assert mse.disclosure.protect(safe, "none") is safe
    with pytest.raises(mse.ModelError, match="rules five, and is to leave under cbs: protect what"):
        mse.disclosure.protect(safe, "cbs")
