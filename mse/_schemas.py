"""The JSON schemas of the package: given whole, and what is read checked against them.

The check knows the keywords that the schemas use, which a test sees to, and no others: it needs no package, and the
tests hold it against `jsonschema`.
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mse.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Present version of each schema.
SCHEMAS = {
    "population": "population-2",
    "comparison": "comparison-1",
    "monitor": "monitor-2",
    "report": "report-1",
    "since": "since-1",
    "reach": "reach-1",
}
#: Parts of a schema that ask nothing of the data.
SILENT = ("$schema", "$id", "$defs", "title", "description", "format")
_PREFIX = "urn:mse:"


def schema(name: str) -> dict[str, Any]:
    """Give a schema with those it refers to in it, so that it resolves by itself.

    name: such as ``"population"``, or with a version ``"population-1"``
    Raises ModelError: if there is none of that name

    Examples
    --------
    >>> schema("monitor")["title"]
    'mse.monitor/2'
    """
    whole = dict(_stored(_file(name)))
    inside = {each: _stored(each) for each in _referred(whole)}
    named = {f"{_PREFIX}{each.replace('-', ':')}": part for each, part in inside.items()}
    return whole | {"$defs": {**whole.get("$defs", {}), **named}} if named else whole


def _file(name: str) -> str:
    """Name the file of a schema."""
    chosen = SCHEMAS.get(name, name)
    if not re.fullmatch(r"[a-z]+-\d+", chosen) or not _path(chosen).is_file():
        raise ModelError(f"There is no schema {name!r}: there are {', '.join(SCHEMAS)}.")
    return chosen


def _path(name: str) -> Any:
    return files("mse").joinpath(f"schema/{name}.json")


@cache
def _stored(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_path(name).read_text(encoding="utf-8"))
    return found


def _referred(part: Any) -> set[str]:
    """Find the other schemas that one refers to, and those that these refer to."""
    text = json.dumps(part)
    direct = {f"{name}-{version}" for name, version in re.findall(r'"urn:mse:(\w+):(\d+)#', text)}
    return direct.union(*(_referred(_stored(each)) for each in direct))


# Checked ------------------------------------------------------------------------------------------


def check_schema(data: Any, name: str) -> None:
    """Raise ``ModelError`` where data do not follow a schema, with what was found first, and where."""
    try:
        problem = next(_problems(data, _stored(_file(name)), _file(name), ""), None)
    except RecursionError:
        problem = "it is nested too deeply"
    if problem is not None:
        raise ModelError(
            f"The data do not follow the schema {name} (`mse schema {name}`): {problem}."
        )


def loaded(text: str) -> Any:
    """Read JSON text.

    Raises ModelError: if it is none
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"The text is not JSON: {error}.") from error


def _problems(data: Any, asked: Any, home: str, where: str) -> Iterator[str]:
    """Say what in some data a schema does not allow."""
    if isinstance(asked, bool):
        if not asked:
            yield f"{where or 'it'} is not expected"
        return
    for keyword, value in asked.items():
        if keyword in _TESTS:
            if not _TESTS[keyword](data, value):
                yield f"{where or 'it'} is {_shown(data)}: {keyword} is {_shown(value)}"
        elif keyword in _PARTS:
            yield from _PARTS[keyword](data, value, asked, home, where)


def _fits(data: Any, asked: Any, home: str) -> bool:
    return next(_problems(data, asked, home, ""), None) is None


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number(data: Any) -> bool:
    plain = isinstance(data, int) or (isinstance(data, float) and math.isfinite(data))
    return plain and not isinstance(data, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda data: isinstance(data, dict),
    "array": lambda data: isinstance(data, list | tuple),
    "string": lambda data: isinstance(data, str),
    "boolean": lambda data: isinstance(data, bool),
    "null": lambda data: data is None,
    "number": _is_number,
    "integer": lambda data: _is_number(data) and data == int(data),
}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON, where true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _of_number(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda data, bound: not _is_number(data) or holds(data, bound)


def _of_size(kind: Any, holds: Callable[[int, int], bool]) -> Callable[[Any, Any], bool]:
    return lambda data, bound: not isinstance(data, kind) or holds(len(data), bound)


#: Keywords that ask something of the value itself.
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "type": lambda data, kinds: any(
        _TYPES[each](data) for each in ([kinds] if isinstance(kinds, str) else kinds)
    ),
    "const": _same,
    "enum": lambda data, known: any(_same(data, each) for each in known),
    "pattern": lambda data, text: not isinstance(data, str) or re.search(text, data) is not None,
    "minimum": _of_number(lambda data, bound: data >= bound),
    "maximum": _of_number(lambda data, bound: data <= bound),
    "exclusiveMinimum": _of_number(lambda data, bound: data > bound),
    "exclusiveMaximum": _of_number(lambda data, bound: data < bound),
    "minLength": _of_size(str, lambda size, bound: size >= bound),
    "minItems": _of_size(list | tuple, lambda size, bound: size >= bound),
    "maxItems": _of_size(list | tuple, lambda size, bound: size <= bound),
    "required": lambda data, names: (
        not isinstance(data, dict) or all(each in data for each in names)
    ),
}


def _reference(data: Any, value: str, _: Any, home: str, where: str) -> Iterator[str]:
    other, _, pointer = value.partition("#")
    name = other.removeprefix(_PREFIX).replace(":", "-") or home
    asked: Any = _stored(name)
    for part in filter(None, pointer.split("/")):
        asked = asked[part]
    return _problems(data, asked, name, where)


def _properties(
    data: Any, value: Mapping[str, Any], _: Any, home: str, where: str
) -> Iterator[str]:
    if isinstance(data, dict):
        for name, asked in value.items():
            if name in data:
                yield from _problems(data[name], asked, home, f"{where}.{name}".lstrip("."))


def _additional(data: Any, value: Any, whole: Any, home: str, where: str) -> Iterator[str]:
    if isinstance(data, dict):
        for name in data:
            if name not in whole.get("properties", {}):
                yield from _problems(data[name], value, home, f"{where}.{name}".lstrip("."))


def _items(data: Any, value: Any, _: Any, home: str, where: str) -> Iterator[str]:
    if isinstance(data, list | tuple):
        for at, each in enumerate(data):
            yield from _problems(each, value, home, f"{where}[{at}]")


def _all_of(data: Any, value: Any, _: Any, home: str, where: str) -> Iterator[str]:
    for each in value:
        yield from _problems(data, each, home, where)


def _some_of(least: int, most: float) -> Any:
    def counted(data: Any, value: Any, _: Any, home: str, where: str) -> Iterator[str]:
        if not least <= sum(_fits(data, each, home) for each in value) <= most:
            yield f"{where or 'it'} is {_shown(data)}, which is none of what is allowed there"

    return counted


def _conditional(data: Any, value: Any, whole: Any, home: str, where: str) -> Iterator[str]:
    branch = whole.get("then" if _fits(data, value, home) else "else", True)
    return _problems(data, branch, home, where)


#: Keywords that ask something of the parts of a value, or by other schemas.
_PARTS: dict[str, Any] = {
    "$ref": _reference,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "allOf": _all_of,
    "anyOf": _some_of(1, math.inf),
    "oneOf": _some_of(1, 1),
    "if": _conditional,
}
#: Every keyword that is known; ``then`` and ``else`` go with ``if``.
KEYWORDS = (*_TESTS, *_PARTS, "then", "else", *SILENT)
