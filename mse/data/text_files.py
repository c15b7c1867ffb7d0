"""Text files as people have them: their encoding, what parts their columns, and where the table begins."""

from __future__ import annotations

import csv
import io
import itertools
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any

from mse.data.codings import NO_WORDS, YES_WORDS, word_of
from mse.errors import InvalidTableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mse.data.checks import Voice
    from mse.data.read_options import ReadOptions

#: A row of a file: its number as the reader sees it, and its cells.
Row = tuple[int, list[Any]]

DELIMITERS = ",;\t|"
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", " ": "space"}
#: Rows that are looked at to find out how a file is written.
SNIFFED = 500
#: Words that stand in data and head no column; "No" may head the numbers of rows.
_DATA_WORDS = {"0", "true", "false", "yes", "ja", "nee", "nein", "oui", "non", "vrai", "faux"}


def decoded(data: bytes, encoding: str | None) -> tuple[str, str]:
    """Decode bytes, and name the encoding that they are in."""
    tries = [encoding] if encoding else _encodings(data)
    for each in tries:
        try:
            text = data.decode(each)
        except UnicodeDecodeError:
            continue
        except LookupError:
            msg = f"There is no encoding {each!r}: expected a name such as utf-8, cp1252 or utf-16."
            raise InvalidTableError(msg) from None
        text = unicodedata.normalize("NFC", text.removeprefix("\ufeff"))
        if text.count("\x00"):
            break
        return text, each
    msg = (
        f"The file is no text in {' or '.join(tries).replace('-sig', '')}: name its encoding with the option encoding, or save it "
        "as CSV in UTF-8."
    )
    raise InvalidTableError(msg)


