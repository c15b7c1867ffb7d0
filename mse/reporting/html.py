"""A report as one HTML file that needs nothing else.

Tables are made by great_tables, which gives every cell its headers; its style sheet, repeated with
each table, is left out, and one style sheet in the template serves them all.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from mse.reporting.content import Bullets, Facts, Figure, Paragraph, Table, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import jinja2

    from mse.reporting.content import Block, Cell, Inline, Report, Text
    from mse.reporting.language import Language

__all__ = ["as_html"]


def as_html(report: Report, language: Language) -> str:
    """Lay a report out as HTML.

    Parameters
    ----------
    report : Report
        What it holds.
    language : Language
        Words around it.

    Returns
    -------
    str
        A whole document: style and pictures inside, no scripts, no request to anywhere.
    """
    return _template().render(
        report=report,
        say=language,
        runs=_runs,
        kind=_kind,
        table=_table,
        source=_source,
        plain=plain,
        version=_version(),
        foreign=any(run.language for run in _all_runs(report)),
    )


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mse.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html.jinja")


def _version() -> str:
    from mse.reporting.parts.account import release

    return release("multiple-systems")


def _kind(block: Block) -> str:
    """Name of a block, for the template."""
    return type(block).__name__.lower()


def _runs(text: Inline) -> Markup:
    """Words with their strength, language and links."""
    return Markup("").join(map(_run, text))


def _run(run: Text) -> Markup:
    found = escape(run.text)
    if run.language:
        found = Markup('<i lang="{}">{}</i>').format(run.language, found)
    if run.strong:
        found = Markup("<strong>{}</strong>").format(found)
    return Markup('<a href="#{}">{}</a>').format(run.link, found) if run.link else found


def _all_runs(report: Report) -> list[Text | Cell]:
    """Every piece of text that may be in another language."""
    found: list[Text | Cell] = [*report.title]
    for block in report.walk():
        match block:
            case Paragraph():
                found += block.text
            case Bullets():
                found += [run for item in block.items for run in item]
            case Facts():
                found += [run for row in block.rows for run in row[1]]
            case Table():
                found += [cell for row in block.rows for cell in row]
    return found


def _source(figure: Figure) -> Markup:
    """Write a picture as a data URI: identifiers in one cannot clash with those in another."""
    data = base64.b64encode(figure.svg.encode()).decode()
    return Markup("data:image/svg+xml;base64,") + Markup(data)


def _always(text: str) -> Callable[[object], str]:
    """Make a function that gives a text whatever it is asked."""
    return lambda _: text


def _table(table: Table, name: str) -> Markup:
    """Lay out a table by great_tables, with identifiers that start with a name."""
    import great_tables
    import pandas as pd

    keys = [f"c{i}" for i in range(len(table.columns))]
    frame = pd.DataFrame([[cell.text for cell in row] for row in table.rows], columns=keys)
    made = great_tables.GT(frame, rowname_col="c0", id=name)
    made = made.tab_stubhead(table.columns[0].heading)
    labels = {key: column.heading for key, column in zip(keys, table.columns, strict=True)}
    figures = [
        key for key, column in zip(keys[1:], table.columns[1:], strict=True) if column.figures
    ]
    rest = [key for key in keys[1:] if key not in figures]
    made = made.cols_label({key: label for key, label in labels.items() if key != "c0"})
    made = made.cols_align("right", figures) if figures else made
    made = made.cols_align("left", rest) if rest else made
    for note in table.notes:
        made = made.tab_source_note(note)
    for i, row in enumerate(table.rows):
        for key, cell in zip(keys, row, strict=True):
            if cell.language:
                shown = Markup('<i lang="{}">{}</i>').format(cell.language, cell.text)
                made = made.fmt(_always(str(shown)), columns=key, rows=[i])
    found = made.as_raw_html()
    body = found[found.index("<table") : found.rindex("</table>") + len("</table>")]
    # Named by the caption beside it; the marks for Quarto mean nothing here.
    body = re.sub(r' data-quarto-[a-z-]+="\w+"', "", body, count=2)
    return Markup(body.replace("<table ", f'<table aria-labelledby="{name}-caption" ', 1))
