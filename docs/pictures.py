"""Draw the pictures of the documentation anew: ``python docs/pictures.py``."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

import mse

mpl.use("Agg")


def two_intervals() -> None:
    """Draw the Dutch table with both intervals."""
    estimate = mse.estimate(mse.load_dataset("netherlands"), seed=1)
    figure = mse.plots.estimate(estimate).figure
    figure.savefig(Path(__file__).parent / "pictures" / "two_intervals.png", dpi=110)


if __name__ == "__main__":
    two_intervals()
