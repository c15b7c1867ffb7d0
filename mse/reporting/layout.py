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

from mse.words.content import Bullets, Facts, Figure, Paragraph, Table, Verbatim, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import jinja2

    from mse.words.catalogue import Language
    from mse.words.content import Block, Cell, Inline, Report, Section, Text


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


# A report as Markdown -----------------------------------------------------------------------------


def as_markdown(report: Report, language: Language) -> str:
    """Lay a report out as Markdown, pictures inside as data URIs.

    Parameters
    ----------
    report : Report
        What it holds.
    language : Language
        Words around it.
    """
    writer = _Writer(language, {each.id: _slug(each.heading) for each in report.sections})
    parts = [f"# {writer.runs(report.title)}", f"*{report.subtitle}*"]
    for section in report.sections:
        parts += writer.section(section, 2)
    made = language("document.made", date=report.date)
    parts.append(f"---\n\n{language('document.footer', version=_markdown_version())} {made}.")
    text = "\n\n".join(parts) + "\n"
    if writer.foreign:
        text += f"\n{language('document.foreign_plain')}\n"
    return text


def _markdown_version() -> str:
    from mse.reporting.parts.account import release

    return release("multiple-systems")


def _slug(heading: str) -> str:
    """Name of a heading as links to it are written."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class _Writer:
    """Writes blocks, and remembers whether there was another language in them."""

    def __init__(self, language: Language, slugs: Mapping[str, str]) -> None:
        self.say, self.slugs, self.foreign = language, slugs, False

    def section(self, section: Section, depth: int) -> Iterator[str]:
        yield f"{'#' * depth} {section.heading}"
        for block in section.blocks:
            yield self.block(block)
        for inner in section.sections:
            yield from self.section(inner, depth + 1)

    def block(self, block: Block) -> str:
        match block:
            case Paragraph(role="warning"):
                return f"> **{self.say('document.warning')}:** {self.runs(block.text)}"
            case Paragraph():
                return self.runs(block.text)
            case Bullets():
                return "\n".join(f"- {self.runs(item)}" for item in block.items)
            case Facts():
                return "\n".join(f"- **{row[0]}:** {self.runs(row[1])}" for row in block.rows)
            case Table():
                return self.table(block)
            case Figure():
                return _figure(block)
            case Verbatim():
                self.foreign |= bool(block.language)
                return f"```text\n{block.text}\n```"

    def table(self, table: Table) -> str:
        rules = ["---:" if column.figures else "---" for column in table.columns]
        lines = [
            _row(_escape(column.heading) for column in table.columns),
            _row(rules),
            *(_row(self.cell(cell) for cell in row) for row in table.rows),
        ]
        parts = [f"**{table.caption}**", "\n".join(lines), *(f"*{note}*" for note in table.notes)]
        return "\n\n".join(parts)

    def cell(self, cell: Cell) -> str:
        text = _escape(cell.text).replace("|", "\\|").replace("\n", " ")
        return self._marked(text, cell.language)

    def runs(self, text: Inline) -> str:
        return "".join(map(self._run, text))

    def _run(self, run: Text) -> str:
        found = self._marked(_escape(run.text), run.language)
        found = f"**{found}**" if run.strong else found
        return f"[{found}](#{self.slugs.get(run.link, run.link)})" if run.link else found

    def _marked(self, text: str, language: str) -> str:
        if not language:
            return text
        self.foreign = True
        return f"{text} \\[{language}\\]"


def _escape(text: str) -> str:
    """Keep what is text from being read as layout."""
    return re.sub(r"([\\`*_\[\]<>#])", r"\\\1", text)


def _row(cells: Iterator[str] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(figure: Figure) -> str:
    if not figure.svg:
        return f"*{figure.caption}.* {_escape(figure.alt)}"
    data = base64.b64encode(figure.svg.encode()).decode()
    alt = figure.alt.replace("\n", " ").replace("[", "(").replace("]", ")")
    return f"![{alt}](data:image/svg+xml;base64,{data})\n\n*{figure.caption}*"
