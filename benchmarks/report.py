"""Run the benchmarks and write docs/performance.md.

    python -m benchmarks.report             runs everything, some fifteen minutes
    python -m benchmarks.report bench_fits  runs some files; the other rows stay as they were
    python -m benchmarks.report --table     only writes the page again

The rows on `LatentClasses` and `BayesianLogLinear` come from the results of `benchmarks.bench_mixing` and
`benchmarks.bench_bayesian_loglinear`, which take longer and run by themselves.

Ends with status 1 if a bar was missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import HOME
from benchmarks.tables import markdown_table, replace_between_marks

if TYPE_CHECKING:
    from collections.abc import Iterable

SUITE = (
    "bench_fits",
    "bench_bootstrap",
    "bench_joint",
    "bench_decomposable",
    "bench_records",
    "bench_report",
)
RESULTS = HOME / "benchmarks" / "results" / "performance.json"
PAGE = HOME / "docs" / "performance.md"
#: What the sampler of `LatentClasses` must give on `kosovo`.
EFFECTIVE_PER_SECOND = 400
PACKAGES = ("numpy", "scipy", "numba", "pandas", "statsmodels")


def run_suite(names: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Run files of the suite, each in its own process; their rows by name of the file."""
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            out = Path(place) / "out.json"
            command = [sys.executable, "-m", "pytest", "-q", f"benchmarks/{name}.py"]
            # One table takes minutes to warm up on a busy machine: no time limit for a test.
            options = ["--timeout=0", "--no-header", f"--benchmark-json={out}"]
            subprocess.run([*command, *options], cwd=HOME, check=True)
            content = json.loads(out.read_text(encoding="utf-8"))
        found[name] = [row_of(each) for each in content["benchmarks"]]
    return found


def row_of(result: dict[str, Any]) -> dict[str, Any]:
    """Keep of a result of pytest-benchmark what the page shows."""
    row = {"test": result["name"], "group": result["group"], **result["extra_info"]}
    # What was timed in another process stands in place of the plugin's own clock.
    row.setdefault("seconds", result["stats"]["min"])
    return {key: _rounded(value) for key, value in row.items()}


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def machine() -> str:
    """Describe the machine in words."""
    from cpuinfo import get_cpu_info

    info = get_cpu_info()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"a {info['count']}-core cloud machine ({info.get('brand_raw', 'unknown processor')}), "
        f"Python {sys.version_info.major}.{sys.version_info.minor}, {packages}"
    )


# The page -----------------------------------------------------------------------------------------


def duration(seconds: float | None) -> str:
    """Write a time in a unit that suits it."""
    if seconds is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def long_duration(seconds: float) -> str:
    """Write what may be hours in minutes or hours."""
    if seconds < 120:
        return duration(seconds)
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def met(row: dict[str, Any]) -> bool:
    """Tell whether a row keeps below its bars."""
    memory = row.get("memory") or {}
    within = row.get("bar") is None or row["seconds"] < row["bar"]
    return within and memory.get("beyond", 0.0) < memory.get("bar", float("inf"))


def bar_of(row: dict[str, Any]) -> str:
    """Write a bar, and whether it was met."""
    if row.get("bar") is None:
        return "-"
    return f"{duration(row['bar'])}{'' if row['seconds'] < row['bar'] else ' **missed**'}"


def ratio_of(row: dict[str, Any]) -> str:
    """Compare with the fits of statsmodels."""
    if "glm" not in row:
        return "-"
    return f"{long_duration(row['glm'])}, {row['glm'] / row['processor']:,.0f} x"


def fits_table(rows: Iterable[dict[str, Any]]) -> str:
    """Fits on one core."""
    lines = [
        (
            row["what"],
            bar_of(row),
            duration(row["seconds"]),
            duration(row["processor"]),
            duration(row["seconds"] / row["count"]) if row.get("count", 0) > 1 else "-",
            ratio_of(row),
        )
        for row in rows
        if row["group"] in ("catalogues", "large tables")
    ]
    head = ("what", "bar", "measured", "processor time", "per model", "statsmodels")
    return markdown_table(head, lines, align="lrrrrr")


def growth_table(rows: Iterable[dict[str, Any]], group: str) -> str:
    """Cost against size."""
    lines = [
        (
            row["what"],
            f"{row['cells']:,}",
            row["parameters"],
            duration(row["seconds"]),
            duration(row["seconds"] / row["cells"]),
            ratio_of(row),
        )
        for row in rows
        if row["group"] == group
    ]
    head = ("model", "cells", "parameters", "measured", "per cell", "statsmodels")
    return markdown_table(head, lines, align="lrrrrr")


def bootstrap_table(rows: list[dict[str, Any]]) -> str:
    """Bootstraps, on two cores and on one."""
    kept = [row for row in rows if row["group"] == "bootstrap"]
    alone = {row["what"]: row for row in kept if row["n_jobs"] == 1}
    lines = [
        (
            row["what"],
            bar_of(row),
            duration(row["seconds"]),
            duration(row["processor"]),
            duration(alone[row["what"]]["seconds"]),
            duration(alone[row["what"]]["seconds"] / row["count"]),
        )
        for row in kept
        if row["n_jobs"] == 2
    ]
    head = ("1,000 replicates", "bar", "two workers", "processor time", "one worker")
    return markdown_table((*head, "per replicate"), lines, align="lrrrrr")


