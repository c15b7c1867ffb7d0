"""A factor of many levels: what fits and searches cost, in time and memory.

python -m benchmarks.places 5000            one model over 5,000 places of 25 persons
python -m benchmarks.places 5000 search     a stepwise search over the same
"""

from __future__ import annotations

import resource
import sys
import time
import warnings

import numpy as np

import mse


def places(number: int) -> mse.CaptureTable:
    """Make a table of four lists and this many places, of 25 persons each."""
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.full(16, 2.0))
    counts = rng.multinomial(25, shares, size=number).T.reshape(2, 2, 2, 2, number).copy()
    counts[0, 0, 0, 0] = 0
    names = [f"p{i}" for i in range(number)]
    return mse.CaptureTable.from_array(counts, list("abcd"), {"place": names})


def main() -> None:
    number, searched = int(sys.argv[1]), sys.argv[2:] == ["search"]
    estimator = mse.LogLinear("a*b + c + d + place")
    if searched:
        estimator = mse.LogLinearSearch(strategy="stepwise")
    table = places(number)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = estimator.fit(table).population
    seconds = time.process_time() - start
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - loaded) / 1024
    print(f"{number:,} places: {found.status}, total {found.total:,.0f}")
    print(f"{seconds:.2f} s of processor time, imports included; {more:.0f} MB beyond the table")


if __name__ == "__main__":
    main()
