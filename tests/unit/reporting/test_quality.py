"""An account in the headings of others: every heading, what fills it, and what only the author can write."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import mse
from mse._typing import FrozenDict
from mse.errors import ModelError
from mse.monitoring.draws import Figure
from mse.monitoring.result import Late, LatePeriod
from mse.reporting.parts.quality import SCHEMES
from mse.words.content import Paragraph, plain
from tests.json_schemas import validator

if TYPE_CHECKING:
    from pathlib import Path


@cache
def results() -> list[Any]:
    table = mse.load_dataset("kosovo")
    search = mse.LogLinearSearch()
    fit = search.fit(table)
    parts = mse.diagnostics.check(table, fit), mse.sensitivity.leave_one_out(search, table)
    return [mse.estimate(table, replicates=40, seed=1), table, *parts]


def empty(report: mse.reporting.Report) -> set[str]:
    """Name the headings under which nothing is known."""
    told = {"TO BE WRITTEN", "TE SCHRIJVEN"}
    return {
        section.id
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Paragraph) and any(each in plain(block.text) for each in told)
    }


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_every_heading_is_there_and_says_what_is_missing(scheme: str, language: str) -> None:
    found = mse.quality_account(results(), scheme, language=language)
    assert len(found.sections) == len(SCHEMES[scheme])
    for section, item in zip(found.sections, SCHEMES[scheme], strict=True):
        assert section.heading.startswith(f"{item.number}. ")
        assert not section.is_empty
    # What no result knows is empty, and what it knows is not.
    missing = empty(found)
    if scheme == "gather":
        assert len(found.sections) == 18
        assert missing == {f"gather-{n}" for n in (2, 3, 4, 7, 8, 15, 17)}
    else:
        assert {"sims-1", "sims-6", "sims-16"} <= missing
        assert missing.isdisjoint({"sims-3-1", "sims-13-1", "sims-13-2", "sims-18-1", "sims-18-5"})
    validator("report").validate(found.to_dict())


def test_sections_have_one_place_and_links_lead_somewhere() -> None:
    for scheme in SCHEMES:
        found = mse.quality_account(results(), scheme)
        ids: list[str] = []

        def gather(section: Any) -> None:
            ids.append(section.id)  # noqa: B023
            for each in section.sections:
                gather(each)

        for section in found.sections:
            gather(section)
        assert len(ids) == len(set(ids))
        data = json.dumps(found.to_dict())
        assert '"link"' not in data


def test_a_monitor_fills_what_an_estimate_does_not() -> None:
    counts = np.zeros((2, 2, 2), dtype=int)
    counts[1, 0], counts[0, 1], counts[1, 1] = (60, 90), (40, 70), (20, 30)
    table = mse.CaptureTable.from_array(counts, ["police", "care"], {"year": [2014, 2015]})
    model = mse.LogLinear("police*year + care*year")
    report = mse.monitor(table, estimator=model, replicates=40, seed=1)
    assert "gather-15" not in empty(mse.quality_account([report, table]))
    to_come = LatePeriod(100, Figure(120.0, 110.0, 130.0), Figure(), FrozenDict(), ())
    report = replace(report, late=Late("2015-12-31", FrozenDict({2015: to_come})))
    found = mse.quality_account([report, table])
    told = next(each for each in found.sections if each.id == "gather-17")
    said = " ".join(plain(b.text) for b in told.blocks if isinstance(b, Paragraph))
    assert "2015" in said


def test_it_is_written_in_every_form(tmp_path: Path) -> None:
    for name in ("account.html", "account.md", "account.json"):
        path = mse.write_report(results(), tmp_path / name, account="gather")
        assert "18. Limitations" in path.read_text(encoding="utf-8")
    assert 'href="#gather-1"' in (tmp_path / "account.html").read_text(encoding="utf-8")


def test_under_rules_it_shows_what_a_report_shows() -> None:
    table = mse.load_dataset("korea")
    fit = mse.LogLinear("main").fit(table)
    text = json.dumps(mse.quality_account([fit, table], "sims", disclosure="cbs").to_dict())
    small = [int(n) for n in table.counts.ravel() if 0 < n < mse.disclosure.rules("cbs").threshold]
    assert small
    shown = json.dumps(
        mse.reporting.build_report([fit, table], disclosure="cbs", figures=False).to_dict()
    )
    # No figure that the report under the same rules withholds.
    assert table.fingerprint not in text
    assert table.fingerprint not in shown
    assert f"{fit.deviance:.6g}" not in text


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ModelError, match="'gather', 'sims'"):
        mse.quality_account(results(), "stroboscopic")
