"""Kernels: their cache, what is said while they are compiled, and one signature for every array."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pytest
from numba.core.caching import IndexDataCacheFile, NullCache

import mse
from mse.core import _compiled
from mse.core._compiled import Kernel, kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(mse.__file__).parent

#: Compiles one small kernel for two types, and says what it found and whether it had to compile.
SMALL = """
import numpy as np
from mse.core.lattice import superset_sum
shape = np.array([2, 2])
for kind in {kinds}:
    x = np.arange(4).astype(kind)
    superset_sum(x, shape)
    print(x.dtype, x.tolist())
print(sum(superset_sum.stats.cache_misses.values()))
"""
SUMS = {"int64": "int64 [6, 4, 5, 3]", "float64": "float64 [6.0, 4.0, 5.0, 3.0]"}


def start(code: str, **environment: str) -> subprocess.Popen[str]:
    """Start Python that writes no byte code."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    return subprocess.Popen(
        [sys.executable, "-P", "-B", "-c", code],
        env={**kept, "PYTHONPATH": str(PACKAGE.parent), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    out, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    return out.splitlines(), said


@pytest.mark.parametrize("second", ["int64", "float64"])
def test_two_processes_that_compile_at_once_leave_a_cache_that_holds(
    tmp_path: Path, second: str
) -> None:
    place = {"NUMBA_CACHE_DIR": str(tmp_path)}
    running = [(kind, start(SMALL.format(kinds=[kind]), **place)) for kind in ("int64", second)]
    for kind, process in running:
        lines, said = ended(process)
        assert lines == [SUMS[kind], "1"]
        assert said == "Compiling the numerical core, once after installation.\n"
    for _ in range(2):
        lines, said = ended(start(SMALL.format(kinds=list(SUMS)), **place))
        assert lines[:2] == list(SUMS.values())
    assert (lines[2], said) == ("0", "")


@pytest.mark.parametrize(
    ("files", "found"), [(_compiled._File, "of numbers"), (IndexDataCacheFile, "of integers")]
)
def test_machine_code_never_comes_under_the_name_of_another_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: type, found: str
) -> None:
    """Two processes have read the same index, and one writes within the other; numba's own files mix up."""
    first, second = (files(str(tmp_path), "function", 0) for _ in range(2))
    write = first._save_data

    def interrupted(name: str, data: str) -> None:
        second.save("float64", "of numbers")
        write(name, data)

    monkeypatch.setattr(second, "_load_index", dict)
    monkeypatch.setattr(first, "_save_data", interrupted)
    first.save("int64", "of integers")
    assert files(str(tmp_path), "function", 0).load("float64") == found


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give a copy of the package and a home that nobody can write to, the administrator included."""
    packages, home = tmp_path / "packages", tmp_path / "home"
    shutil.copytree(PACKAGE, packages / "mse", ignore=shutil.ignore_patterns("__pycache__"))
    (packages / "mse/core/__pycache__").touch()
    home.touch()
    (tmp_path / "temporary").mkdir()
    folders = [packages, *(path for path in packages.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    yield {
        "PYTHONPATH": str(packages),
        "HOME": str(home),
        "TMPDIR": str(tmp_path / "temporary"),
    }
    for folder in folders:
        folder.chmod(0o700)


def test_a_read_only_installation_keeps_machine_code_in_a_temporary_folder(
    read_only: dict[str, str], tmp_path: Path
) -> None:
    code = SMALL.format(kinds=list(SUMS))
    lines, said = ended(start(code, **read_only))
    assert lines == [*SUMS.values(), "2"]
    assert said.count("NUMBA_CACHE_DIR") == 1
    assert f"kept in {tmp_path}/temporary/mse-compiled-" in said
    assert len(said.splitlines()) == 2
    lines, said = ended(start(code, **read_only))
    assert (lines, said) == ([*SUMS.values(), "0"], "")


def test_without_any_folder_a_kernel_is_compiled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "file"
    nowhere.touch()
    (tmp_path / "__pycache__").touch()
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(nowhere))
    monkeypatch.setattr(_compiled.config, "CACHE_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(nowhere))
    monkeypatch.setattr(_compiled.NOTICE, "kept", None)
    monkeypatch.setattr(_compiled.NOTICE, "line", _compiled.ChangingLine())
    (tmp_path / "twice.py").write_text("def twice(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    twice = kernel(import_module("twice").twice)
    assert isinstance(twice._cache, NullCache)
    assert twice(3) == 6
    assert twice(1.5) == 3.0
    said = capsys.readouterr().err
    assert said.count("not kept") == 1
    assert said.count("Compiling the numerical core, in every process.") == 1


def test_a_temporary_folder_of_others_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = _compiled._temporary_folder()
    assert folder is not None
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    Path(folder).chmod(0o777)
    assert _compiled._temporary_folder() is None
    Path(folder).rmdir()
    (tmp_path / "elsewhere").mkdir()
    Path(folder).symlink_to(tmp_path / "elsewhere")
    assert _compiled._temporary_folder() is None


def test_a_terminal_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    stream = SimpleNamespace(isatty=lambda: True, write=written.append, flush=lambda: None)
    monkeypatch.setattr(sys, "stderr", stream)
    notice = _compiled._Notice()
    happening = SimpleNamespace(data={"dispatcher": kernel(lambda x: x)})
    notice.on_start(happening)
    notice.on_start(happening)
    notice.on_end(happening)
    notice.on_end(happening)
    assert [text.count(": 1 functions, 0 s") for text in written] == [0, 0, 1, 0]
    assert written[-1] == "\r\x1b[K"
    notice.on_start(SimpleNamespace(data={"dispatcher": None}))
    assert len(written) == 4


def signatures() -> dict[Kernel, int]:
    """Count for how many types each kernel that is loaded has been compiled."""
    modules = [module for name, module in sys.modules.items() if name.startswith("mse.core")]
    kernels = {each for m in modules for each in vars(m).values() if isinstance(each, Kernel)}
    return {each: len(each.signatures) for each in kernels}


def test_an_array_that_is_read_only_has_the_signature_of_one_that_is_not(tmp_path: Path) -> None:
    @kernel
    def total(arrays: Any, x: Any) -> Any:
        return arrays[0][0] + x.sum()

    x = np.arange(6.0).reshape(2, 3)
    frozen = x.copy()
    frozen.setflags(write=False)
    joblib.dump(x, tmp_path / "x")
    mapped = joblib.load(tmp_path / "x", mmap_mode="r")
    for each in (x, frozen, mapped):
        assert total((x[0],), x) == total((each[0],), each) == 15.0
        assert total((x[0],), x.T) == total((each[0],), each.T) == 15.0
    assert len(total.signatures) == 2
    assert not mapped.flags.writeable
    assert not frozen.flags.writeable


def test_workers_need_no_machine_code_of_their_own(tmp_path: Path) -> None:
    """What joblib hands to processes is mapped into memory, read-only, from a megabyte on."""
    search, table = mse.LogLinearSearch(), mse.load_dataset("korea")
    refitter = search.fit(table).refitter()
    tables = np.repeat(table.counts.reshape(1, -1), 3, axis=0)
    expected = refitter(tables)
    before = signatures()
    joblib.dump((refitter, tables), tmp_path / "work")
    mapped, arrays = joblib.load(tmp_path / "work", mmap_mode="r")
    assert not arrays.flags.writeable
    np.testing.assert_array_equal(mapped(arrays).hidden, expected.hidden)
    assert signatures() == before


@kernel
def _power(x: Any, n: Any, options: Any) -> Any:
    total = 1.0
    for _ in range(n + options[0]):
        total *= x
    return total


@kernel
def _powers(x: Any) -> Any:
    n = int(x)
    return _power(x, 2, (1, True)) + _power(x, 3, (0, False)) + _power(x, n, (n, n > 1))


def test_constants_and_callers_have_one_function_compiled() -> None:
    _powers._cache = NullCache()
    assert _powers(2.0) == 8.0 + 8.0 + 16.0
    assert len(_power.inner.signatures) == 1
    # Python has not called it, and what it would need for that is not made.
    assert not _power.signatures
    assert _power(2.0, 2, (1, True)) == 8.0
    assert len(_power.signatures) == 1
