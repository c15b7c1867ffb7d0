"""HTML, Markdown and JSON of one report."""

from __future__ import annotations

import itertools
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

import mse
from mse.errors import ModelError
from mse.reporting.writing import FORMS, Form, as_form, form_of
from mse.words.content import Report, Section, Table, plain
from tests.json_schemas import validator
from tests.unit.reporting.conftest import DAY
from tests.unit.reporting.test_building import quick

if TYPE_CHECKING:
    from pathlib import Path


class Page(HTMLParser):
    """Tags with their attributes, and the words between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(as_form(report, "html"))


# HTML --------------------------------------------------------------------------------------------


def test_tags_are_closed_and_identifiers_differ(page: Page) -> None:
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_headings_go_down_one_at_a_time(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))


def test_landmarks_language_and_viewport(report: Report, dutch: Report) -> None:
    for each, code in ((report, "en"), (dutch, "nl")):
        page = Page(as_form(each, "html"))
        assert page.of("html")[0]["lang"] == code
        assert [len(page.of(tag)) for tag in ("main", "header", "nav", "footer")] == [1] * 4
        assert any(attrs.get("name") == "viewport" for attrs in page.of("meta"))
        # One script, ours, which the browser knows by its digest.
        assert len(page.of("script")) == 1


def test_what_is_referred_to_is_there(page: Page) -> None:
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    links = [str(attrs["href"]) for attrs in page.of("a")]
    assert all(link.startswith("#") and link[1:] in ids for link in links)
    for _, attrs in page.tags:
        for name in ("aria-labelledby", "headers"):
            assert set((attrs.get(name) or "").split()) <= ids


def test_nothing_is_asked_of_anywhere(page: Page) -> None:
    for attrs in (*page.of("img"), *page.of("link")):
        source = attrs.get("src") or attrs.get("href") or ""
        assert source.startswith("data:")
    policy = next(a for a in page.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy["content"] or "")


def test_pictures_and_tables_are_named(page: Page) -> None:
    assert all(len(attrs["alt"] or "") > 40 for attrs in page.of("img"))
    assert all("aria-labelledby" in attrs for attrs in page.of("table"))
    scopes = [attrs.get("scope") for attrs in page.of("th")]
    assert {"row", "col"} >= set(scopes) - {None}


def test_text_is_escaped() -> None:
    table = mse.CaptureTable.from_counts(
        {"11": 12, "10": 41, "01": 28}, lists=["<b>police", "care & co"]
    ).with_info(population="<script>alert(1)</script>", source="a | b")
    report = quick(mse.Chapman().fit(table), title="<i>title")
    html = as_form(report, "html")
    for tag in ("<b>police", "<script>alert", "<i>title"):
        assert tag not in html
    assert "\\<script\\>" in as_form(report, "md")


def test_another_language_is_marked_in_html_and_markdown(dutch: Report) -> None:
    html = as_form(dutch, "html")
    assert '<i lang="en">Korean women held by the Japanese military at Palembang</i>' in html
    assert "Passages in een andere taal" in html
    markdown = as_form(dutch, "md")
    assert "Korean women held by the Japanese military at Palembang \\[en\\]" in markdown


def test_an_english_report_has_nothing_to_mark(page: Page) -> None:
    assert "Passages in another language" not in "".join(page.words)


# Markdown ----------------------------------------------------------------------------------------


def test_markdown_has_the_same_headings_and_tables(report: Report) -> None:
    text = as_form(report, "md")

    def check(section: Section, depth: int) -> None:
        assert f"\n{'#' * depth} {section.heading}\n" in text
        for inner in section.sections:
            check(inner, depth + 1)

    for section in report.sections:
        check(section, 3 if section.appendix else 2)
    for block in report.walk():
        if isinstance(block, Table):
            assert f"**{block.caption}**" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(line.endswith(" |") for line in rows)


def test_markdown_links_lead_to_headings(report: Report) -> None:
    text = as_form(report, "md")
    assert "[assumptions](#what-the-estimate-rests-on)" in text


# JSON --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["report", "dutch"])
def test_json_follows_the_schema(name: str, request: pytest.FixtureRequest) -> None:
    data = json.loads(as_form(request.getfixturevalue(name), "json"))
    validator("report").validate(data)
    assert data["schema"] == "mse.report/1"


def test_json_has_every_word(report: Report, page: Page) -> None:
    data = json.loads(as_form(report, "json"))
    words = " ".join(page.words)
    for section in data["sections"]:
        assert section["heading"] in words
    assert data["title"][0]["text"] + data["title"][1]["text"] in plain(report.title)


def test_the_schema_refuses_what_is_none() -> None:
    report = quick(mse.load_dataset("korea")).to_dict()
    del report["sections"][0]["heading"]
    assert list(validator("report").iter_errors(report))


# Files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".html", ".HTM", ".md", ".markdown", ".json"])
def test_the_suffix_says_the_form(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"report{suffix}"
    found = mse.write_report(mse.load_dataset("korea"), str(path), figures=False, date=DAY)
    assert found == path
    text = path.read_text(encoding="utf-8")
    first = {"html": "<!DOCTYPE html>", "md": "# ", "json": "{"}[form_of(path)]
    assert text.startswith(first)


@pytest.mark.parametrize("form", FORMS)
def test_the_form_can_be_said(tmp_path: Path, form: Form) -> None:
    path = tmp_path / "report"
    mse.write_report(mse.load_dataset("korea"), path, form=form, figures=False, date=DAY)
    if form == "xlsx":
        assert path.read_bytes().startswith(b"PK")
    else:
        assert path.read_text(encoding="utf-8") == as_form(quick(mse.load_dataset("korea")), form)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("report.pdf", {}, "expected .html, .md, .json or .xlsx"),
        ("report.html", {"form": "pdf"}, "form='pdf' is not known"),
        ("missing/report.html", {}, "cannot be written"),
    ],
)
def test_errors_say_what_to_do(
    tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        mse.write_report(mse.load_dataset("korea"), tmp_path / name, figures=False, **options)
