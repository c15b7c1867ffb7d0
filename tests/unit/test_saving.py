"""Results as files: the whole of them, and nothing that could be executed."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import mse
from mse._saving import load, save
from mse.data.patterns import TableInfo
from mse.errors import ModelError
from mse.messages import Message
from mse.monitoring import Monitor

if TYPE_CHECKING:
    from pathlib import Path

TABLE = mse.load_dataset("kosovo")


def test_what_is_saved_is_read_to_the_last_digit(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"n": [1, 2], "x": [0.1, np.nan], "text": ["a", None], "level": pd.Categorical(["b", "a"])},
        index=pd.MultiIndex.from_tuples([("f", 2014), ("m", 2015)], names=["sex", "year"]),
    )
    things: list[Any] = [
        *(0.1, float("inf"), None, True, "text", (1, (2,)), {"a": [1, {2}]}, {(1, "x"): 2}),
        *(
            frame,
            frame["n"],
            frame.astype({"n": "Int64"}),
            np.float64(0.1),
            np.array(["a", 1], object),
        ),
    ]
    back = load(save(things, tmp_path / "x.npz"))
    for thing, other in zip(things, back, strict=True):
        assert type(thing) is type(other)
        if isinstance(thing, pd.DataFrame | pd.Series):
            assert thing.equals(other)
            assert thing.index.equals(other.index)
        else:
            assert np.all(thing == other)
    assert not back[-1].flags.writeable


def test_messages_go_on_being_messages(tmp_path: Path) -> None:
    said = Message("remark.unbounded", n=52, of=1000)
    back = load(save([said], tmp_path / "x.npz"))[0]
    assert (back, back.key, back.fields) == (said, said.key, said.fields)


def test_results_of_every_kind(tmp_path: Path) -> None:
    p = mse.bootstrap(mse.LogLinear("main"), TABLE, 50, seed=1, n_jobs=1)
    rules = mse.disclosure.rules("cbs")
    fit = mse.LogLinear("[12,3,4]").fit(TABLE)
    for thing in (
        *(TABLE, p, mse.compare(TABLE, ["LogLinear('main')"]), mse.bounds(TABLE)),
        *(mse.sensitivity.highest_order(fit), mse.diagnostics.overlaps(TABLE)),
        mse.disclosure.protect(p, rules),
    ):
        back = type(thing).load(thing.save(tmp_path / "x.npz"))
        assert back._repr_html_() == thing._repr_html_()
    assert (load(p.save(tmp_path / "p.npz")).draws == p.draws).all()


def test_a_file_is_for_its_owner_and_the_same_for_the_same(tmp_path: Path) -> None:
    one, other = TABLE.save(tmp_path / "a.npz"), TABLE.save(tmp_path / "b.npz")
    assert one.read_bytes() == other.read_bytes()
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    with np.load(one, allow_pickle=False) as archive:
        assert all(
            isinstance(archive[name], np.ndarray) for name in archive if name != "content.json"
        )


def test_another_description_in_place_of_the_saved_one(tmp_path: Path) -> None:
    fit = mse.LogLinear("main").fit(TABLE)
    back = load(fit.save(tmp_path / "x.npz"), {TableInfo: TableInfo(name="other")})
    assert back.table.info.name == back.population.info.name == "other"
    assert back.population.total == fit.population.total


def content(path: Path, data: object, schema: str = "mse.saved/1") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("content.json", json.dumps({"schema": schema, "content": data}))
    return path


@pytest.mark.parametrize(
    "data",
    [
        {"object": "os:system", "parts": ["true"]},
        {"object": "mse.disclosure.bundle:Bundle.at", "parts": ["x"]},
        {"object": "mse.cli.commands:main", "parts": []},
        {"object": "mse._saving:Path", "parts": {}},
        {"object": "mse.data.patterns:TableInfo", "parts": {"name": "without the others"}},
        {"object": "mse.nothing:Nothing", "parts": {}},
        {"method": "save", "of": {"object": "mse.data.patterns:TableInfo", "parts": {}}},
        {"array": "not-there"},
        {"again": 7},
        {"something": "else"},
        [1],
    ],
)
def test_a_file_can_name_no_code(tmp_path: Path, data: object) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(content(tmp_path / "x.npz", data))


def test_pickles_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    content(path, {"array": "a0"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a0.npy", buffer.getvalue())
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(path)
    with pytest.raises(ModelError, match="schema"):
        load(content(path, 1, "mse.saved/9"))
    path.write_bytes(b"no archive")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(path)
    with pytest.raises(ModelError, match="There is no file"):
        load(tmp_path / "nothing.npz")
    saved = TABLE.save(path)
    with pytest.raises(ModelError, match="expected a Monitor"):
        Monitor.load(saved)


def test_what_is_not_ours_is_not_saved(tmp_path: Path) -> None:
    fit = mse.DecomposableGraphs(prior=lambda total: -np.log(total)).fit(TABLE)
    with pytest.raises(ModelError, match="cannot be saved"):
        fit.save(tmp_path / "x.npz")
    assert not (tmp_path / "x.npz").exists()


def test_names_that_people_see_are_those_that_are_public() -> None:
    assert set(dir(mse)) == {*mse.__all__, "__version__"}
    for name in ("diagnostics", "disclosure", "plots", "sensitivity", "simulate"):
        module = getattr(mse, name)
        assert dir(module) == sorted(module.__all__)
