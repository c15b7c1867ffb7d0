"""Reports in a real browser: nothing fails, nothing is asked of anywhere, everybody can read them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from mse.reporting import Report, build_report
from mse.reporting.usual import usual_results
from mse.reporting.writing import as_form
from tests.unit.reporting.conftest import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import mse

PHONE, DESKTOP = (390, 844), (1200, 900)
#: The browser is to talk to nobody.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: Contrast of every piece of text with what it stands on, WCAG 2.2, 1.4.3; the worst one.
CONTRAST = """() => {
  const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const found = rgb(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  let worst = 21;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || node.tagName === 'STYLE') continue;
    const pair = [light(rgb(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
    worst = Math.min(worst, (pair[0] + 0.05) / (pair[1] + 0.05));
  }
  return worst;
}"""

#: Elements that stick out of the page, those that scroll in a box of their own left aside.
OUTSIDE = """() => [...document.body.querySelectorAll('*')].filter(node =>
  !node.closest('.scroll') && !node.closest('.skip')
  && node.getBoundingClientRect().right > document.documentElement.clientWidth + 1
).map(node => node.tagName + ' ' + node.textContent.slice(0, 40))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        if os.environ.get("MSE_NEEDS_CHROMIUM"):
            pytest.fail("There is no Chromium, and MSE_NEEDS_CHROMIUM says that there should be.")
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=found, headless=True, args=list(QUIET))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(
    report: Report,
    dutch: Report,
    apart: mse.CaptureTable,
    monitored: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """Make files of reports of all kinds."""
    folder = tmp_path_factory.mktemp("reports")
    found = {
        "english": report,
        "dutch": dutch,
        "none": build_report(usual_results(apart, replicates=20, seed=1), date=DAY),
        "monitor": build_report(monitored, language="nl", date=DAY),
    }
    paths = {name: folder / f"{name}.html" for name in found}
    for name, each in found.items():
        paths[name].write_text(as_form(each, "html"), encoding="utf-8")
    return paths


def opened(browser: Any, path: Path, size: tuple[int, int]) -> tuple[Any, list[str]]:
    """Open a file, and note what the browser complains of and asks for."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    notes: list[str] = []
    page.on("console", lambda message: notes.append(message.text))
    page.on("pageerror", lambda error: notes.append(str(error)))
    page.on("request", lambda asked: notes.append(asked.url[:80]) if _outside(asked.url) else None)
    page.goto(path.as_uri())
    return page, notes


def _outside(url: str) -> bool:
    return not url.startswith(("file:", "data:"))


@pytest.mark.parametrize("name", ["english", "dutch", "none", "monitor"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_report_in_the_browser(
    browser: Any, pages: dict[str, Path], name: str, size: tuple[int, int]
) -> None:
    page, notes = opened(browser, pages[name], size)
    try:
        assert notes == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert page.evaluate(OUTSIDE) == []
        # The answer is on the first screen.
        lead = page.locator(".lead").first.bounding_box()
        assert lead["y"] + 40 < size[1]
        assert page.evaluate(CONTRAST) >= 4.5
        assert page.evaluate("[...document.images].every(each => each.naturalWidth > 0)")
    finally:
        page.close()


def test_tables_and_pictures_fit_a_phone(browser: Any, pages: dict[str, Path]) -> None:
    page, _ = opened(browser, pages["english"], PHONE)
    try:
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        wide = page.locator(".scroll, img").evaluate_all(
            "nodes => nodes.filter(each => each.scrollWidth > each.clientWidth + 1).length"
        )
        assert wide == 0
        assert page.locator(".scroll:not([tabindex])").count() == 0
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
    finally:
        page.close()


def test_it_prints(browser: Any, pages: dict[str, Path]) -> None:
    page, _ = opened(browser, pages["english"], DESKTOP)
    try:
        page.emulate_media(media="print")
        assert page.locator("nav").is_hidden()
        assert page.pdf().startswith(b"%PDF")
    finally:
        page.close()


def test_landmarks_are_there_for_screen_readers(browser: Any, pages: dict[str, Path]) -> None:
    page, _ = opened(browser, pages["dutch"], DESKTOP)
    try:
        assert page.evaluate("document.documentElement.lang") == "nl"
        for role in ("main", "navigation", "banner", "contentinfo"):
            assert page.get_by_role(role).count() == 1
        headings = page.get_by_role("heading").all_inner_texts()
        assert headings[1] == "Het antwoord"
    finally:
        page.close()
