"""Pictures show up in every cell of a notebook, not only in the first."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

import mse

pytestmark = pytest.mark.plot


def test_interactive_drawing_that_a_backend_switches_on_stays_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figure = plt.figure

    def first_figure(**options: object):
        # What the backend of notebooks does when the first figure loads it.
        mpl.interactive(True)
        return figure(**options)

    monkeypatch.setattr(plt, "figure", first_figure)
    before = mpl.is_interactive()
    try:
        ax = mse.load_dataset("korea").plot()
        assert mpl.is_interactive()
        plt.close(ax.figure)
    finally:
        mpl.interactive(before)
