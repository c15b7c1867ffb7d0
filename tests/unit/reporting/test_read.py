"""Reports are read: few words before the appendix, pages that are filled, access for everybody."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

import mse
from mse.reporting import Report, build_report, write_report
from mse.reporting.usual import usual_results
from mse.reporting.writing import as_bytes
from mse.words.content import Facts, Figure, Paragraph, Table, plain
from tests.unit.reporting.conftest import DAY
from tests.unit.reporting.test_browser import DESKTOP, PHONE, browser, opened, pages  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from mse.words.content import Section

#: Words of the first page, and of the first six.
FIRST, SIX = 250, 1500
NAMES = ["english", "dutch", "none", "monitor"]


def words_of(section: Section) -> int:
    """Count what is read of a section, its heading included."""
    said = [section.heading]
    for block in section.blocks:
        match block:
            case Paragraph():
                said.append(plain(block.text))
            case Facts():
                said += [f"{row[0]} {plain(row[1])}" for row in block.rows]
            case Table():
                said += [block.caption, *(each.heading for each in block.columns), *block.notes]
                said += [cell.text for row in block.rows for cell in row]
            case Figure():
                said.append(block.caption)
            case _:
                said += [plain(item) for item in getattr(block, "items", ())]
    return len(" ".join(said).split()) + sum(map(words_of, section.sections))


@pytest.fixture(scope="module")
def kosovo() -> list[Any]:
    return usual_results(mse.load_dataset("kosovo"), replicates=20, seed=1)


@pytest.mark.parametrize("language", ["en", "nl"])
def test_the_front_is_short(kosovo: list[Any], monitored: Any, language: str) -> None:
    for results in (kosovo, monitored):
        report = build_report(results, language=language, date=DAY, figures=results is kosovo)
        title = len(f"{plain(report.title)} {report.subtitle}".split())
        assert title + words_of(report.front[0]) < FIRST
        assert title + sum(map(words_of, report.front)) < SIX
        assert report.front[0].id == "answer"
        assert {"account", "citation"} <= {each.id for each in report.appendix}


# Where pages break hangs on the figures of this report.
@pytest.mark.fixed_seed
@pytest.mark.parametrize("name", NAMES)
def test_the_printed_pages(browser: Any, pages: dict[str, Path], name: str) -> None:  # noqa: F811
    pdf = pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")
    page, _ = opened(browser, pages[name], DESKTOP)
    try:
        printed = pdf.PdfDocument(page.pdf(prefer_css_page_size=True))
    finally:
        page.close()
    texts = [each.get_textpage().get_text_range() for each in printed]
    words = [len(text.split()) for text in texts]
    assert words[0] < FIRST
    assert sum(words[:6]) < SIX
    for number, (text, sheet) in enumerate(zip(texts, printed, strict=True), start=1):
        assert f"{number} / {len(texts)}" in text
        # At half the size small letters would be gray.
        ink = sheet.render(scale=1.0).to_numpy().min(axis=2) < 128
        filled = max(i for i, row in enumerate(ink[: int(0.94 * len(ink))]) if row.any())
        assert filled > 0.5 * len(ink) or number in (1, len(texts)), number


# Both sizes and every page, but not each page at each size: it is read by every rule, which takes ten seconds.
@pytest.mark.parametrize(
    ("name", "size"), [*zip(NAMES, [PHONE, DESKTOP] * len(NAMES), strict=False)], ids=NAMES
)
def test_axe_finds_nothing_serious(
    browser: Any,  # noqa: F811
    pages: dict[str, Path],  # noqa: F811
    name: str,
    size: tuple[int, int],
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page, _ = opened(browser, pages[name], size)
    try:
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        found = axe.Axe().run(page).response["violations"]
    finally:
        page.close()
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []


def test_the_panel_moves_the_interval(browser: Any, pages: dict[str, Path]) -> None:  # noqa: F811
    page, _ = opened(browser, pages["english"], DESKTOP)
    try:
        panels = page.locator("figure.steps")
        assert panels.count() == 2
        for i in range(2):
            panel = panels.nth(i)
            middle = panel.locator("output strong").inner_text()
            row = panel.locator("tbody tr").first
            cells = row.locator("td").all_inner_texts()
            assert middle == cells[len(cells) // 2]
            panel.locator("input").press("End")
            assert panel.locator("output strong").inner_text() == cells[-1] != middle
    finally:
        page.close()


def test_no_panel_under_rules(kosovo: list[Any]) -> None:
    report = build_report(kosovo, disclosure="cbs", date=DAY, figures=False)
    assert "what-if" not in [section.id for section in report.sections]
    assert not any(isinstance(block, Table) and block.steps for block in report.walk())


def test_the_workbook_holds_every_table_and_the_figures_of_pictures(
    report: Report, korea: list[Any], tmp_path: Path
) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(io.BytesIO(as_bytes(report, "xlsx")))
    captions = {sheet["A1"].value for sheet in book}
    tables = [each for each in report.walk() if isinstance(each, Table)]
    pictures = [each for each in report.walk() if isinstance(each, Figure)]
    assert all(each.data is not None and each.data.rows for each in pictures)
    behind = [each.data for each in pictures if each.data is not None]
    assert {each.caption for each in (*tables, *behind)} <= captions
    picture = next(sheet for sheet in book if "others" in sheet.title)
    low, high = korea[0].interval(0.95)
    assert [picture.cell(3, at).value for at in (2, 3, 4)] == pytest.approx(
        [korea[0].total, low, high]
    )
    assert write_report(korea, tmp_path / "r.xlsx", figures=False).read_bytes().startswith(b"PK")


def test_no_cell_of_the_workbook_is_a_formula() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    names = ["=one", "@care"]
    table = mse.CaptureTable.from_counts({"11": 12, "10": 41, "01": 28}, lists=names)
    report = build_report(mse.Chapman().fit(table), title="=HYPERLINK(1)", date=DAY, figures=False)
    book = openpyxl.load_workbook(io.BytesIO(as_bytes(report, "xlsx")))
    kinds = {cell.data_type for sheet in book for row in sheet for cell in row}
    assert "f" not in kinds
    assert book.worksheets[0]["A1"].value == "=HYPERLINK(1)"
