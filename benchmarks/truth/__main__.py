"""Put any method to the test on populations of known size.

    python -m benchmarks.truth write DIR            worlds as files: a CSV each, and truth.json
    python -m benchmarks.truth run METHOD [...]     methods of this library; writes DIR/METHOD.json
    python -m benchmarks.truth judge FILE [...]     answers, ours or of others: the table
    python -m benchmarks.truth alarms               what warnings are worth: `alarms`

``run METHOD --where-missed FILE`` asks about those worlds alone that FILE does not hold: enough for the
coverage (not the width) of an interval that holds the interval of FILE, as the headline does.

``--worlds 200`` of each kind, ``--kinds``, ``--fresh`` for those thought of when all constants stood, ``--real`` for the lists of real tables in place of worlds. An
answer file is a JSON list of objects with ``world`` (the name of its CSV), ``total``, ``low`` and ``high`` of
a 95 % interval (null: none, or no upper end) and ``seconds``; `example.R` writes one.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

import mse
from benchmarks.truth.alarms import alarmed, table_of_alarms
from benchmarks.truth.judging import Answered, judge, table_of
from benchmarks.truth.methods import METHODS, answer
from benchmarks.truth.real import real_worlds
from benchmarks.truth.worlds import FRESH, KINDS, World, draw_world

RESULTS = Path(__file__).resolve().parents[1] / "results" / "truth"


def name_of(world: World) -> str:
    """Name the file of a world."""
    words = "".join(c if c.isalnum() else "_" for c in world.kind).strip("_")
    return f"{words}_{world.number:04d}.csv"


def worlds_of(asked: argparse.Namespace) -> list[World]:
    """Draw the worlds that are asked for."""
    if asked.real:
        return real_worlds()
    kinds = [*FRESH] if asked.fresh else [*KINDS]
    if asked.kinds:
        kinds = [kind for kind in (*KINDS, *FRESH) if kind.name in asked.kinds]
    numbers = range(asked.first, asked.first + asked.worlds)
    tasks = (delayed(draw_world)(kind, number) for kind in kinds for number in numbers)
    return list(Parallel(n_jobs=asked.jobs)(tasks))


def table_for(world: World) -> mse.CaptureTable:
    """Count a world as a table of the library."""
    import pandas as pd

    covariates = [] if world.group is None else ["group"]
    return mse.CaptureTable.from_frame(pd.DataFrame(world.rows()), world.lists, covariates, "n")


def write(asked: argparse.Namespace) -> None:
    """Write worlds as files, and apart from them what is true."""
    folder = Path(asked.names[0])
    folder.mkdir(parents=True, exist_ok=True)
    truth = {}
    for world in worlds_of(asked):
        rows = world.rows()
        with (folder / name_of(world)).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        truth[name_of(world)] = {"kind": world.kind, "total": world.total}
    (folder / "truth.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")
    print(f"{len(truth)} worlds in {folder}")


def run(asked: argparse.Namespace) -> None:
    """Ask methods of this library about each world."""
    worlds = worlds_of(asked)
    held: list[dict[str, Any]] = []
    if asked.where_missed:
        given = json.loads(Path(asked.where_missed).read_text(encoding="utf-8"))
        kept = {name_of(each.world) for each in answers_of(given, worlds) if each.held}
        held = [each for each in given if each["world"] in kept]
    open_to = [world for world in worlds if name_of(world) not in {each["world"] for each in held}]
    for name in asked.names or METHODS:
        tasks = (delayed(ask)(name, world) for world in open_to)
        found = [*held, *Parallel(n_jobs=asked.jobs)(tasks)]
        folder = Path(asked.out)
        folder.mkdir(parents=True, exist_ok=True)
        end = "_real" * asked.real + "_where_missed" * bool(held)
        file = folder / f"{name.replace(' ', '_').replace(',', '')}{end}.json"
        file.write_text(json.dumps(found, indent=0), encoding="utf-8")
        print(table_of([(name, "all", judge(answers_of(found, worlds)))]))


def ask(name: str, world: World) -> dict[str, Any]:
    """Ask a method about a world, and time it."""
    table = table_for(world)
    with threadpool_limits(1):
        start = time.process_time()
        total, low, high = answer(METHODS[name], table, world.number)
        seconds = time.process_time() - start
    return {
        "world": name_of(world), "total": total, "low": low, "high": high,
        "seconds": round(seconds, 4),
    }  # fmt: skip


def answers_of(found: list[dict[str, Any]], worlds: list[World]) -> list[Answered]:
    """Put answers to their worlds; a world that is not in a file has no answer."""
    given = {each["world"]: each for each in found}
    nothing = {"total": None, "low": None, "high": None, "seconds": 0.0}
    rows = [(world, given.get(name_of(world), nothing)) for world in worlds]
    return [
        Answered(world, *(row.get(part) for part in ("total", "low", "high")), row["seconds"])
        for world, row in rows
    ]


def judged(asked: argparse.Namespace) -> None:
    """Judge files of answers, kind by kind and all kinds together."""
    worlds = worlds_of(asked)
    rows = []
    for name in asked.names:
        found = json.loads(Path(name).read_text(encoding="utf-8"))
        answers = answers_of(found, worlds)
        kinds = [] if asked.real else dict.fromkeys(world.kind for world in worlds)
        method = Path(name).stem
        for kind in kinds:
            of_kind = [each for each in answers if each.world.kind == kind]
            rows.append((method, kind, judge(of_kind)))
        rows.append((method, "**all**", judge(answers)))
    print(table_of(rows))


def alarms(asked: argparse.Namespace) -> None:
    """Measure what warnings are worth."""
    worlds = worlds_of(asked)
    tasks = (delayed(alarmed)(world, table_for(world)) for world in worlds)
    found = [each for each in Parallel(n_jobs=asked.jobs)(tasks) if each is not None]
    print(table_of_alarms(found))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truth", description=__doc__)
    parser.add_argument("what", choices=["write", "run", "judge", "alarms"])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kinds", nargs="*")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--where-missed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", default=str(RESULTS))
    asked = parser.parse_args()
    {"write": write, "run": run, "judge": judged, "alarms": alarms}[asked.what](asked)


if __name__ == "__main__":
    main()
