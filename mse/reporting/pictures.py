"""Pictures by `mse.plots`, as text of an SVG file, in the language of the report."""

from __future__ import annotations

import io
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from mse.population import PopulationEstimate
from mse.reporting.sentences import SOURCE
from mse.table import CaptureTable, TableInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from mse.reporting.context import Context

__all__ = ["drawn", "said_in"]

_Result = TypeVar("_Result")


def drawn(context: Context, draw: Callable[..., Any], result: object, **options: Any) -> str:
    """Draw a result, its words in the language of the report.

    Parameters
    ----------
    context : Context
        With the language.
    draw : callable
        A function of `mse.plots`.
    result : object
        What it draws.
    **options
        Of the function.

    Returns
    -------
    str
        The picture, the same bytes whenever it is drawn of the same result.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    words = None if context.say.code == SOURCE else context.say.section("plots")
    # Identifiers inside are drawn at random without a salt; no window opens for a report.
    with mpl.rc_context({"svg.hashsalt": "mse"}), plt.ioff():
        ax = draw(said_in(context, result), words=words, **options)
        text = io.StringIO()
        try:
            ax.figure.savefig(text, format="svg", metadata={"Date": None})
        finally:
            plt.close(ax.figure)
    return text.getvalue()


def said_in(context: Context, result: _Result) -> _Result:
    """Put what a result says of itself into the language of the report: subject and method."""
    found: Any = result
    if context.say.code == SOURCE:
        return result
    match result:
        case CaptureTable():
            changes = {
                part.name: getattr(_info(context, result.info), part.name)
                for part in fields(TableInfo)
            }
            found = result.with_info(**changes)
        case PopulationEstimate():
            found = replace(
                result,
                method=context.sentences.say(result.method).text,
                reason=context.sentences.say(result.reason).text,
                info=_info(context, result.info),
            )
        case tuple():
            found = tuple(said_in(context, each) for each in result)
        case dict():
            found = {name: said_in(context, each) for name, each in result.items()}
        case _ if is_dataclass(result):
            found = _within(context, result)
    return found  # type: ignore[no-any-return]


def _within(context: Context, result: Any) -> Any:
    """Look for tables and estimates in the parts of a result."""
    changes = {}
    for part in fields(result):
        value = getattr(result, part.name)
        if part.init and not part.name.startswith("_"):
            said = said_in(context, value)
            if said is not value:
                changes[part.name] = said
    return replace(result, **changes) if changes else result


def _info(context: Context, info: TableInfo) -> TableInfo:
    population, period, scope = (
        context.described(text, info).text for text in (info.population, info.period, info.scope)
    )
    return replace(info, population=population, period=period, scope=scope)
