"""Tables in the documentation, written by programs into pages written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, align: str) -> str:
    """Write a table in Markdown.

    Parameters
    ----------
    head : sequence of str
        Names of the columns.
    rows : iterable of sequences
        Their entries.
    align : str
        One letter a column, ``l`` or ``r``.
    """
    rule = ["---:" if side == "r" else "---" for side in align]
    lines = [head, rule, *([str(entry) for entry in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replace_between_marks(page: str, mark: str, text: str) -> str:
    """Replace what stands between ``<!-- mark -->`` and ``<!-- end of mark -->``.

    Raises
    ------
    ValueError
        If the page lacks one of the marks.
    """
    first, last = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, found, rest = page.partition(first)
    _, closed, after = rest.partition(last)
    if not (found and closed):
        raise ValueError(f"The page has no part between {first} and {last}.")
    return f"{before}{first}\n\n{text}\n\n{last}{after}"
