"""The typed gate: what nobody classified does not leave, from any public result."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import mse
from mse.answer.shown import Result
from mse.comparing import Comparison
from mse.disclosure import Protected, Rules, protect, release, rules
from mse.disclosure.typed import TYPES, released_columns
from mse.driving import Drivers
from mse.messages import Message
from mse.monitoring.places import Places
from mse.monitoring.result import Cell, Change, Monitor
from mse.monitoring.revisions import Revisions
from mse.planning import Plan
from mse.reaching import Reach

CBS = rules("cbs")
#: A number that is nowhere else.
NEW = 7319


@pytest.fixture(scope="module")
def table() -> mse.CaptureTable:
    counts = np.zeros((2, 2, 2, 2), dtype=int)
    counts[1, 0, 0], counts[0, 1, 0], counts[0, 0, 1] = [240, 210], [220, 230], [190, 205]
    counts[1, 1, 0], counts[1, 0, 1], counts[0, 1, 1] = [60, 65], [50, 58], [55, 62]
    return mse.CaptureTable.from_array(counts, ["a", "b", "c"], {"year": [2014, 2015]})


def raw(table: mse.CaptureTable) -> dict[type, Any]:
    model = mse.LogLinear("a*year + b*year + c*year")
    return {
        mse.PopulationEstimate: mse.bootstrap(model, table, 30, seed=1),
        Comparison: mse.compare(table, [model, mse.LogLinear("main")]),
        Monitor: mse.monitor(table, estimator=model, replicates=30, seed=1),
    }


def everything(safe: Any) -> str:
    """All that a protected result shows of itself."""
    found = [
        json.dumps(safe.to_dict(), default=str),
        safe.summary(),
        safe._repr_html_(),
        repr(safe),
    ]
    return "\n".join([*found, safe.to_frame().to_csv()])


KINDS = [mse.PopulationEstimate, Comparison, Monitor]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_figure_that_nobody_classified_is_withheld(
    kind: type, table: mse.CaptureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing = raw(table)[kind]
    to_dict, to_frame = kind.to_dict, kind.to_frame  # type: ignore[attr-defined]

    def more(value: Any) -> Any:
        """Put a new figure into every dictionary, at any depth."""
        if isinstance(value, dict):
            names = ("messages", "info", "group")
            kept = {name: each if name in names else more(each) for name, each in value.items()}
            return kept | {"smallest_cell": NEW}
        return [*map(more, value), {"smallest_cell": NEW}] if isinstance(value, list) else value

    def with_new(self: Any, *args: Any, **options: Any) -> Any:
        return more(to_dict(self, *args, **options))

    monkeypatch.setattr(kind, "to_dict", with_new)
    monkeypatch.setattr(
        kind, "to_frame", lambda *a, **k: to_frame(*a, **k).assign(smallest_cell=NEW)
    )
    # It would leave without rules.
    assert str(NEW) in json.dumps(thing.to_dict(), default=str)
    assert str(NEW) in thing.to_frame().to_csv()
    safe = protect(thing, CBS, **({} if kind is Comparison else {"table": table}))
    assert str(NEW) not in json.dumps(safe.to_dict(), default=str)
    assert str(NEW) not in safe.to_frame().to_csv()


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_field_of_a_result_is_not_copied(kind: type, table: mse.CaptureTable) -> None:
    thing = raw(table)[kind]
    object.__setattr__(thing, "smallest_cell", NEW)
    safe = protect(thing, CBS, **({} if kind is Comparison else {"table": table}))
    assert str(NEW) not in everything(safe)
    assert not hasattr(safe, "smallest_cell")


#: Fields of results, each as it is protected; a further one has to be looked at first.
KNOWN = {
    mse.PopulationEstimate: "observed hidden status limit reason method uncertainty strata draws stratum_draws "
    "model model_range assumptions warnings lists info provenance references lower_bound allowing support",
    Comparison: "table fits left_out",
    # Places do not leave with a monitor; protected by themselves they are one by place.
    Monitor: "period group_names scopes group_rules level across_scopes joint inhabitants warnings notes "
    "place regions placed late",
    Places: "monitor name regions placed",
    Cell: "period where scope observed total draws inhabitants status limit reason level alike "
    "preliminary expected known differing",
    Change: "first last where totals difference ratio coverage_difference rise undetermined level status reason known",
}


@pytest.mark.parametrize("kind", list(KNOWN))
def test_every_field_of_a_result_was_looked_at(kind: type) -> None:
    further = {part.name for part in fields(kind)} - set(KNOWN[kind].split())
    assert further == set(), "say in mse/disclosure/protecting.py how it leaves, then here"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_withheld_by_accident(kind: type, table: mse.CaptureTable) -> None:
    safe = protect(raw(table)[kind], CBS, **({} if kind is Comparison else {"table": table}))
    assert release(safe.to_dict(), (), CBS).withheld == ()
    assert "nan" not in safe.summary()


def test_values_that_their_type_does_not_allow_are_withheld() -> None:
    figures = {
        "observed": 3,
        "total": 1451.0,
        "cells": [{"observed": 15, "total": 1452.0}],
        "status": "ok",
    }
    found = release(figures, [], CBS)
    assert found.figures == {
        "observed": None,
        "total": None,
        "cells": [{"observed": 15, "total": None}],
        "status": "ok",
    }
    assert found.withheld == ("observed", "total", "cells[].total")


def test_messages_leave_without_numbers_that_were_found() -> None:
    told = [
        Message("reason.below_observed", total=3.0, observed=12),
        Message("remark.unbounded", n=3, of=9),
    ]
    told += ["Plain words with 12 persons."]
    found = release({}, told, CBS).messages
    assert found == (
        "The formula puts the total at x, below the x observed.",
        Message("withheld.remark"),
    )


def test_without_rules_everything_leaves() -> None:
    found = release({"anything": 3}, ["With 3."], Rules())
    assert found.figures == {"anything": 3}
    assert found.messages == ("With 3.",)


def test_each_field_has_one_type() -> None:
    names = [name for kind in TYPES.values() for name in kind]
    assert len(names) == len(set(names))


def test_columns(table: mse.CaptureTable) -> None:
    frame = raw(table)[Monitor].to_frame().assign(bic=3.0, year_secret=1, hidden_secret=2)
    kept = released_columns(frame, ["year"], CBS)
    assert {"bic", "year_secret", "hidden_secret"}.isdisjoint(kept)
    assert kept["infinite"].isna().all()
    assert {"hidden_low", "coverage_high", "observed"} <= set(kept)


def test_a_new_column_of_histories_is_withheld(table: mse.CaptureTable) -> None:
    safe = protect(table, CBS)
    histories = safe.histories.assign(smallest_cell=NEW)
    object.__setattr__(safe, "histories", histories)
    assert "smallest_cell" not in safe.to_frame()
    assert {"a", "b", "c", "n", "suppressed"} == set(safe.to_frame())


def results() -> list[type]:
    """All kinds of results that the library gives, apart from those that can be protected."""
    for name in ("bounding", "contrasts", "diagnostics", "sensitivity", "validation"):
        import_module(f"mse.{name}")
    found, left = [], [Result]
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__.startswith("mse.") and not issubclass(kind, Protected):
            found.append(kind)
    return [kind for kind in found if kind is not Result and kind not in KINDS]


def test_results_of_which_nobody_knows_what_they_tell_do_not_leave() -> None:
    kinds = results()
    assert {"Bounds", "TippingPoints", "LeaveOneOut", "GoodnessOfFit"} <= {
        kind.__name__ for kind in kinds
    }
    asked = (Places, Reach, mse.Nowcast, Drivers, Plan, Revisions)
    for kind in [kind for kind in kinds if kind not in asked]:
        with pytest.raises(mse.ModelError, match="cannot be protected"):
            protect(object.__new__(kind), CBS)


def test_no_seed_leaves_with_a_comparison() -> None:
    table, strict = mse.load_dataset("kosovo"), mse.disclosure.rules("cbs")
    settings: dict[str, Any] = {"draws": 200, "seed": 987_654_321}
    estimators = [mse.HeterogeneousLogLinear(**settings), mse.DecomposableGraphs(**settings)]
    given = mse.compare(table, estimators)
    safe = mse.disclosure.protect(given, strict)

    def forms(thing: Any) -> list[str]:
        written = (thing.to_dict(), thing.to_frame().to_csv(), thing.summary(), thing._repr_html_())
        return [*map(str, written), repr(thing), *map(repr, thing.to_frame().index)]

    assert any("987654321" in each for each in forms(given))
    assert not any("987654321" in each or "seed" in each for each in forms(safe))
    assert "draws=200" in forms(safe)[0]
