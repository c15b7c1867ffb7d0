"""Sentences without the numbers that were found in the data."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mse.messages import SOURCE, Message, catalogue_of, joined, sentences_of

if TYPE_CHECKING:
    from mse.data.patterns import TableInfo
    from mse.disclosure.rules import Rules

#: What is said in place of a sentence of which it is not known what its numbers are.
_UNKNOWN = Message("withheld.remark")
#: Fields of messages that say what was asked for, not what was found.
_ASKED = frozenset({"least", "level", "most", "usual", "within"})
#: Remarks that name the strata in which nobody is registered.
_EMPTY = frozenset({"nobody.registered", "nobody.in_strata"})
#: Remarks whose being there at all says how small an overlap is, or that say nothing without their numbers.
_SILENT = frozenset(
    f"remark.{name}"
    for name in (
        *("unbounded", "zero", "redrawn", "many_redrawn", "undetermined", "beyond"),
        # Without its numbers it says nothing; what follows from them is a sentence of its own.
        "deviance",
    )
)


def withheld_from(text: str, rules: Rules) -> str:
    """Say a message without the numbers found in the data; where zeros are not safe, not which ones there are.

    Of words that are no message nobody can tell which numbers are counts: they are not said.

    Examples
    --------
    >>> import mse
    >>> strict = mse.disclosure.rules("cbs")
    >>> withheld_from(Message("remark.unbounded", n=52, of=1000), strict)
    ''
    >>> withheld_from(Message("remark.misfit"), strict)[:19]
    'The model does not '
    """
    if not rules.active or not text:
        return text
    if rules.suppresses:
        text = joined(
            *(each for each in sentences_of(text) if _key_of_message(each) not in _SILENT)
        )
    if not text:
        return ""
    said = [each if catalogue_of(SOURCE).knows(each) else _UNKNOWN for each in sentences_of(text)]
    keys = {part.key for each in said if isinstance(each, Message) for part in each.parts()}
    # A stratum that is empty may be suppressed for the sake of others, also where zeros are safe.
    if keys & _EMPTY and rules.suppresses:
        return Message("withheld.empty")
    if rules.unsafe(0) and any(key.startswith("nobody.") for key in keys):
        return Message("withheld.empty")
    return joined(*map(_withheld, said))


def _key_of_message(text: str) -> str:
    return text.key if isinstance(text, Message) else ""


def _withheld(value: Any, name: str = "") -> Any:
    """Withhold the numbers in a field that were found in the data."""
    if isinstance(value, Message):
        return Message(
            value.key, **{key: _withheld(each, key) for key, each in value.fields.items()}
        )
    if isinstance(value, tuple):
        return tuple(_withheld(each, name) for each in value)
    return None if isinstance(value, int | float) and name not in _ASKED else value


def without_seeds(text: str) -> str:
    """Write an estimator without its seeds, from which all that was drawn could be drawn again of tables tried out.

    Examples
    --------
    >>> (
    ...     without_seeds("LatentClasses(10, seed=7, draws=500)"),
    ...     without_seeds("LatentClasses(seed=7)"),
    ... )
    ('LatentClasses(10, draws=500)', 'LatentClasses()')
    """
    return re.sub(r"(, )?\b\w*seed=[^,)]*(?(1)|(, )?)", "", text)


def info_shown(info: TableInfo, rules: Rules) -> TableInfo:
    """Describe a table without the sentences of its notes, and the descriptions of its lists, that hold numbers.

    Examples
    --------
    >>> import mse
    >>> table = mse.load_dataset("kosovo").with_info(
    ...     notes="Nobody is counted twice. Of 4,400 nine are on all."
    ... )
    >>> info_shown(table.info, mse.disclosure.rules("cbs")).notes[:24]
    'Nobody is counted twice.'
    """
    if not rules.suppresses:
        return info
    # A message is said in other languages as a whole.
    given = [
        each
        for part in sentences_of(info.notes)
        for each in ([part] if isinstance(part, Message) else re.split(r"(?<=[.!?])\s+", part))
    ]
    kept = [each for each in given if not re.search(r"\d", each)]
    lost = [_UNKNOWN] if len(kept) < len(given) else []
    lists = {
        name: "" if re.search(r"\d", text) else text
        for name, text in info.list_descriptions.items()
    }
    notes = info.notes if not lost else joined(*(each for each in [*kept, *lost] if each))
    return replace(info, notes=notes, list_descriptions=lists)
