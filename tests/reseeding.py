"""Other seeds for the tests that draw random numbers: none of them may hang on the seed it was written with.

`pytest --reseed N` gives every generator that is made from a seed, in tests and in the library, another
stream, the same for the same N, and lets hypothesis look at fresh examples. It keeps the tests of modules
that draw, and leaves out those marked ``fixed_seed``, whose figures are those of one seed by design (a
snapshot, an example in words). ``python -m tests.reseeding 20`` runs twenty such sets.

The first of them notes which tests made no generator at all, neither themselves nor in what they share with
others; with another seed these would do the same again, so the other nineteen leave them out.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: What the source of a module that draws random numbers holds.
DRAWS = re.compile(r"default_rng|\brng\b|\bgiven\b|seed|SEED|bootstrap|\.mcmc")


def reseed(number: int) -> None:
    """Shift every seed from here on, and give hypothesis a seed."""
    _shift_generators(number)
    from hypothesis import core, settings

    settings.register_profile("fresh", settings(), derandomize=False)
    settings.load_profile("fresh")
    core.global_force_seed = number


#: How many generators and sequences of seeds were made since seeds are shifted.
made = [0]


def _shift_generators(number: int) -> None:
    original, sequence = np.random.default_rng, np.random.SeedSequence

    def shifted(seed: Any) -> Any:
        made[0] += 1
        whole = isinstance(seed, int | np.integer | list | tuple | np.ndarray)
        return [number + 1, *np.atleast_1d(seed).tolist()] if whole else seed

    class Shifted(sequence):  # type: ignore[misc, valid-type]
        def __init__(self, entropy: Any = None, **options: Any) -> None:
            super().__init__(shifted(entropy), **options)

    def default_rng(seed: Any = None) -> np.random.Generator:
        seed = shifted(seed)
        return original(sequence(seed) if isinstance(seed, list) else seed)

    np.random.default_rng = default_rng
    np.random.SeedSequence = Shifted  # type: ignore[misc]


def choose(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Keep the tests of modules that draw, but for those of one seed."""
    from _pytest.doctest import DoctestItem

    draws: dict[Any, bool] = {}
    for item in items:
        if item.path not in draws:
            draws[item.path] = bool(DRAWS.search(item.path.read_text(encoding="utf-8")))
    return [
        item
        for item in items
        if draws[item.path]
        and not isinstance(item, DoctestItem)
        and not any(item.get_closest_marker(name) for name in ("fixed_seed", "notebook"))
    ]


class Quiet:
    """Note which tests draw nothing, in a file, or leave out those that it names.

    A fixture of a module or session is drawn from by all who use it once one of them draws: what it holds may
    be worked out by whoever asks first. Cached functions of the tests forget before each test what they gave.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left_out = set(path.read_text(encoding="utf-8").split("\n")) if path.exists() else None
        self.drew: set[pytest.Item] = set()
        self.modules: set[Path] = set()
        self.ran: list[pytest.Item] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        """Count what a module draws when it is imported for all of its tests."""
        before = made[0]
        report = yield
        if made[0] > before:
            self.modules.add(collector.path)
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out the tests that the file names."""
        out = self.left_out or set()
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in out])
        items[:] = [item for item in items if item.nodeid not in out]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Look whether a test draws."""
        if self.left_out is None:
            for value in vars(item.module).values():
                if hasattr(value, "cache_clear") and value.__module__.startswith("tests"):
                    value.cache_clear()
        before = made[0]
        outcome = yield
        self.ran.append(item)
        if made[0] > before or getattr(item.obj, "is_hypothesis_test", False):
            self.drew.add(item)
        return outcome

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write down who drew nothing; of several processes none knows it of all tests."""
        if self.left_out is None and not hasattr(session.config, "workerinput") and self.ran:
            shared = set().union(*map(_shared_fixtures, self.drew))
            quiet = [
                item.nodeid
                for item in self.ran
                if item not in self.drew
                and item.path not in self.modules
                and not shared & _shared_fixtures(item)
            ]
            self.path.write_text("\n".join(quiet), encoding="utf-8")


def _shared_fixtures(item: pytest.Item) -> set[Any]:
    """Fixtures of the tests, not of plugins, that live longer than one of them."""
    found = item._fixtureinfo.name2fixturedefs.values()
    return {
        each
        for defined in found
        for each in defined
        if each.scope != "function" and each.func.__module__.startswith("tests")
    }


def main() -> None:
    """Run sets of seeds: ``python -m tests.reseeding RUNS [FIRST] [options of pytest]``."""
    runs, first, *options = [*sys.argv[1:], "0"][:2] + sys.argv[3:]
    failed, quiet = [], Path(tempfile.mkdtemp()) / "quiet.txt"
    for number in range(int(first), int(first) + int(runs)):
        start = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", "tests", "--reseed", str(number), *options]
        command += ["--quiet-tests", str(quiet)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line for line in found.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        last = found.stdout.strip().splitlines()[-1:] or [found.stderr[-500:]]
        print(
            f"set {number}: {last[0]} ({time.monotonic() - start:.0f} s)",
            *lines,
            sep="\n",
            flush=True,
        )
        failed += [number] if found.returncode else []
    print(f"{int(runs) - len(failed)} of {runs} sets without a failure", failed or "")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
