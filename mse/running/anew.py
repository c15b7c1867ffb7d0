"""A configuration is run: read, estimated, written, with what was computed before kept."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mse._saving import load, save
from mse.data.datasets import list_datasets
from mse.data.patterns import TableInfo
from mse.data.reading import frame_of, understood
from mse.disclosure import Bundle
from mse.disclosure import rules as rules_of
from mse.disclosure.count_tables import refuse_unnamed_lists
from mse.errors import InvalidTableError, ModelError, MSEError
from mse.running.configuration import Configuration, filled, without
from mse.running.folder import (
    INSIDE,
    RESULT,
    SCHEMA,
    Inputs,
    Log,
    as_key,
    digest,
    inputs_of,
    made_private,
    record_of,
    software,
    write_private,
)
from mse.running.making import (
    categories_of,
    figures_of,
    is_monitored,
    leaving,
    levels_of,
    model_of,
    reports_of,
    results_of,
)
from mse.since import Since, Step, since

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mse.data.reading import Reading
    from mse.data.table import CaptureTable
    from mse.nowcasting import Nowcast
    from mse.reporting.context import Evidence
    from mse.running.making import Compute

_SYNTHETIC = "SYNTHETIC"
_WAITING = (
    "Since this was last published fewer persons came or went than may be shown, and a nowcast cannot leave them out: "
    "wait until the difference is larger, or leave [scope] as_of out."
)


def run_anew(
    asked: Configuration, state: str, log: Log, *, fresh: bool = False, command: bool = False
) -> None:
    """Read, estimate and write what a configuration asks for.

    asked, state: what is run, and all that it depends on
    log: is told what is done
    fresh: whether to compute also what was computed before
    command: whether the reader is at the command line
    Raises ModelError, InvalidTableError: with everything that is wrong in the configuration or the data
    """
    folder = asked.path(asked.output.folder)
    log.say(", ".join(f"{name} {version}" for name, version in software().items()))
    with log.step("reading"):
        inputs, bundle = _read(asked, command=command)
    cache = made_private(asked.path(asked.output.cache))

    def step(name: str, key: Mapping[str, Any], compute: Compute) -> Any:
        return _kept(cache, log, inputs.table, name, key, compute, fresh=fresh)

    results = results_of(inputs, step)
    leaves = leaving(inputs, results)
    outputs = figures_of(inputs, leaves)
    result = json.loads(outputs[RESULT])
    record = _record(asked, inputs, result, state)
    if asked.output.last is not None:
        with log.step("what changed since the last run"):
            last = asked.path(asked.output.last)
            found = compared(last, record, result, inputs)
            inputs = replace(inputs, since=found)
            results = [*results, found]
    with log.step("writing"):
        outputs |= reports_of(inputs, results)
        if bundle is not None:
            _checked(bundle, (result, leaves), inputs, asked)
        _write(folder, outputs, inputs, record, log)
    write_private(folder / INSIDE / "log.txt", "\n".join(log.lines) + "\n", append=True)


# What did not change ------------------------------------------------------------------------------


def _kept(
    cache: Path,
    log: Log,
    table: CaptureTable,
    name: str,
    key: Mapping[str, Any],
    compute: Compute,
    *,
    fresh: bool,
) -> Any:
    """Take a step from the cache, or compute it and put it there.

    What a table is about is a caption: results of the same counts with another one are the same results.
    """
    mark = digest(as_key([name, key, table.fingerprint, table.info.scope, software()]))[:32]
    path = cache / f"{mark}.npz"
    with log.step(name) as noted:
        if fresh or not path.exists():
            parts = path.with_suffix(".parts")
            found = compute(parts)
            noted["unfinished"] = _unfinished(found)
            if noted["unfinished"]:
                log.say(f"{name} was stopped; what was finished is kept: run it again to go on")
                return found
            save(found, path)
            shutil.rmtree(parts, ignore_errors=True)
        else:
            noted["kept"] = True
        return load(path, {TableInfo: table.info})


def _unfinished(found: Any) -> bool:
    """Whether replicates are missing since somebody stopped, or something killed, those who made them."""
    first = found[0] if isinstance(found, list) else found
    said = getattr(first, "warnings", ())
    return any(getattr(each, "key", "") == "remark.unfinished" for each in said)


# Reading ------------------------------------------------------------------------------------------


def _read(asked: Configuration, *, command: bool) -> tuple[Inputs, Bundle | None]:
    """Read everything that results depend on."""
    secrets = asked.secrets()
    try:
        read = _understood(asked, secrets, command=command)
        table = _table(asked, read)
    except MSEError as error:
        raise without(error, secrets) from None
    rules, bundle = rules_of(asked.rules_named), None
    refuse_unnamed_lists(read, rules, "[data] lists")
    if rules.suppresses:
        private = asked.path(asked.disclosure.private)
        made_private(private.parent) if not private.parent.exists() else None
        bundle = Bundle.at(private)
    seed = asked.method.seed if bundle is None else bundle.seed(asked.method.seed)
    completed = _completed(asked, read, table, seed)
    table = table if completed is None else completed.table
    if bundle is not None:
        # What changed too little since it was last published waits.
        held, _ = bundle.held(table, rules)
        if completed is not None and held != table:
            raise ModelError(_WAITING)
        table = held
    rates, regions = (
        None if name is None else frame_of(str(asked.path(name)), command=command)
        for name in (asked.scope.inhabitants, asked.method.regions)
    )
    is_monitored(asked, table)
    date = dt.date.today().isoformat()
    inputs = Inputs(asked.to_dict(), table, rates, rules, seed, date)
    return replace(inputs, nowcast=completed, regions=regions), bundle


def _completed(
    asked: Configuration, read: Reading, table: CaptureTable, seed: int
) -> Nowcast | None:
    """Complete the registrations by what is still to come after the date that was named, if one was."""
    scope = asked.scope
    if scope.as_of is None:
        if scope.not_in:
            raise ModelError("[scope] not_in says what is still to come after a date: add as_of.")
        return None
    if scope.operating or scope.not_operating or scope.periods:
        raise ModelError(
            "[scope] as_of completes registrations, and operating, not_operating and periods say where there are none: "
            "leave one of them out. A list that is still to come is not_in."
        )
    is_monitored(asked, table)
    from mse.nowcasting import nowcast

    period = str(asked.period)
    absent = {name: levels_of(table, period, when, "not_in") for name, when in scope.not_in.items()}
    found = nowcast(read, scope.as_of, not_in=absent or None, seed=seed)
    tables = tuple(_described(each, asked) for each in found.completed)
    return replace(found, table=_described(found.table, asked), completed=tables)


def _understood(asked: Configuration, secrets: Mapping[str, str], *, command: bool) -> Reading:
    """Read the source, by the covariates that are reported by."""
    source = filled(asked.source, secrets)
    if source == "-":
        raise ModelError("[data] source is -: a run reads a file, so that it can be run again.")
    known = source in set(list_datasets()["name"])
    settings: dict[str, Any] = (
        {"query": filled(asked.data.query, secrets)} if asked.data.query else {}
    )
    axes = [*(asked.data.covariates or ()), *asked.method.groups]
    axes += [asked.method.place] if asked.method.place else []
    if axes or asked.data.covariates is not None:
        settings["covariates"] = [each for each in dict.fromkeys(axes) if each != asked.period]
    read = understood(
        source if known else str(asked.path(source)), asked.data, settings, command=command
    )
    if read.table is None:
        raise InvalidTableError(read.questions)
    return read


def _table(asked: Configuration, read: Reading) -> CaptureTable:
    """Say where lists operated, select the periods, describe the table."""
    assert read.table is not None
    table = read.table
    if asked.scope.periods:
        period = str(asked.period)
        chosen = levels_of(table, period, list(asked.scope.periods), "periods")
        table = table.where(**{period: chosen})
    if asked.scope.operating:
        table = table.with_operating(asked.scope.operating)
    for name, where in asked.scope.not_operating.items():
        period = str(asked.period)
        table = table.not_operating(
            name, **{period: levels_of(table, period, where, "not_operating")}
        )
    return _described(table, asked)


def _described(table: CaptureTable, asked: Configuration) -> CaptureTable:
    """Say what the table is about; data that were made up go on saying so."""
    about = asked.about
    said = {"population": about.population, "period": about.when, "source": about.source}
    said |= {"notes": about.notes, "scope": asked.scope.scope}
    given = {name: text for name, text in said.items() if text is not None}
    if table.info.population.startswith(_SYNTHETIC) and "population" in given:
        given["population"] = f"{_SYNTHETIC}: {given['population']}"
    return table.with_info(**given)


# Writing ------------------------------------------------------------------------------------------


def _record(
    asked: Configuration, inputs: Inputs, result: Mapping[str, Any], state: str
) -> dict[str, Any]:
    """Note what was run, of what, and by what."""
    table = inputs.table
    levels = {name: list(levels) for name, levels in categories_of(table).items()}
    provenance = result["provenance"]
    return {
        "schema": SCHEMA,
        "date": inputs.date,
        "state": state,
        "configuration": asked.to_dict(),
        "data": {"lists": list(table.lists), **levels},
        "table": table.fingerprint,
        "method": {
            "estimator": provenance.get("estimator"),
            "model that was chosen": result["model"],
        },
        "software": software(),
    }


def compared(
    last: Path, record: Mapping[str, Any], result: Mapping[str, Any], inputs: Inputs
) -> Since:
    """Put a run beside an earlier one; its steps where several things changed and nothing is suppressed."""
    before = record_of(last)
    try:
        old = json.loads((last / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{last / RESULT} cannot be read: {error}.") from None
    found = since(before, record, (old, result))
    causes = set(found.causes)
    if inputs.rules.suppresses or not (
        causes & {"data", "scope"} and causes & {"method", "software"}
    ):
        return found
    return replace(found, steps=_steps(last, inputs, (old, result)))


def compared_runs(old: Path, new: Path) -> Since:
    """Put two runs beside each other, from their folders.

    old, new: folders that `run` wrote
    Raises ModelError: if one of them holds no run
    """
    result = json.loads((new / RESULT).read_text(encoding="utf-8")) if record_of(new) else {}
    return compared(old, record_of(new), result, inputs_of(new))


def _steps(
    last: Path, now: Inputs, results: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> tuple[Step, ...]:
    """Estimate the earlier data by the method and software of now, for the last period in both."""
    asked = Configuration.of(now.configuration)
    totals = [_totals(each) for each in results]
    both = [each for each in totals[0] if each in totals[1]]
    if not both:
        return ()
    where = both[-1]
    try:
        before = inputs_of(last)
        if before.rules.suppresses or before.nowcast or now.nowcast:
            # Totals of completed tables are those of many tables, and not of one.
            return ()
        middle = _point(before.table, asked, where)
    except (MSEError, KeyError):
        # The earlier table is not there, or lacks what is asked for now: there is no step between.
        return ()
    return Step("before", totals[0][where]), Step("method", middle), Step("data", totals[1][where])


def _totals(result: Mapping[str, Any]) -> dict[str, float]:
    """Find the totals of everybody by period in published JSON."""
    if "cells" not in result:
        return {"": float("nan") if result["total"] is None else result["total"]}
    return {
        str(each["period"]): float("nan")
        if each["total"]["point"] is None
        else each["total"]["point"]
        for each in result["cells"]
        if each["group"] is None
    }


def _point(table: CaptureTable, asked: Configuration, where: str) -> float:
    """Estimate one total without its interval."""
    from mse.comparing import default_estimator
    from mse.monitoring.monitor_table import default_choice

    period = asked.period
    if not where or period is None:
        return float(default_estimator(table).fit(table).population.total)
    chosen = model_of(asked)
    if chosen is None:
        chosen = default_choice(table, period, asked.method.criterion, asked.method.trend).estimator  # type: ignore[arg-type]
    frame = chosen.fit(table).population.margin(period).set_index(period)
    return float(frame["total"][levels_of(table, period, [where], "periods")[0]])


def _checked(
    bundle: Bundle,
    leaves: tuple[Mapping[str, Any], Evidence],
    inputs: Inputs,
    asked: Configuration,
) -> None:
    """Check what is to be published, as JSON and as results, against what was, and note it once."""
    result, evidence = leaves
    if all(each["published"] != result for each in bundle.runs):
        bundle.with_run(result, inputs.rules, inputs.table, asked.method.seed, evidence.answers)


def _write(
    folder: Path, outputs: Mapping[str, bytes], inputs: Inputs, record: Mapping[str, Any], log: Log
) -> None:
    """Write what leaves and what stays inside; the record last, so that it stands for a whole run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inside = made_private(folder / INSIDE)
        for name, data in outputs.items():
            (folder / name).write_bytes(data)
        save(inputs, inside / "inputs.npz")
        hashes = {name: digest(data) for name, data in outputs.items()}
        if any(each.get("unfinished") for each in log.steps):
            record = {**record, "state": ""}
        whole = {**record, "steps": log.steps, "outputs": hashes}
        write_private(
            inside / "run.json", json.dumps(whole, indent=1, ensure_ascii=False, default=str)
        )
    except OSError as error:
        raise ModelError(
            f"{folder} cannot be written: {error.strerror}. Name another folder."
        ) from error
