"""Other seeds for the tests that draw random numbers: none of them may hang on the seed it was written with.

`pytest --reseed N` gives every generator that is made from a seed, in tests and in the library, another
stream, the same for the same N, and lets hypothesis look at fresh examples. It keeps the tests of modules
that draw, and leaves out those marked ``fixed_seed``, whose figures are those of one seed by design (a
snapshot, an example in words). ``python -m tests.reseeding 20`` runs twenty such sets.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

#: What the source of a module that draws random numbers holds.
DRAWS = re.compile(r"default_rng|\brng\b|\bgiven\b|seed|SEED|bootstrap|\.mcmc")


def reseed(number: int) -> None:
    """Shift every seed from here on, and give hypothesis a seed."""
    _shift_generators(number)
    from hypothesis import core, settings

    settings.register_profile("fresh", settings(), derandomize=False)
    settings.load_profile("fresh")
    core.global_force_seed = number


def _shift_generators(number: int) -> None:
    original, sequence = np.random.default_rng, np.random.SeedSequence

    def shifted(seed: Any) -> Any:
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


def main() -> None:
    """Run sets of seeds: ``python -m tests.reseeding RUNS [FIRST] [options of pytest]``."""
    runs, first, *options = [*sys.argv[1:], "0"][:2] + sys.argv[3:]
    failed = []
    for number in range(int(first), int(first) + int(runs)):
        start = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", "tests", "--reseed", str(number), *options]
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