def joint_table(rows: Iterable[dict[str, Any]]) -> str:
    """Show searches and bootstraps over lists and covariates."""
    lines = [
        (
            row["what"],
            bar_of(row),
            duration(row["seconds"]),
            duration(row["processor"]),
            f"{row['count']:,}",
        )
        for row in rows
        if row["group"] == "joint search"
    ]
    head = ("what", "bar", "measured", "processor time", "models or replicates")
    return markdown_table(head, lines, align="lrrrr")


def covariates_table(rows: Iterable[dict[str, Any]]) -> str:
    """Show the cost of a fit, and of a search, with more and more covariates."""
    fits = [row for row in rows if row["group"] == "cost against covariates"]
    searches = [row for row in rows if row["group"] == "cost of a search against covariates"]
    lines = [
        (
            fit["what"],
            f"{fit['cells']:,}",
            fit["parameters"],
            duration(fit["seconds"]),
            duration(fit["seconds"] / fit["cells"]),
            duration(search["seconds"]),
            f"{search['count']:,}",
        )
        for fit, search in zip(fits, searches, strict=True)
    ]
    head = ("model", "cells", "parameters", "one fit", "per cell", "search by BIC", "models fitted")
    return markdown_table(head, lines, align="lrrrrrr")


def samplers_table(rows: Iterable[dict[str, Any]]) -> str:
    """Bayesian estimators: fits of `DecomposableGraphs`, and what studies of their own found."""
    lines = [
        (f"`DecomposableGraphs`: {row['what']}", bar_of(row), duration(row["processor"]))
        for row in rows
        if row["group"] == "decomposable graphs"
    ]
    latent = read_result("mixing_latent_classes")
    found = [row for row in latent.get("default", []) if row["table"] == "kosovo"]
    if found:
        slowest = min(row["ess_per_second"] for row in found)
        late = "" if slowest >= EFFECTIVE_PER_SECOND else " **missed**"
        what = (
            f"`LatentClasses`: effective draws of N a second, `kosovo`, least of {len(found)} seeds"
        )
        lines.append((what, f"{EFFECTIVE_PER_SECOND} or more{late}", f"{slowest:,}"))
    jumping = read_result("bayesian_loglinear").get("reversible jump")
    if jumping:
        lines.append(
            (
                f"`BayesianLogLinear`: {jumping['what']}",
                bar_of(jumping),
                duration(jumping["seconds"]),
            )
        )
    return markdown_table(("what", "bar", "measured"), lines, align="lrr")


def read_result(name: str) -> dict[str, Any]:
    """Results of a study that runs by itself; empty where there are none."""
    path = RESULTS.parent / f"{name}.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return content


def other_table(rows: Iterable[dict[str, Any]]) -> str:
    """Start, reading of registrations, and reports."""
    lines = []
    for row in rows:
        if row["group"] in ("start", "registrations", "reports"):
            # Of another process the whole of it: start of the interpreter, imports, work.
            busy = duration(row.get("processor", row.get("process")))
            lines.append((row["what"], bar_of(row), duration(row["seconds"]), busy))
            if "again" in row:
                lines.append(("the same once more", "-", duration(row["again"]), "-"))
    return markdown_table(("what", "bar", "measured", "processor time"), lines, align="lrrr")


def memory_table(rows: Iterable[dict[str, Any]]) -> str:
    """Peak memory."""
    lines = []
    for row in rows:
        if "memory" in row:
            memory = row["memory"]
            bar = f"{memory['bar']} MB" if "bar" in memory else "-"
            late = "" if met(row) else " **missed**"
            lines.append((memory["what"], bar + late, f"{memory['beyond']:,.0f} MB"))
    return markdown_table(("what", "bar", "measured"), lines, align="lrr")


def write_page() -> bool:
    """Put the tables into the page; True if every bar was met."""
    content = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows = [row for name in SUITE for row in content["rows"].get(name, [])]
    page = PAGE.read_text(encoding="utf-8")
    parts = {
        "run": f"Measured {content['date']} on {content['machine']}.",
        "fits": fits_table(rows),
        "cells": growth_table(rows, "cost against cells"),
        "parameters": growth_table(rows, "cost against parameters"),
        "bootstrap": bootstrap_table(rows),
        "joint": joint_table(rows),
        "joint cells": covariates_table(rows),
        "samplers": samplers_table(rows),
        "memory": memory_table(rows),
        "other": other_table(rows),
    }
    for mark, text in parts.items():
        page = replace_between_marks(page, mark, text)
    PAGE.write_text(page, encoding="utf-8")
    return all(met(row) for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", default=SUITE, metavar="file", help=", ".join(SUITE))
    parser.add_argument("--table", action="store_true", help="only write the page again")
    options = parser.parse_args()
    unknown = sorted(set(options.files) - set(SUITE))
    if unknown:
        parser.error(f"unknown file {unknown[0]!r}; the files are: {', '.join(SUITE)}")
    if not options.table:
        earlier = (
            json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else {}
        )
        rows = {**earlier, **run_suite(options.files)}
        date = time.strftime("%Y-%m-%d")
        content = {"date": date, "machine": machine(), "rows": rows}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0 if write_page() else 1


if __name__ == "__main__":
    raise SystemExit(main())
