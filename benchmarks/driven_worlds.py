"""Whether `mse.drivers` names what drives a change, and how often its intervals hold the true contributions.

SYNTHETIC Dutch worlds of 2014 and 2015 by form of exploitation, in which one group grows fivefold at one register: in
2015 the inspectorate registers five times as many victims of labor or criminal exploitation, and there are as many more of them
as it registers more. World w is drawn with seed w, and so are 200 replicates. The true contributions are those with the true
sizes of the groups.

* ``default``: the search of `mse.monitor`, of two-way terms;
* ``asked``: all pairs of lists, and each list by year and form together, with the prior on people who differ.

    python -m benchmarks.driven_worlds               writes benchmarks/results/driven_worlds.json and the table of
                                                     docs/howto/drivers.md
    python -m benchmarks.driven_worlds --worlds 10   fewer worlds
    python -m benchmarks.driven_worlds --table       only writes the table again
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from joblib import Parallel, delayed

import mse
from benchmarks.tables import markdown_table, replace_between_marks
from mse.simulate.cells import member_of

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "driven_worlds.json"
PAGE = ROOT / "docs" / "howto" / "drivers.md"
YEARS = (2014, 2015)
GROUP, REGISTER, TIMES, REPLICATES = "labor_criminal", "inspectorate", 5, 200


def expected() -> tuple[mse.CaptureTable, np.ndarray[Any, Any]]:
    """Make an empty table of the world, and expect persons by history, year and form, (64, 2, 4)."""
    cells = mse.simulate.netherlands(years=YEARS).cells
    forms = list(cells.covariates["form"])
    sizes = [len(levels) for levels in cells.covariates.values()]
    found = cells.expected.reshape(-1, *sizes).sum(axis=(3, 4, 5))
    on = member_of(len(cells.lists))[:, cells.lists.index(REGISTER)]
    found[on, 1, forms.index(GROUP)] *= TIMES
    ones = np.ones((2,) * len(cells.lists) + found.shape[1:], dtype=np.int64)
    ones[(0,) * len(cells.lists)] = 0
    axes = {"year": list(YEARS), "form": forms}
    return mse.CaptureTable.from_array(ones, cells.lists, axes), found


def monitored(table: mse.CaptureTable, how: str, seed: int) -> Any:
    """Monitor a table."""
    if how == "default":
        return mse.monitor(table, groups=["form"], replicates=REPLICATES, seed=seed)
    pairs = [f"{one}*{other}" for one, other in combinations(table.lists, 2)]
    model = mse.LogLinear(" + ".join([*pairs, *(f"{name}*year*form" for name in table.lists)]))
    return mse.monitor(
        table,
        groups=["form"],
        estimator=model,
        replicates=REPLICATES,
        seed=seed,
        heterogeneity=True,
    )


def studied(how: str, seed: int) -> dict[str, Any]:
    """Draw a world, and hold what drives its change against the truth."""
    warnings.simplefilter("ignore")
    empty, cells = expected()
    persons = np.random.default_rng(seed).poisson(cells)
    sizes = persons.sum(axis=0)
    counts = persons.copy()
    counts[0] = 0
    table = empty.with_counts(counts.reshape(empty.shape))
    found = mse.drivers(monitored(table, how, seed), table, *YEARS)
    on = member_of(table.n_lists)[1:].astype(float)
    parts = np.einsum("hk,hyf->yfk", on / on.sum(axis=1, keepdims=True), counts[1:])
    held: dict[str, list[bool]] = {"by_size": [], "by_share": []}
    truth = np.diff(sizes, axis=0)[0][:, None] * (parts / sizes[..., None]).mean(axis=0)
    for f, form in enumerate(table.covariates["form"]):
        for k, name in enumerate(table.lists):
            each = found.of(name, form=form)
            for kind, true in (("by_size", truth[f, k]), ("by_share", each.change - truth[f, k])):
                _, low, high = getattr(each, kind)
                held[kind].append(bool(low - 1e-9 <= true <= high + 1e-9))
    lead, most = found.leading, found.of(REGISTER, form=GROUP)
    true = truth[list(table.covariates["form"]).index(GROUP), table.lists.index(REGISTER)]
    return {
        "how": how, "seed": seed, "named": lead.group == {"form": GROUP} and lead.register == REGISTER,
        "held": float(np.mean(held["by_size"] + held["by_share"])), "all": all(held["by_size"] + held["by_share"]),
        "leading_held": bool(most.by_size.low <= true <= most.by_size.high),
    }  # fmt: skip


def write_table(found: list[dict[str, Any]]) -> None:
    """Write the table of the page."""
    rows = []
    for how in dict.fromkeys(each["how"] for each in found):
        of = [each for each in found if each["how"] == how]
        shares = (
            np.mean([each[name] for each in of])
            for name in ("named", "leading_held", "held", "all")
        )
        rows.append([how, str(len(of)), *(f"{each:.0%}" for each in shares)])
    head = [
        "model",
        "worlds",
        "named",
        "its contributions held",
        "all contributions held, on average",
        "all at once",
    ]
    page = replace_between_marks(
        PAGE.read_text(encoding="utf-8"), "worlds", markdown_table(head, rows, align="lrrrrr")
    )
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--how", nargs="+", default=["asked", "default"])
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if not asked.table:
        found = []
        tasks = [(how, seed) for how in asked.how for seed in range(1, asked.worlds + 1)]
        for each in Parallel(n_jobs=2, return_as="generator")(
            delayed(studied)(*task) for task in tasks
        ):
            found.append(each)
            record = {"date": str(date.today()), "machine": "2 cores", "found": found}
            RESULT.write_text(json.dumps(record, default=float), encoding="utf-8")
    write_table(json.loads(RESULT.read_text(encoding="utf-8"))["found"])


if __name__ == "__main__":
    main()
