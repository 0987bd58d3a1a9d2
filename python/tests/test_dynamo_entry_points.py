"""Dynamo's wheel brings conftests as pytest plugins. They load, and what they say holds."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from running import run_dyno, run_pytest, write_suite

# Each leaves out the files of an engine that is not installed.
ENGINES = ("vllm", "sglang", "trtllm")


def test_conftests_of_the_wheel_are_loaded(tmp_path: Path) -> None:
    names = {point.name for point in entry_points(group="pytest11")}
    assert names >= {f"{engine}_tests" for engine in ENGINES}
    files = {
        f"test_{engine}_engine.py": "raise ImportError('no engine')\ndef test_it(): pass\n"
        for engine in ENGINES
    }
    files["test_a.py"] = (
        "import pytest\n"
        f"@pytest.mark.parametrize('engine', {ENGINES!r})\n"
        "def test_loaded(pytestconfig, engine):\n"
        "    assert pytestconfig.pluginmanager.has_plugin(f'{engine}_tests')\n"
    )
    write_suite(tmp_path, files)
    expected = run_pytest(tmp_path)
    assert len(expected.outcomes) == len(ENGINES)
    got = run_dyno(tmp_path, "-n", "2")
    assert got.outcomes == expected.outcomes
    assert got.code == expected.code == 0, got.text
