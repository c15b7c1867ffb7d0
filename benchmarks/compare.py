"""Time a base commit against the present checkout, in one run; what comes before a change to ``mse/core``.

    python -m benchmarks.compare                    against the tip of main
    python -m benchmarks.compare HEAD~3 replicate   one base, and the cases whose name contains a word
    python -m benchmarks.compare --cold             the first answer with an empty cache of compiled code, too

The base is checked out beside the repository's temporary files and stays there, compiled, for the next run.
Both versions run in processes of their own on one core, take turns at every case, and only one works at a
time, so that what else the machine does meets both. A ratio is the processor time of the present over that of
the base; its spread is the middle half of the rounds. Figures that differ by more than a billionth are shown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HOME = Path(__file__).resolve().parents[1]
#: Two figures that differ by less than this, relative to their size, are the same.
SAME = 1e-9


def _search(table: Any, **settings: Any) -> float:
    import mse

    return float(mse.LogLinearSearch(**settings).fit(table).population.total)


@cache
def _refitter(name: str, replicates: int) -> tuple[Any, Any]:
    """Search a table, and draw replicates of it."""
    import numpy as np

    import mse

    table = mse.load_dataset(name)
    counts = table.counts.ravel().astype(float)
    drawn = np.random.default_rng(1).multinomial(
        int(counts.sum()), counts / counts.sum(), size=replicates
    )
    return mse.LogLinearSearch().fit(table).refitter(), drawn.astype(float)


def _replicates(name: str) -> float:
    refit, drawn = _refitter(name, 50)
    return float(refit(drawn).hidden.sum())


@cache
def _joint_table() -> Any:
    from benchmarks.harness import table_with_covariates

    return table_with_covariates()


@cache
def _lists(n_lists: int) -> Any:
    from benchmarks.harness import table_of_dependent_lists

    return table_of_dependent_lists(n_lists)


def _model(table: Any) -> float:
    import mse

    return float(mse.LogLinear("all two-way").fit(table).population.total)


def _dataset(name: str) -> Any:
    import mse

    return mse.load_dataset(name)


def _bootstrap(name: str) -> float:
    import mse

    found = mse.bootstrap(mse.LogLinear("all two-way"), _dataset(name), replicates=500, seed=1)
    return float(found.total)


#: What is timed: a call that returns a figure, which both versions must agree on.
CASES: dict[str, Callable[[], float]] = {
    "catalogue of netherlands": lambda: _search(_dataset("netherlands"), criterion="aic"),
    "catalogue of netherlands_5": lambda: _search(_dataset("netherlands_5")),
    "50 replicates of netherlands, re-selected": lambda: _replicates("netherlands"),
    "50 replicates of netherlands_5, re-selected": lambda: _replicates("netherlands_5"),
    "stepwise search of 8 lists": lambda: _search(_lists(8), strategy="stepwise"),
    "stepwise search of 10 lists": lambda: _search(_lists(10), strategy="stepwise"),
    "stepwise search of 6 lists and 5 covariates": lambda: _search(
        _joint_table(), strategy="stepwise"
    ),
    "all pairs of 6 lists and 5 covariates": lambda: _model(_joint_table()),
    "all pairs of 14 lists": lambda: _model(_lists(14)),
    "500 replicates of all pairs of uk": lambda: _bootstrap("uk"),
}


def answer_requests() -> None:
    """Run cases as they are asked for on standard input; seconds and figure of each on standard output."""
    for line in sys.stdin:
        start = time.process_time()
        figure = CASES[line.strip()]()
        print(time.process_time() - start, repr(figure), flush=True)


class Version:
    """One checkout, in a process that waits for cases to run."""

    def __init__(self, home: Path) -> None:
        self._environment = {**os.environ, "PYTHONPATH": str(home)}
        self._environment.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
        self._home = home
        # The library is that of the version, the cases are those of the present.
        script = (
            f"import sys, mse; assert mse.__file__.startswith({str(home)!r}), mse.__file__\n"
            f"sys.path.insert(0, {str(HOME)!r})\n"
            "from benchmarks.compare import answer_requests; answer_requests()"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", script],
            env=self._environment,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, case: str) -> tuple[float, float]:
        """Run a case; its processor time in seconds and its figure."""
        pipes = self._process.stdin, self._process.stdout
        if pipes[0] is None or pipes[1] is None:
            raise RuntimeError("The process has no pipes.")
        print(case, file=pipes[0], flush=True)
        seconds, figure = pipes[1].readline().split()
        return float(seconds), float(figure)

    def first_answer(self) -> float:
        """Processor time of a first ``mse estimate netherlands`` with nothing compiled, in seconds."""
        with tempfile.TemporaryDirectory() as place:
            before = os.times()
            subprocess.run(
                [sys.executable, "-m", "mse", "estimate", "netherlands", "--seed", "1"],
                env={**self._environment, "NUMBA_CACHE_DIR": place},
                cwd=self._home,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            after = os.times()
        used = after.children_user - before.children_user
        return used + after.children_system - before.children_system

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def checkout(base: str) -> Path:
    """Check a commit out where it stays for the next run."""
    commit = _git("rev-parse", f"{base}^{{commit}}")
    place = Path(tempfile.gettempdir()) / f"mse-base-{commit[:12]}"
    if not place.exists():
        _git("worktree", "add", "--detach", str(place), commit)
    return place


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=HOME, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def compare(case: str, base: Version, present: Version, rounds: int) -> str:
    """Let both versions take turns at a case; the row of the table."""
    # The first turn compiles, or loads what is compiled.
    figures = [version.run(case)[1] for version in (base, present)]
    times: tuple[list[float], list[float]] = [], []
    for turn in range(rounds):
        order = ((0, base), (1, present))
        for number, version in order if turn % 2 == 0 else order[::-1]:
            times[number].append(version.run(case)[0])
    ratios = sorted(after / before for before, after in zip(*times, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    row = f"{case:46}{_told(min(times[0]))}{_told(min(times[1]))}{middle:8.2f}  {low:.2f} to {high:.2f}"
    if abs(figures[1] - figures[0]) > SAME * abs(figures[0]):
        row += f"   {figures[0]!r} became {figures[1]!r}"
    return row


def _told(seconds: float) -> str:
    return f"{1e3 * seconds:10.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", nargs="?", default="main")
    parser.add_argument("words", nargs="*", help="cases whose name contains one of them")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cold", action="store_true")
    asked = parser.parse_args()
    chosen = [case for case in CASES if not asked.words or any(w in case for w in asked.words)]
    home = checkout(asked.base)
    print(f"{home} against {HOME}, processor time\n")
    print(f"{'':46}{'base':>13}{'present':>13}{'ratio':>8}  middle half")
    base, present = Version(home), Version(HOME)
    for case in chosen:
        print(compare(case, base, present, asked.rounds), flush=True)
    if asked.cold:
        first = base.first_answer(), present.first_answer()
        row = f"{'first answer, nothing compiled':46}{_told(first[0])}{_told(first[1])}"
        print(f"{row}{first[1] / first[0]:8.2f}")
    for version in (base, present):
        version.close()


if __name__ == "__main__":
    main()
