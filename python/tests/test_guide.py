"""The examples of the documentation run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from dyno._command import dyno_command

from running import run_dyno, run_pytest, write_suite

ROOT = Path(__file__).resolve().parents[2]


def examples(page: Path) -> dict[str, str]:
    """The Python of a page, a file for each block."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return {f"test_example_{number}.py": text for number, text in enumerate(blocks)}


@pytest.mark.parametrize("runner", [run_pytest, run_dyno])
def test_examples_of_the_guide_run(tmp_path: Path, runner: object) -> None:
    files = examples(ROOT / "docs" / "bench.md")
    assert len(files) > 8
    write_suite(tmp_path, files)
    run = runner(tmp_path, "-q")  # type: ignore[operator]
    assert run.code == 0, run.text
    assert len(run.outcomes) >= len(files)
    assert set(run.outcomes.values()) == {("passed",)}


def test_example_of_a_deployment_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dynamo.frontend", reason="needs ai-dynamo")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "dyno").symlink_to(dyno_command())
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    write_suite(tmp_path, examples(ROOT / "docs" / "dynamo.md"))
    run = run_pytest(tmp_path, "-q", timeout=120)
    assert run.code == 0, run.text
