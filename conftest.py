"""What tests and the examples of docstrings share: pictures without a screen, and other seeds."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ.setdefault("MPLBACKEND", "Agg")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that runs tests with other seeds."""
    parser.addoption(
        "--reseed",
        type=int,
        metavar="N",
        help="run the tests that draw random numbers with other seeds and fresh examples, set N of them",
    )
    parser.addoption(
        "--quiet-tests",
        metavar="FILE",
        help="with --reseed: leave out the tests that FILE names, or write it: who drew nothing",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Shift all seeds before anything draws."""
    # numpy, which reads settings of tests/conftest.py when loaded
    from tests.reseeding import Quiet, reseed

    if config.getoption("--reseed") is not None:
        reseed(config.getoption("--reseed"))
        if config.getoption("--quiet-tests"):
            config.pluginmanager.register(Quiet(Path(config.getoption("--quiet-tests"))))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that draw."""
    from tests.reseeding import choose

    if config.getoption("--reseed") is not None:
        kept = choose(items)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


@pytest.fixture(autouse=True)
def _no_figure_stays_open() -> Iterator[None]:
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
