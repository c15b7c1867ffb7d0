"""A report laid out: as one HTML file that needs nothing else, and as Markdown."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from mse._versions import release
from mse.words.content import Bullets, Facts, Figure, Paragraph, Table, Verbatim, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import jinja2

    from mse.words.catalogue import Language
    from mse.words.content import Block, Cell, Inline, Report, Section, Text


def as_html(report: Report, language: Language) -> str:
    """Lay a report out as HTML.

    report: what it holds
    language: words around it
    Returns a whole document: style, pictures and one script inside, no request to anywhere
    """
    foreign: set[str] = set()

    def breakable(text: str) -> Markup:
        """Let a line end after the underscores of a name."""
        return Markup("_<wbr>").join(map(escape, text.split("_")))

    def marked(run: Text | Cell) -> Markup:
        """Words, with their language where it is another one."""
        if not run.language:
            return breakable(run.text)
        foreign.add(run.language)
        return Markup('<i lang="{}">{}</i>').format(run.language, breakable(run.text))

    def shown(run: Text) -> Markup:
        found = marked(run)
        if run.strong:
            found = Markup("<strong>{}</strong>").format(found)
        return Markup('<a href="#{}">{}</a>').format(run.link, found) if run.link else found

    def ends(cell: Cell) -> Markup:
        """Give the ends of an interval to the slider."""
        if not isinstance(cell.value, tuple):
            return Markup("")
        low, high = ("" if end is None else f"{end:.10g}" for end in cell.value)
        return Markup(' data-low="{}" data-high="{}"').format(low, high)

    script = _script()
    return _template().render(
        report=report,
        ends=ends,
        breakable=breakable,
        script=Markup(script),
        # The browser runs this script and no other.
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        say=language,
        runs=lambda text: Markup("").join(map(shown, text)),
        marked=marked,
        kind=lambda block: type(block).__name__.lower(),
        # As a data URI: identifiers in one picture cannot clash with those in another.
        source=lambda figure: Markup(_data_uri(figure)),
        plain=plain,
        version=release("multiple-systems"),
        # Asked for at the end, when all words are written.
        foreign=foreign,
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


@cache
def _script() -> str:
    return files("mse.reporting").joinpath("templates/report.js").read_text(encoding="utf-8")


def _data_uri(figure: Figure) -> str:
    data = base64.b64encode(figure.svg.encode()).decode()
    return f"data:image/svg+xml;base64,{data}"


# A report as Markdown -----------------------------------------------------------------------------


def as_markdown(report: Report, language: Language) -> str:
    """Lay a report out as Markdown, pictures inside as data URIs.

    report: what it holds
    language: words around it
    """
    writer = _Writer(language, {each.id: _slug(each.heading) for each in report.sections})
    parts = [f"# {writer.runs(report.title)}", f"*{report.subtitle}*"]
    for section in report.front:
        parts += writer.section(section, 2)
    if report.appendix:
        parts += [f"## {_escape(language('heading.appendix'))}", language("document.appendix")]
    for section in report.appendix:
        parts += writer.section(section, 3)
    footer = language("document.footer", version=release("multiple-systems"))
    parts.append(f"---\n\n{footer} {language('document.made', date=report.date)}.")
    text = "\n\n".join(parts) + "\n"
    if writer.foreign:
        text += f"\n{language('document.foreign_plain')}\n"
    return text


def _slug(heading: str) -> str:
    """Name of a heading as links to it are written."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class _Writer:
    """Writes blocks, and remembers whether there was another language in them."""

    def __init__(self, language: Language, slugs: Mapping[str, str]) -> None:
        self.say, self.slugs, self.foreign = language, slugs, False

    def section(self, section: Section, depth: int) -> Iterator[str]:
        yield f"{'#' * depth} {_escape(section.heading)}"
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
                return "\n".join(
                    f"- **{_escape(row[0])}:** {self.runs(row[1])}" for row in block.rows
                )
            case Table():
                return self.table(block)
            case Figure():
                return _figure(block)
            case Verbatim():
                self.foreign |= bool(block.language)
                # A fence longer than any in the text, so that nothing in it ends it.
                ticks = max(map(len, re.findall("`+", block.text)), default=0)
                fence = "`" * max(3, ticks + 1)
                return f"{fence}text\n{block.text}\n{fence}"

    def table(self, table: Table) -> str:
        rules = ["---:" if column.figures else "---" for column in table.columns]
        lines = [
            _row(_escape(column.heading) for column in table.columns),
            _row(rules),
            *(_row(self.cell(cell) for cell in row) for row in table.rows),
        ]
        notes = (f"*{_escape(note)}*" for note in table.notes)
        parts = [f"**{_escape(table.caption)}**", "\n".join(lines), *notes]
        return "\n\n".join(parts)

    def cell(self, cell: Cell) -> str:
        return self._marked(_escape(cell.text), cell.language)

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
    """Keep what is text from being read as layout: marks, and a line that would begin something else."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", re.sub(r"\s*[\n\r]\s*", " ", text))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(figure: Figure) -> str:
    caption = _escape(figure.caption)
    if not figure.svg:
        return f"*{caption}.* {_escape(figure.alt)}"
    return f"![{_escape(figure.alt)}]({_data_uri(figure)})\n\n*{caption}*"