def _encodings(data: bytes) -> list[str]:
    if data.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return ["utf-32"]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ["utf-16"]
    start = data[:4000]
    zeros = start.count(0)
    if zeros > len(start) // 4:
        return ["utf-16-le" if start[1::2].count(0) > zeros // 2 else "utf-16-be"]
    return ["utf-8-sig", "cp1252"]


def text_rows(text: str, options: ReadOptions, voice: Voice) -> tuple[list[Row], str, list[str]]:
    """Rows of a text file with the numbers of their lines, its delimiter, and what was noticed."""
    first, _newline, rest = text.partition("\n")
    offset, delimiter, notes = 0, options.delimiter, []
    if match := re.fullmatch(r'"?sep=(.)"?[;,\t]*', first.strip("\r"), re.IGNORECASE):
        text, offset, delimiter = rest, 1, delimiter or match[1]
    delimiter = delimiter or _delimiter(text, voice)
    try:
        rows = list(_numbered(text, delimiter, offset, strict=True))
    except csv.Error as error:
        msg = f"The file cannot be read as a table: {error}. Save it as CSV in UTF-8."
        raise InvalidTableError(msg) from None
    notes.append(f"columns parted by {_NAMES.get(delimiter, delimiter)}")
    return rows, delimiter, notes


def _numbered(text: str, delimiter: str, offset: int, *, strict: bool = False) -> Iterator[Row]:
    """Cells of each row, without spaces around them, and the line on which it begins."""
    reader = csv.reader(
        io.StringIO(text, newline=None),
        delimiter=delimiter,
        skipinitialspace=True,
        strict=strict,
    )
    line = 1 + offset
    for cells in reader:
        yield line, [cell.strip() for cell in cells]
        line = reader.line_num + 1 + offset


def _delimiter(text: str, voice: Voice) -> str:
    """Find what parts the columns: what makes the first rows of one width."""
    scores = {}
    for each in DELIMITERS:
        rows = [
            cells
            for _, cells in itertools.islice(_numbered(text[:400_000], each, 0), SNIFFED)
            if any(cells)
        ]
        width, share = _common_width(rows)
        if width > 1:
            scores[each] = (share, width)
    best = max((share for share, _ in scores.values()), default=0.0)
    good = [each for each, (share, _) in scores.items() if share > 0.9 * best]
    if len(good) > 1:
        # A mark within cells, such as a decimal comma, is rarely in the header and never in every cell.
        widths = sorted((scores[each][1] for each in good), reverse=True)
        header = [each for each in good if _header_width(text, each) == scores[each][1]]
        good = header if len(header) == 1 else good
        if len(good) > 1 and widths[0] < 2 * widths[1]:
            said = " or ".join(_NAMES[each] for each in good)
            msg = (
                f"The columns may be parted by {said}: say which, with {voice.option('delimiter')}."
            )
            raise InvalidTableError(msg)
        good.sort(key=lambda each: -scores[each][1])
    return good[0] if good else " " if re.search(r"\S +\S", text[:4000]) else ","


def _common_width(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    """Width of most rows, and the share of the rows that have it."""
    widths = Counter(len(cells) for cells in rows)
    if not widths:
        return 0, 0.0
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    return width, count / len(rows)


def _header_width(text: str, delimiter: str) -> int:
    return next(
        (len(cells) for _, cells in _numbered(text[:40_000], delimiter, 0) if any(cells)), 0
    )


# Where the table begins ---------------------------------------------------------------------------


def headed(
    rows: Sequence[Row], options: ReadOptions, voice: Voice, notes: list[str]
) -> tuple[list[str], list[Row]]:
    """Find the header of a file, and the rows of data below it.

    rows: of the file, or of a sheet
    notes: receives what was left out
    Returns The names of the columns, and rows that all have so many cells
    Raises InvalidTableError: where there is no header, or two readings of it, or rows of other widths
    """
    filled = [(number, cells) for number, cells in rows if any(cell != "" for cell in cells)]
    if len(filled) < len(rows):
        notes.append(f"{_several(len(rows) - len(filled), f'empty {voice.unit}')} left out")
    if not filled:
        msg = "The table cannot be read: there are no rows. Expected names of columns, and rows of data below."
        raise InvalidTableError(msg)
    at, names = _header(filled, options, notes, voice)
    body = filled[at + 1 :] if names is None else filled[at:]
    head = [str(cell) for cell in filled[at][1]] if names is None else names
    head, body = _same_width(head, body, voice, notes, named=names is not None)
    if not body:
        msg = "The table cannot be read: there are no rows of data below the names of the columns."
        raise InvalidTableError(msg)
    repeated = [cells for _, cells in body if cells == head]
    if repeated:
        notes.append(f"{_several(len(repeated), 'repeated header')} left out")
        body = [row for row in body if row[1] != head]
    if names is None and options.header is None:
        _check_header(head, body, voice)
    return _named(head, body, voice)


def _header(
    filled: Sequence[Row], options: ReadOptions, notes: list[str], voice: Voice
) -> tuple[int, list[str] | None]:
    """Position of the header among the filled rows, or of the first row of data and the names given."""
    if options.columns:
        start = next((i for i, row in enumerate(filled) if row[0] > (options.header or 0)), 0)
        return start, list(options.columns)
    if options.header == 0:
        msg = f"A file without a header needs names of its columns: {voice.option('columns')}."
        raise InvalidTableError(msg)
    if options.header is not None:
        found = [i for i, (number, _) in enumerate(filled) if number == options.header]
        if not found:
            msg = f"There is no header in {voice.unit} {options.header}: it is empty or not there."
            raise InvalidTableError(msg)
        return found[0], None
    width, _ = _common_width([cells for _, cells in filled])
    used = max(
        1, len({j for _, cells in filled[-SNIFFED:] for j, c in enumerate(cells) if c != ""})
    )
    for i, (_, cells) in enumerate(filled[:50]):
        full = sum(cell != "" for cell in cells)
        if (
            len(cells) >= width - 1
            and full >= 0.6 * min(used, width)
            and not str(cells[0]).startswith("#")
        ):
            if i:
                notes.append(f"{_several(i, voice.unit)} above the header left out (title)")
            return i, None
    return 0, None


def _several(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def _same_width(
    head: list[str], body: list[Row], voice: Voice, notes: list[str], *, named: bool
) -> tuple[list[str], list[Row]]:
    """Make header and rows one width, where there is one way to do it."""
    width = len(head)
    if body and all(len(cells) == width + 1 for _, cells in body):
        if all(cells[-1] == "" for _, cells in body):
            body = [(number, cells[:-1]) for number, cells in body]
        elif not named and len({cells[0] for _, cells in body}) == len(body):
            notes.append("first column without a name left out (names of rows, as R writes them)")
            body = [(number, cells[1:]) for number, cells in body]
    wrong = [number for number, cells in body if len(cells) != width]
    if wrong:
        first = ", ".join(map(str, wrong[:5])) + (", ..." if len(wrong) > 5 else "")
        msg = (
            f"{len(wrong):,} {voice.unit}{'s have' if len(wrong) > 1 else ' has'} another number of cells than the header, which has {width} "
            f"({voice.unit} {first}): expected as many in each. Remove notes below the table, put quotes "
            f"around cells that hold the delimiter, or name it with {voice.option('delimiter')}."
        )
        raise InvalidTableError(msg)
    return head, body


def _check_header(head: Sequence[str], body: Sequence[Row], voice: Voice) -> None:
    """Refuse a header that looks like data; what it holds is not told, as it may be about a person."""
    words = [word_of(cell) or "" for cell in head]
    filled = [word for word in words if word]
    numbers = all(re.fullmatch(r"[+-]?\d+([.,]\d+)*", word) for word in filled)
    data = bool(set(filled) & _DATA_WORDS) or not filled
    codes = set(filled) <= {*YES_WORDS, *NO_WORDS, "x"} and len(set(filled)) < len(filled)
    recurs = any(_recurs(cell, j, body) for j, cell in enumerate(head) if cell)
    if numbers or data or codes or recurs:
        columns = voice.names("columns", ["police", "care", "n"])
        header = voice.option("header", "1", quoted=False)
        msg = (
            f"The first {voice.unit} of the table looks like data, not like names of columns. If the file has "
            f"no header, name its columns, as in {columns}. If these are names, say in which {voice.unit} they "
            f"are: {header}."
        )
        raise InvalidTableError(msg)


def _recurs(cell: str, column: int, body: Sequence[Row]) -> bool:
    """Whether a name stands among the entries of its column, and not as the only one."""
    held = {row[1][column] for row in body[:20_000]} - {""}
    return cell in held and len(held) > 1


def _named(head: Sequence[str], body: list[Row], voice: Voice) -> tuple[list[str], list[Row]]:
    """Give columns without a name one, leave empty ones out, and refuse names given twice."""
    kept = [
        j for j, cell in enumerate(head) if cell != "" or any(cells[j] != "" for _, cells in body)
    ]
    names = [" ".join(str(head[j]).split()) or f"column {j + 1}" for j in kept]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        at = ", ".join(str(kept[i] + 1) for i, name in enumerate(names) if name in doubles)
        msg = (
            f"Names of columns occur twice (columns {at}): give each column its own name in the file, or name "
            f"all of them anew with {voice.option('columns')}, and {voice.option('header', '1', quoted=False)} if the first "
            f"{voice.unit} is to be passed over."
        )
        raise InvalidTableError(msg)
    if len(kept) < len(head):
        body = [(number, [cells[j] for j in kept]) for number, cells in body]
    return names, body
