"""Settings of the documentation: `python -m sphinx -W -n -b html docs docs/_build`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import latex2mathml.converter
from docutils import nodes

import mse

sys.path.insert(0, str(Path(__file__).parent))
from outputs import show_outputs

project = "mse"
author = "the mse developers"
project_copyright = "the mse developers"
release = mse.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_design",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "_templates", "**/.ipynb_checkpoints"]
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = "mse"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_static_path = ["_static"]
html_css_files = ["site.css"]
# Pages of the first level have no section to navigate in.
html_sidebars = {"*": []}
# Formulas as MathML, which browsers show by themselves: the pages ask no other host for anything.
html_math_renderer = "mathml"

# Pages -------------------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "smartquotes"]
myst_heading_anchors = 3
# Notebooks are stored without output and run whenever the pages are built, from a clean kernel, so
# what is shown is what the code gives.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 900
nb_merge_streams = True

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"
bibtex_reference_style = "author_year"

# API ---------------------------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"
autodoc_preserve_defaults = True
# Inherited members of tuples and the like are not ours to document.
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False


class _Shortened:
    """A default value that is too long to be read in a signature."""

    def __repr__(self) -> str:
        return "..."


def _signature(
    app: object, what: str, name: str, obj: object, options: object, signature: str, returns: str
) -> tuple[str, str] | None:
    """Write a signature with long defaults left out; the page of the class says what they are."""
    del app, name, options
    if what != "class" or len(signature or "") < 200:
        return None
    own = inspect.signature(obj)
    short = [
        each.replace(
            annotation=each.empty,
            default=_Shortened() if len(repr(each.default)) > 40 else each.default,
        )
        for each in own.parameters.values()
    ]
    return str(own.replace(parameters=short, return_annotation=own.empty)), returns


def _math(display: str) -> Any:
    """Make a visitor that writes a formula as MathML."""

    def visit(translator: Any, node: Any) -> None:
        formula = latex2mathml.converter.convert(node.astext(), display=display)
        if display == "block":
            formula = f'<div style="margin: 1em 0; overflow-x: auto">{formula}</div>'
        translator.body.append(formula)
        raise nodes.SkipNode

    return visit


def setup(app: Any) -> None:
    """Connect the hook for signatures, the writer of formulas, and what shows what examples give."""
    app.connect("source-read", show_outputs)
    app.connect("autodoc-process-signature", _signature)
    app.add_html_math_renderer("mathml", (_math("inline"), None), (_math("block"), None))
