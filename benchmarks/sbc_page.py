"""The page on simulation-based calibration of the samplers, from the results of `benchmarks/sbc_*.py`.

    python -m benchmarks.sbc_page         writes the tables of docs/bayes_calibration.md

Nothing is simulated here: each study writes a JSON file of its own, which this puts side by side.
"""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "bayes_calibration.md"
#: Results, and what the page calls the estimator.
STUDIES = {
    "decomposable": "DecomposableGraphs",
    "latent_classes": "LatentClasses",
    "bayesian_loglinear": "BayesianLogLinear",
    "thresholded": "ThresholdedLogLinear",
    "pooled": "PooledLogLinear",
}
HEADER = (
    "| worlds from | figure | ranks, low to high | worlds | p, histogram | p, KS |\n"
    "|---|---|---|---:|---:|---:|"
)
BARS = "▁▂▃▄▅▆▇█"


def is_test(found: object) -> bool:
    """Tell whether this is one test of uniformity."""
    return isinstance(found, dict) and "histogram" in found


def outcomes(found: dict[str, Any], under: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Find the tests in the results of a study: design, figure, and the test."""
    for name, each in found.items():
        if is_test(each):
            yield under, name, each
        elif isinstance(each, dict):
            yield from outcomes(each, f"{under}: {name}" if under else name)


def probability(p: float) -> str:
    """Write a p-value, small ones as a power of ten."""
    if p >= 0.001:
        return f"{p:.3f}"
    return "below 1e-100" if p < 1e-100 else f"{p:.0e}"


def drawing(histogram: list[int]) -> str:
    """Draw counts as bars: the height of the middle one is what uniformity expects."""
    expected = sum(histogram) / len(histogram)
    heights = (min(round(count / expected * 4), len(BARS)) - 1 for count in histogram)
    return "".join(BARS[max(height, 0)] for height in heights)


def row(design: str, figure: str, test: dict[str, Any]) -> str:
    """Write a line of the table."""
    cells = (
        design,
        figure,
        f"`{drawing(test['histogram'])}`",
        f"{test['worlds']:,}",
        probability(test["p_value"]),
        probability(test["p_value_ks"]),
    )
    return f"| {' | '.join(cells)} |"


def section(name: str) -> str:
    """Write the table of a study, its negative controls last."""
    found = list(outcomes(json.loads((RESULTS / f"sbc_{name}.json").read_text(encoding="utf-8"))))
    real = [each for each in found if "negative control" not in each[0]]
    controls = [each for each in found if "negative control" in each[0]]
    return "\n".join([HEADER, *(row(*each) for each in chain(real, controls))])


def smallest() -> str:
    """Say what is to be expected of the smallest of that many p-values, and what was found."""
    values = []
    for name in STUDIES:
        results = json.loads((RESULTS / f"sbc_{name}.json").read_text(encoding="utf-8"))
        for design, _, test in outcomes(results):
            if "negative control" not in design:
                values += [test["p_value"], test["p_value_ks"]]
    return (
        f"There are {len(values)} tests of samplers as they are. The smallest p is {min(values):.4f}, and "
        f"{sum(p < 0.05 for p in values)} are below 0.05, where {0.05 * len(values):.0f} are expected."
    )


def main() -> None:
    """Write the tables."""
    text = PAGE.read_text(encoding="utf-8")
    parts = {"summary": smallest()} | {name: section(name) for name in STUDIES}
    for name, part in parts.items():
        marks = re.compile(rf"(?<=<!-- {name} -->\n)(.*?)(?=<!-- end of {name} -->)", re.DOTALL)
        text, n = marks.subn(lambda _, part=part: f"\n{part}\n\n", text)
        if n != 1:
            raise SystemExit(f"{PAGE.name} has {n} places for '{name}', one is expected.")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
