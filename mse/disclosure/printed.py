"""What was printed, read back as a stranger would: estimates, counts and telling sentences."""

from __future__ import annotations

import csv
import html
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

from mse.answer.intervals import DEFAULT_LEVEL
from mse.errors import ModelError
from mse.messages import MARK, catalogue_of, languages
from mse.messages import template as parts_of

#: Sentences whose numbers say how many persons there are, or how many are on several lists.
TELLING = (
    *("remark.unbounded", "remark.zero", "reason.below_observed", "nobody.none_hidden"),
    *("reason.too_few_observed", "remark.deviance"),
)
#: Names of measures that any table can be tried out against.
MEASURES = frozenset({"deviance", "aic", "aicc", "bic", "pearson", "freeman_tukey", "p_value"})
#: Kind of the intervals of posteriors: nothing of them has the closed form of two lists.
POSTERIOR = "credible"
#: Columns before the persons that tell no group, and levels that stand for everybody.
_NO_GROUP = frozenset(("", "index", "estimator", "method", "model"))
_EVERYBODY = frozenset(("all", "alle", "total", "totaal", "nan", "none"))
_NUMBER = r"[-+]?\d{1,3}(?:[.,\u202f]\d{3})+(?:[.,]\d+)?|[-+]?\d+(?:[.,]\d+)?"


