"""The gate that figures leave through: each has a declared type, and one that has none is withheld."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mse.disclosure.rules import rules as rules_of
from mse.disclosure.scrubbing import withheld_from, without_seeds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from mse.disclosure.rules import AnyRules, Rules

#: Types of what leaves, by the name of the field. What stands here was looked at, and is made of what was
#: suppressed and rounded; a further field leaves when somebody has found out what it tells, and put it here.
TYPES: Mapping[str, Collection[str]] = {
    # Persons who were counted: suppressed or rounded.
    "count": ("observed", "n", "registered"),
    # Estimated persons: withheld or rounded on one grid.
    "estimate": (
        "hidden",
        "total",
        "low",
        "high",
        "point",
        "expected",
        "later",
        "difference",
        "change",
        "by_size",
        "by_share",
        "N",
        "low_alike",
        "high_alike",
    ),
    # Computed from released numbers, or rounded outward as they are.
    "share": (
        *("coverage", "rate", "ratio", "coverage_difference", "rise", "share", "width"),
        *("no_estimate", "covered"),
    ),
    # What was asked for, or is known of the method.
    "setting": (
        *("schema", "level", "within", "interval_level", "replicates", "resampling", "candidates"),
        *("software", "version", "estimator", "lower_bound", "across_scopes", "rules", "threshold"),
        *(
            "base",
            "rounded_to",
            "criterion",
            "n_models",
            "n_not_estimable",
            "kind",
            "interval_kind",
        ),
        *("given", "method", "model", "first", "last", "interval", "references", "assumptions"),
        *("as_of", "preliminary", "tables", "scenario"),
        # Inhabitants, who were not counted here.
        "population",
    ),
    # Whether there is a figure, and why not.
    "status": (
        "status",
        "limit",
        "reason",
        "suppressed",
        "unbounded",
        "unbounded_below",
        "inside",
        "foreseen",
    ),
    # Computed of what leaves, by stated rules.
    "grade": ("grade", "marks", "reasons", "grade_reason"),
    # Names of lists, levels and parts, and words that were given with the data.
    "name": (
        *(
            "lists",
            "levels",
            "name",
            "period",
            "periods",
            "group",
            "group_level",
            "scope",
            "breaks",
        ),
        *(
            "info",
            "covariates",
            "groups",
            "where",
            "left_out",
            "source",
            "notes",
            "list",
            "register",
            "group_rules",
            "not_in",
        ),
    ),
    # Sentences: each is a message whose numbers were withheld.
    "message": ("warnings", "messages", "note", "text"),
    # Nothing of these is given under rules that suppress; their place is kept.
    "nothing": ("covariance", "infinite", "undetermined", "draws", "stratum_draws", "support"),
}
_TYPE_OF = {name: kind for kind, names in TYPES.items() for name in names}
#: Fields below which names are those of lists or covariates, or what was made of released messages.
_WHOLE = ("info", "messages", "group", "where")
#: Parts of a figure, whose type is that of the figure.
_PARTS = ("point", "low", "high")


@dataclass(frozen=True)
class Released:
    """What may leave.

    Attributes
    ----------
    figures : dict
        As given, with None in place of what is withheld.
    messages : tuple of str
        Sentences without numbers that were found in the data; those that may not be said at all are left out.
    withheld : tuple of str
        Paths of the figures that had no declared type, or a value that their type does not allow.
    """

    figures: dict[str, Any]
    messages: tuple[str, ...]
    withheld: tuple[str, ...]


def release(figures: Mapping[str, Any], messages: Iterable[str], rules: AnyRules) -> Released:
    """Let figures leave that have a declared type, and messages without numbers found in the data.

    Parameters
    ----------
    figures : mapping
        Nested as in JSON; figures that were suppressed and rounded.
    messages : iterable of str
        Sentences.
    rules : Rules, str or path
        What is to be protected.

    Returns
    -------
    Released

    Examples
    --------
    >>> from mse.disclosure import rules
    >>> found = release({"observed": 120, "total": 1450.0, "smallest_cell": 3}, [], rules("cbs"))
    >>> found.figures, found.withheld
    ({'observed': 120, 'total': 1450.0, 'smallest_cell': None}, ('smallest_cell',))
    """
    rules = rules_of(rules)
    if not rules.active:
        return Released(dict(figures), tuple(messages), ())
    lost: list[str] = []
    shown = {name: _let(each, name, name, rules, lost) for name, each in figures.items()}
    said = tuple(filter(None, (withheld_from(each, rules) for each in messages)))
    return Released(shown, said, tuple(dict.fromkeys(lost)))


def _let(value: Any, name: str, path: str, rules: Rules, lost: list[str]) -> Any:
    """Go through a value; what has no type becomes None."""
    if name in _WHOLE and isinstance(value, Mapping | list):
        return value
    if isinstance(value, Mapping):
        # The ends of a share are shares.
        share = _TYPE_OF.get(name) == "share"
        return {
            inner: _let(
                each,
                name if share and inner in _PARTS else str(inner),
                f"{path}.{inner}",
                rules,
                lost,
            )
            for inner, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_let(each, name, f"{path}[]", rules, lost) for each in value]
    if value is None or _fits(value, _TYPE_OF.get(name), rules):
        plain = type(value) is str and _TYPE_OF[name] == "setting"
        return without_seeds(value) if plain else value
    lost.append(path)
    return None


def _fits(value: Any, kind: str | None, rules: Rules) -> bool:
    """Whether a value is one that its type allows."""
    if kind in (None, "nothing"):
        return False
    if kind == "grade":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return kind not in ("count", "estimate", "share") or not isinstance(value, str)
    if kind == "count":
        return not rules.unsafe(int(value)) and value % rules.base == 0
    return kind != "estimate" or abs(value / rules.base - round(value / rules.base)) < 1e-6


def released_columns(frame: pd.DataFrame, names: Collection[Any], rules: Rules) -> pd.DataFrame:
    """Keep the columns of a frame that have a declared type, empty where nothing of it is given.

    names: further columns, of covariates
    """
    if not rules.active:
        return frame
    kinds = {column: _TYPE_OF.get(_figure_of(str(column))) for column in frame.columns}
    kept = frame[[column for column, kind in kinds.items() if kind or column in names]]
    empty = [column for column, kind in kinds.items() if kind == "nothing" and rules.suppresses]
    nothing = np.ones(len(frame), dtype=np.bool_)
    return kept.assign(**{str(column): kept[column].mask(nothing) for column in empty})


def _figure_of(column: str) -> str:
    """Name the figure that a column is a part of, such as ``hidden_low``."""
    stem, _, part = column.rpartition("_")
    return stem if part in (*_PARTS, "first", "last") and stem in _TYPE_OF else column
