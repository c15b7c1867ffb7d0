"""What the examples of a page give, shown below each of them: they run when the pages are built."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import tempfile
import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from sphinx.util import logging

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A block of Python, inside a list or not.
BLOCK = re.compile(r"^(?P<indent> *)```python\n(?P<code>.*?)^ *```\n", re.DOTALL | re.MULTILINE)
#: Where pictures of the pages are put, below the pages.
FOLDER = "_outputs"
#: How frames are printed: rows, columns and characters at the most.
SHOWN = (
    "display.max_rows", 14, "display.min_rows", 8, "display.max_columns", 9, "display.width", 96,
    "display.max_colwidth", 40,
)  # fmt: skip


def show_outputs(app: Any, docname: str, source: list[str]) -> None:
    """Run the blocks of a page in order, and put below each what it prints, gives and draws."""
    if not BLOCK.search(source[0]) or Path(app.env.doc2path(docname)).suffix != ".md":
        return
    namespace: dict[str, Any] = {"__name__": "__main__"}
    shown = [0]

    def with_output(found: re.Match[str]) -> str:
        stem = f"{docname.replace('/', '_')}_{shown[0]}"
        parts = [*_run(textwrap.dedent(found["code"]), namespace, Path(app.srcdir) / FOLDER, stem)]
        shown[0] += len(parts)
        below = "\n".join(parts)
        return found[0] + textwrap.indent(f"\n{below}" if below else "", found["indent"])

    with tempfile.TemporaryDirectory() as folder, _working_in(folder):
        source[0] = BLOCK.sub(with_output, source[0])
    if not shown[0]:
        logging.getLogger(__name__).warning("no example shows anything", location=docname)


def _run(code: str, namespace: dict[str, Any], folder: Path, stem: str) -> Iterator[str]:
    """Run a block, and write what it shows as Markdown."""
    import matplotlib.pyplot as plt

    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        warnings.catch_warnings(record=True) as warned,
        pd.option_context(*SHOWN),
    ):
        warnings.simplefilter("always")
        for statement in ast.parse(code).body:
            if isinstance(statement, ast.Expr):
                compiled = compile(ast.Expression(statement.value), stem, "eval")
                value = eval(compiled, namespace)
                if value is not None and not isinstance(value, mpl.artist.Artist):
                    shown = value if isinstance(value, str | pd.DataFrame) else repr(value)
                    said.write(f"{shown}\n")
            else:
                exec(compile(ast.Module([statement], []), stem, "exec"), namespace)  # noqa: S102
    for each in warned:
        if each.category.__module__.startswith("mse"):
            print(f"{each.category.__name__}: {each.message}", file=said)
    if said.getvalue().strip():
        yield f"```{{code-block}} text\n:class: output\n\n{said.getvalue().rstrip()}\n```\n"
    for number in plt.get_fignums():
        folder.mkdir(exist_ok=True)
        name = f"{stem}_{number}.png"
        plt.figure(number).savefig(folder / name, dpi=110, bbox_inches="tight")
        yield f"![The picture that the code above draws](/{FOLDER}/{name})\n"
    plt.close("all")


@contextlib.contextmanager
def _working_in(folder: str) -> Iterator[None]:
    """Let examples write their files where nobody keeps them, without a window."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with mpl.rc_context({"backend": "agg"}):
            yield
    finally:
        os.chdir(before)