@dataclass(frozen=True)
class Seen:
    """An estimate as it was printed.

    Attributes
    ----------
    where : str
        Which one, for people.
    lists : tuple of str
        Names of the lists.
    model, method, kind : str
        As printed; ``kind`` of the interval.
    observed, total : float
        Persons; NaN where they are not printed.
    ends : mapping of float to pair of float
        Intervals of the total by level; an end without bound is infinite.
    settings : mapping
        What was printed of how it was made: estimator, seed, replicates.
    step : float
        Persons to whose multiples the estimate was rounded; ends outward where it is more than the base.
    by : tuple of str
        Covariates of which it is one stratum, as far as that was printed.
    at : tuple of pair of str
        The same with its levels.
    """

    where: str
    lists: tuple[str, ...]
    model: str
    method: str
    kind: str
    observed: float
    total: float
    ends: Mapping[float, tuple[float, float]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    step: float = 1.0
    by: tuple[str, ...] = ()
    at: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Share:
    """A share of a known group as it was printed.

    Attributes
    ----------
    table : int
        Which table it stands in; tables of one file are told apart, and so are files.
    where : tuple of pair of str
        Columns and levels of the group; empty for everybody.
    stage : str
        Empty where there are none.
    within : float
        Days; NaN where they are not printed.
    persons : float
        Of whom; NaN for a mark.
    low, high : float
        Between which the share lies that was printed; NaN for a mark.
    kept : float
        Share of the links that are not missed.
    """

    table: int
    where: tuple[tuple[str, str], ...]
    stage: str
    within: float
    persons: float
    low: float
    high: float
    kept: float = 1.0


class Counted(NamedTuple):
    """A number of persons as it was printed.

    Attributes
    ----------
    file : int
        Which file or thing it stands in.
    lists : tuple of str
        Lists that they are on at least one of; empty where they are not named.
    at : tuple of pair of str
        Covariates and their levels, and lists that all of them are on with "1".
    persons : float
        How many; NaN for a mark.
    """

    file: int
    lists: tuple[str, ...]
    at: tuple[tuple[str, str], ...]
    persons: float


@dataclass(frozen=True)
class Printed:
    """All that was read from one or more things.

    Attributes
    ----------
    estimates : tuple of Seen
    counts : mapping
        Persons by sorted names of lists ("on all of these, whatever else"), None where a mark stands.
    sentences : tuple of (key, numbers)
        Telling sentences, with the numbers in them in the order of their text; None for a mark.
    measures : tuple of str
        Measures of fit that were given with a number.
    shares : tuple of Share
        Of known groups.
    curves : tuple of str
        Curves of shares by time, by name: each step is a person.
    strata : tuple of Counted
        Persons by covariates that stand beside no estimate; of whole things all numbers of persons.
    """

    estimates: tuple[Seen, ...] = ()
    counts: Mapping[tuple[str, ...], float | None] = field(default_factory=dict)
    sentences: tuple[tuple[str, tuple[float | None, ...]], ...] = ()
    measures: tuple[str, ...] = ()
    shares: tuple[Share, ...] = ()
    curves: tuple[str, ...] = ()
    strata: tuple[Counted, ...] = ()

    def __add__(self, other: Printed) -> Printed:
        before = max((each.table for each in self.shares), default=-1) + 1
        after = tuple(replace(each, table=before + each.table) for each in other.shares)
        return Printed(
            self.estimates + other.estimates,
            {**self.counts, **other.counts},
            self.sentences + other.sentences,
            self.measures + other.measures,
            self.shares + after,
            self.curves + other.curves,
            self.strata + other.strata,
        )

    def apart(self, file: int) -> Printed:
        """Note all numbers of persons as those of one file, since what several say of the same is compared."""
        named = next((each.lists for each in self.estimates if each.lists), ())
        found = [Counted(file, each.lists, each.at, each.observed) for each in self.estimates]
        for names, persons in self.counts.items():
            at = tuple((name, "1") for name in names)
            lists = named or tuple(sorted({name for each in self.counts for name in each}))
            found.append(Counted(file, lists, at, math.nan if persons is None else persons))
        found += [each._replace(file=file, lists=each.lists or named) for each in self.strata]
        return replace(self, strata=tuple(dict.fromkeys(found)))


def read_printed(thing: object) -> Printed:
    """Read something that was published: a dictionary, text, or the path of a file.

    Raises ModelError: if a file cannot be read, or the thing is nothing that is published
    """
    if isinstance(thing, Mapping):
        return _of_data(thing)
    if isinstance(thing, str) and ("\n" in thing or thing.lstrip().startswith(("{", "<"))):
        return _of_data(json.loads(thing)) if thing.lstrip().startswith("{") else of_text(thing)
    if not isinstance(thing, str | Path):
        raise ModelError(
            f"{type(thing).__name__} is nothing that was published: expected a dictionary, a text, or the "
            "path of a JSON, CSV, HTML, Markdown, Excel or text file."
        )
    try:
        if Path(thing).suffix.lower() == ".xlsx":
            return of_text(workbook_text(Path(thing).read_bytes()))
        text = Path(thing).read_text(encoding="utf-8-sig")
        return _of_data(json.loads(text)) if Path(thing).suffix == ".json" else of_text(text)
    except (OSError, ValueError, RecursionError, BadZipFile, KeyError) as error:
        raise ModelError(f"{thing} cannot be read: {type(error).__name__}.") from None


def workbook_text(data: bytes) -> str:
    """Write the cells of a workbook as text: a line for each row, tabs between cells."""
    from openpyxl import load_workbook

    lines = []
    for sheet in load_workbook(io.BytesIO(data)).worksheets:
        lines += ["", sheet.title]
        for row in sheet.iter_rows(values_only=True):
            lines.append("\t".join(map(_written, row)))
    return "\n".join(lines)


def _written(value: Any) -> str:
    """Write a cell as a report would; a whole number without decimals."""
    whole = isinstance(value, float) and value.is_integer()
    return "" if value is None else str(int(value)) if whole else str(value)


# Dictionaries of JSON ----------------------------------------------------------------------------


def _of_data(data: Any) -> Printed:
    """Read JSON of any schema of the library."""
    schema = str(data.get("schema", "")) if isinstance(data, Mapping) else ""
    found = Printed(measures=tuple(_measures(data)))
    for text in _texts(data):
        found += _sentences(text)
    if schema.startswith("mse.population/"):
        found += Printed(tuple(_population(data, "estimate")))
    elif schema.startswith("mse.comparison/"):
        for each in data["estimates"]:
            found += Printed(tuple(_population(each["population"], each["estimator"])))
    elif schema.startswith("mse.monitor/"):
        found += Printed(tuple(_cells(data)))
    elif schema.startswith("mse.reach/"):
        found += _of_reach(data)
    elif schema.startswith("mse.report/"):
        found += of_rows([*_rows(data)])
    if isinstance(data, Mapping) and isinstance(data.get("counts"), Mapping):
        found += Printed(counts={_joint(key): _count(n) for key, n in data["counts"].items()})
    return found


def _of_reach(data: Mapping[str, Any]) -> Printed:
    """Read the shares of a known group, and whether their curves stand beside them."""
    missed, first = data["missed"], (data["stages"] or [""])[0]
    kept = 1 - (missed[0] / missed[1] if isinstance(missed, list) else missed)
    shares = []
    for row in data["reached"]:
        where = {name: str(level) for name, level in row["where"].items()}
        stage = where.pop("stage", "") if data["stages"] else ""
        # Of those who reached the stage before, links are not missed again.
        own = 1.0 if data["since"] == "previous" and stage != first else kept
        point = _float(row["share"])
        shares.append(
            Share(
                0,
                (*where.items(),),
                stage,
                data["within"],
                _float(row["observed"]),
                point,
                point,
                own,
            )
        )
    curves = ("the curve of shares by time",) if data["curves"] else ()
    return Printed(shares=tuple(shares), curves=curves)


def _joint(key: str) -> tuple[str, ...]:
    return tuple(sorted(part.strip() for part in key.split("&") if part.strip()))


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        if isinstance(runs := data.get("text"), list):
            yield "".join(str(run.get("text", "")) for run in runs if isinstance(run, Mapping))
        for name, each in data.items():
            yield from () if name == "messages" else _texts(each)
    elif isinstance(data, list | tuple):
        for each in data:
            yield from _texts(each)


def _measures(data: Any) -> Iterator[str]:
    if isinstance(data, Mapping):
        for name, each in data.items():
            if str(name).lower() in MEASURES and isinstance(each, int | float):
                yield str(name)
            yield from _measures(each)
    elif isinstance(data, list | tuple):
        for each in data:
            yield from _measures(each)


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _shared(data: Mapping[str, Any]) -> dict[str, Any]:
    done = data.get("disclosure") or {}
    step = _float(done.get("rounded_to") or done.get("base") or 1)
    kind = (data.get("interval") or {}).get("kind") or ""
    return {
        "lists": tuple(data["lists"]),
        "model": data["model"] or "",
        "method": data["method"],
        "kind": kind,
        "settings": data.get("provenance") or {},
        "step": step,
    }


def _population(data: Mapping[str, Any], where: str) -> Iterator[Seen]:
    """Read an estimate, the estimates of its strata, and those that stand beside it."""
    shared = _shared(data)
    # What allows for people who differ is not of the model that the total is of.
    narrow = data.get("alike")
    own = (narrow or {}).get("interval") if narrow is not None else data.get("interval")
    ends = {} if own is None else {row["level"]: _ends(row) for row in own["levels"]}
    kind = shared["kind"] if own is None and narrow is None else (own or {}).get("kind", "")
    shared["kind"] = kind
    figures = _float(data["observed"]), _float(data["total"]), ends
    yield Seen(where, **shared, **_named(*figures))
    strata = data.get("strata") or {"cells": ()}
    for cell in strata["cells"]:
        place = ", ".join(map(str, cell["levels"]))
        ends = {strata["interval_level"]: _ends(cell)} if cell["low"] is not None else {}
        figures = _float(cell["observed"]), _float(cell["total"]), ends
        kind = strata["interval_kind"] or shared["kind"] or "lognormal"
        by = tuple(each["name"] for each in strata["covariates"])
        at = tuple(zip(by, map(str, cell["levels"]), strict=True))
        said = {"kind": kind, "by": by, "at": at}
        yield Seen(f"{where}, {place}", **{**shared, **said}, **_named(*figures))
    if data.get("allowing"):
        yield from _population(data["allowing"], f"{where}, allowing for differences")


def _named(observed: float, total: float, ends: Mapping[float, tuple[float, float]]) -> Any:
    return {"observed": observed, "total": total, "ends": ends}


def _ends(row: Mapping[str, Any]) -> tuple[float, float]:
    return _float(row["low"]), math.inf if row.get("unbounded") else _float(row["high"])


def _cells(data: Mapping[str, Any]) -> Iterator[Seen]:
    shared = _shared(data)
    settings = shared["settings"].get("bootstrap") or {}
    for cell in data["cells"]:
        total = cell["total"] or {}
        place = ", ".join(
            [str(cell["period"]), *(str(each) for each in (cell.get("group") or {}).values())]
        )
        ends = {data["level"]: _ends(total)} if total.get("low") is not None else {}
        figures = _float(cell["observed"]), _float(total.get("point")), ends
        kind = settings.get("interval", "percentile")
        step = _float(cell.get("rounded_to") or shared["step"])
        group = (() if cell["period"] is None else (data["period"],)) + (
            *(cell.get("group") or {}),
        )
        one = cell.get("group") or {}
        at: tuple[tuple[str, str], ...] = ()
        if cell["period"] is not None:
            at = ((str(data["period"]), str(cell["period"])),)
        at += ((str(one["name"]), str(one["level"])),) if one else ()
        said = {"kind": kind, "step": step, "by": group, "at": at}
        yield Seen(place, **{**shared, **said}, **_named(*figures))


def _shares_of_csv(text: str) -> Iterator[Share]:
    """Read shares of a known group from rows of CSV; that links were missed is not written there."""
    for row in csv.DictReader(io.StringIO(text), delimiter=max(",;", key=text.count)):
        # Plain numbers: in 0.575 nothing marks thousands.
        n, days, point = (float(row[name] or "nan") for name in ("observed", "days", "share"))
        where = {name: row[name] for name in [*row][: [*row].index("observed")] if name}
        stage = where.pop("stage", "")
        yield Share(0, (*where.items(),), stage, days, n, point, point)


# Text, Markdown, HTML and the content of reports: rows of cells -----------------------------------


def _rows(data: Any) -> Iterator[list[str]]:
    """Rows of the facts and tables in the content of a report."""
    if isinstance(data, Mapping):
        if "columns" in data and "rows" in data:
            yield [_plain(each) for each in data["columns"]]
            yield from ([_plain(cell) for cell in _row(row)] for row in data["rows"])
        elif {"name", "text"} <= set(data):
            yield [_plain(data["name"]), _plain(data["text"])]
        for each in data.values():
            yield from _rows(each)
    elif isinstance(data, list):
        for each in data:
            yield from _rows(each)


def _row(row: Any) -> list[Any]:
    return list(row["cells"]) if isinstance(row, Mapping) and "cells" in row else list(row)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return _plain(value.get("text", value.get("name", value.get("heading", ""))))
    return "".join(map(_plain, value)) if isinstance(value, list) else str(value)


def of_text(text: str) -> Printed:
    """Read text, CSV, Markdown or HTML."""
    if re.search(r"<(html|table|p|dl)\b", text):
        text = re.sub(r"(?s)<(style|script)\b.*?</\1>", "", text)
        # What is written out keeps its lines.
        text = re.sub(r"(?s)<pre>.*?</pre>", lambda found: found[0].replace("\n", "<br>"), text)
        text = re.sub(r"\s*\n\s*", " ", text)
        text = re.sub(r"</(td|th|dt)>", "\t", text)
        text = re.sub(r"</(tr|p|dd|li|div|h\d|figcaption|pre)>|<br\s*/?>", "\n", text)
        text = html.unescape(re.sub(r"<[^>]*>", "", text))
    text = re.sub(r"\\([\\`*_{}\[\]()#+.!|-])", r"\1", text)
    # A line that begins far in goes on with the one before it.
    flowing = re.sub(r"\n\s{12,}(?=\S)", " ", text)
    if re.match(r"[\w ,;]*\bobserved[,;]days[,;]share[,;]", text):
        return Printed(shares=tuple(_shares_of_csv(text)))
    if re.match(r"[\w ,;]*\bobserved[,;]", text):
        return Printed(tuple(_of_csv(text)))
    rows = [_cells_of(line) for line in flowing.splitlines()]
    measures = tuple(
        row[0] for row in rows if len(row) > 1 and row[0].lower() in MEASURES and _numbers(row[1])
    )
    spoken = re.sub(r"\s*\n\s*", " ", text)
    # A heading may begin far in as well.
    lines = [_cells_of(line) for line in text.splitlines()]
    return of_rows(rows, lines) + _sentences(spoken) + Printed(measures=measures)


def _cells_of(line: str) -> list[str]:
    """Cut a line into cells: a fact, or what tabs, bars or several spaces part."""
    fact = re.match(r"\s*[-*] \*\*(.+?):?\*\*:? *(.*)", line)
    cut = [*fact.groups()] if fact else re.split(r"\t|\|| {2,}", line.strip(" |"))
    return [cell.strip() for cell in cut]


def _of_csv(text: str) -> Iterator[Seen]:
    """Read estimates from rows of CSV, whose interval has the usual level."""
    for row in csv.DictReader(io.StringIO(text), delimiter=max(",;", key=text.count)):
        # Where people are allowed to differ, the model is of the interval that takes them for alike.
        narrow = "low_alike" in row
        names = ("low_alike", "high_alike") if narrow else ("low", "high")
        figures = {name: _count(row.get(name)) for name in ("observed", "total", *names)}
        n, total, low, high = (math.nan if each is None else each for each in figures.values())
        model = row.get("model") or ""
        lists = tuple(sorted(set(re.findall(r"\d", model))))
        # What stands before the persons who were observed says of whom they were: a period, a group, a level.
        named = [*row][: [*row].index("observed")]
        where = row.get("estimator") or ", ".join(
            row[name] for name in named if name not in ("", "index") and row[name]
        )
        at = {name: row[name] for name in named if name not in _NO_GROUP and row[name]}
        if "group" in at and "group_level" in at:
            at[at.pop("group")] = at.pop("group_level")
        ends = (
            {}
            if math.isnan(low)
            else {DEFAULT_LEVEL: (low, math.inf if math.isnan(high) else high)}
        )
        kind = "" if narrow else row.get("interval_kind") or row.get("interval")
        method, own = row.get("method") or "", (*at.items(),)
        yield Seen(where, lists, model, method, kind or "percentile", n, total, ends, at=own)


@cache
def _posteriors() -> frozenset[str]:
    """Give what intervals of posteriors are called, in all languages."""
    known = (catalogue_of(code).messages for code in languages())
    return frozenset(str(each["kind.credible"]) for each in known)


@cache
def _labels() -> dict[str, tuple[re.Pattern[str], ...]]:
    """Labels of facts, in all languages, as patterns."""
    wanted = {
        "observed": ("fact.observed",),
        "total": ("fact.total_point", "fact.point"),
        "ends": ("fact.total_interval",),
        "alike": ("fact.alike_interval",),
        "method": ("fact.method",),
        "model": ("fact.model",),
        "lists": ("fact.lists",),
    }
    return {
        role: tuple(_pattern(code, key) for code in languages() for key in keys)
        for role, keys in wanted.items()
    }


def _pattern(code: str, key: str) -> re.Pattern[str]:
    """Write a text of a catalogue as a pattern, with a group for each of its fields."""
    parts = parts_of(catalogue_of(code).messages[key])
    body = "".join(
        re.sub(r"\\? ", r"\\s+", re.escape(literal)) + ("" if name is None else "(.+?)")
        for literal, name, _ in parts
    )
    return re.compile(body)


@cache
def _told() -> tuple[tuple[str, re.Pattern[str]], ...]:
    found = []
    for code in languages():
        known = catalogue_of(code).messages
        for key in TELLING:
            found += [
                (key, _pattern(code, each))
                for each in (key, f"{key}.one", f"{key}.other")
                if each in known
            ]
    return tuple(found)


def _sentences(text: str) -> Printed:
    """Find telling sentences in a text."""
    found = []
    for key, pattern in _told():
        for match in pattern.finditer(text):
            numbers = tuple(next(iter(_numbers(each)), None) for each in match.groups())
            if any(each is not None for each in numbers):
                found.append((key, numbers))
    return Printed(sentences=tuple(dict.fromkeys(found)))


def _numbers(text: str) -> list[float]:
    return [number_of(each) for each in re.findall(_NUMBER, text)]


def number_of(text: str) -> float:
    """Read a number with the thousands marks of any language."""
    if re.match(r"[-+]?0[.,]", text):
        # A share, of whatever number of digits.
        return float(text.replace(",", "."))
    whole = re.sub(r"[.,\u202f](?=\d{3}(?:\D|$))", "", text)
    return float(whole.replace(",", "."))


def _count(value: Any) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    found = re.fullmatch(_NUMBER, str(value).strip())
    return number_of(found[0]) if found else None


@cache
def _heads() -> dict[str, frozenset[str]]:
    """Headings of the columns of shares of a known group, in all languages, and in plain text."""
    known = {"persons": {"persons"}, "point": {"estimated share"}, "stage": {"stage"}}
    for code in languages():
        for role, texts in known.items():
            texts.add(str(catalogue_of(code).messages[f"reached.{role}"]))
    return {role: frozenset(texts) for role, texts in known.items()}


def _shares(rows: list[list[str]]) -> Iterator[Share]:
    """Read shares of known groups from rows of cells: what names them, the interval, the share, and of how many."""
    heads, table, figures = _heads(), -1, 3
    names: list[str] | None = None
    for cells in rows:
        # Below a heading Markdown has a row of dashes, and HTML ends each row with an empty cell.
        row = [cell for cell in cells if not re.fullmatch(r":?--+:?", cell)]
        row = row[:-1] if row[-1:] == [""] else row
        if len(row) > 2 and row[-1] in heads["persons"] and row[-2] in heads["point"]:
            ends = [cell.rpartition(",")[0] for cell in row[-4:-2]]
            # A workbook has the two ends of an interval in two cells.
            figures = 4 if len(ends) == 2 and ends[0] and ends[0] == ends[1] else 3
            names, table = row[:-figures], table + 1
        elif names is not None and len(row) == len(names) + figures:
            where = dict(zip(names, row[:-figures], strict=True))
            stage = next((where.pop(name) for name in names if name in heads["stage"]), "")
            n = _count(row[-1])
            of = math.nan if n is None else n
            yield Share(table, (*where.items(),), stage, math.nan, of, *_rounded_share(row[-2]))
        elif len(cells) < 2:
            names = None


def _rounded_share(text: str) -> tuple[float, float]:
    """Between which a printed share lies: a percentage, or a fraction as a workbook has it."""
    shown = re.fullmatch(r"(\d+)(?:[.,](\d+))?\s*(%?)", text.strip())
    if shown is None:
        return math.nan, math.nan
    whole, decimals, percent = shown.groups()
    value, half = float(f"{whole}.{decimals or 0}"), 0.5 * 10.0 ** -len(decimals or "")
    return ((value - half) / 100, (value + half) / 100) if percent else (value, value)


def of_rows(rows: list[list[str]], lines: list[list[str]] | None = None) -> Printed:
    """Read facts, totals of lists, the table of pairs, persons by groups, and shares of known groups from rows of cells.

    lines: rows as they stand, where some were put together
    """
    groups = tuple(_groups(rows if lines is None else lines))
    return _facts(rows) + Printed(shares=tuple(_shares(rows)), strata=groups)


@cache
def _registered() -> frozenset[str]:
    """Headings of the column of registered persons, and of that of lists, in all languages."""
    known = [str(catalogue_of(code).messages["column.registered"]) for code in languages()]
    return frozenset(("observed", "registered", *known))


def _groups(rows: list[list[str]]) -> Iterator[Counted]:
    """Read persons by groups: rows below a heading of covariates, and the column of those registered."""
    lists = {str(catalogue_of(code).messages["column.list"]) for code in languages()}
    names: list[str] = []
    after, words = 0, False
    for cells in rows:
        row = [cell for cell in cells if not re.fullmatch(r":?--+:?", cell)]
        row = row[:-1] if row[-1:] == [""] else row
        # Frames in plain text have one space between short columns.
        tokens = " ".join(row).split()
        at = next((at for at, cell in enumerate(row) if cell in _registered()), 0)
        spoken = tokens.index("observed") if "observed" in tokens[1:] and len(tokens) < 20 else 0
        if at or spoken:
            words = not at or bool(spoken)
            names = tokens[:spoken] if words else row[:at]
            after = len(tokens) - spoken if words else len(row) - at
            names = [] if lists & {*names} else names
        elif names and row:
            own = tokens if words else row
            place = len(own) - after
            levels = own[: max(place, 0)]
            levels = [" ".join(levels)] if words and len(names) == 1 and levels else levels
            if len(levels) != len(names):
                names = []
                continue
            n = _count(own[place])
            if n is not None or own[place] == MARK:
                level = {
                    name: each
                    for name, each in zip(names, levels, strict=True)
                    if each.casefold() not in _EVERYBODY
                }
                yield Counted(0, (), (*level.items(),), math.nan if n is None else n)


def _facts(rows: list[list[str]]) -> Printed:
    """Read facts of an estimate, totals of lists, and the table of pairs from rows of cells."""
    facts: dict[str, str] = {}
    read: dict[str, dict[float, tuple[float, float]]] = {"ends": {}, "alike": {}}
    posterior = False
    for row in (each for each in rows if len(each) > 1):
        for role, patterns in _labels().items():
            match = next((found for each in patterns if (found := each.fullmatch(row[0]))), None)
            if match and role in read:
                posterior |= role == "ends" and any(word in row[1] for word in _posteriors())
                # A workbook has the two ends in two cells.
                apart = len(row) > 2 and re.fullmatch(_NUMBER, row[2])
                ends = _numbers(f"{row[1]} {row[2]}" if apart else row[1].split("(")[0])
                level = number_of(match[1].strip(" %")) / 100
                if ends:
                    pair = (ends[0], ends[1] if len(ends) > 1 else math.inf)
                    read[role].setdefault(level, pair)
            elif match:
                facts.setdefault(role, row[1])
    names = tuple(
        each for each in re.split(r", | and | en |\s{2,}", facts.get("lists", "")) if each
    )
    counts = dict(_pairs(rows, names))
    if not names:
        # Positions are as good as names.
        names = tuple(sorted(set(re.findall(r"\d", facts.get("model", "")))))
    observed, total = (
        next(iter(_numbers(facts.get(role, ""))), math.nan) for role in ("observed", "total")
    )
    if math.isnan(observed):
        return Printed(counts=counts)
    kind = "profile" if "profile" in str(rows) or "profiel" in str(rows) else "percentile"
    model, method = facts.get("model", ""), facts.get("method", "")
    # Where people are allowed to differ, the model is of the interval that takes them for alike.
    levels = read["alike"] or read["ends"]
    kind = POSTERIOR if posterior and not read["alike"] else kind
    seen = Seen("text", names, model, method, kind, observed, total, levels)
    return Printed((seen,), counts)


def _pairs(
    rows: list[list[str]], names: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], float | None]]:
    """Read totals of lists, and persons on both of two lists."""
    head: list[str] = []
    for row in rows:
        if names and [cell for cell in row if cell in names] == [*names]:
            head = row
        elif row and row[0] in names and len(row) > 1:
            if len(row) == len(head):
                for name, cell in zip(head[1:], row[1:], strict=True):
                    if _count(cell) is not None or cell == MARK:
                        yield tuple(sorted({row[0], name})), _count(cell)
            elif _count(row[1]) is not None:
                yield (row[0],), _count(row[1])
