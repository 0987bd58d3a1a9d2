"""A few rounds of `make downloads`, and that they would notice."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from running import DYNO, TIMEOUT

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "downloads.py"


def play(dyno: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--dyno", dyno, *args],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def test_interrupted_downloads_leave_nothing_wrong() -> None:
    done = play(DYNO, "--interrupted", "12", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failures" in done.stdout


@pytest.mark.parametrize(
    ("breaks", "noticed"),
    [
        ('for f in "$HF_HOME"/hub/*/blobs/*; do echo x >> "$f"; done', "bytes"),
        ('rm -r "$HF_HOME"/hub/*/refs', "No such file"),
        ('echo "$HF_TOKEN"', "the token is in what was printed"),
        ('echo "$HF_TOKEN" > "$HF_HOME"/log', "the token is in"),
        ("exit 1", "exit 1"),
    ],
)
def test_a_dyno_that_does_wrong_is_noticed(tmp_path: Path, breaks: str, noticed: str) -> None:
    broken = tmp_path / "dyno"
    broken.write_text(f'#!/bin/sh\n"{DYNO}" "$@" || exit\n{breaks}\n')
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    # Rounds of this seed: `faults` is the first.
    done = play(str(broken), "--seed", "7", "--round", "0")
    assert done.returncode == 1 and noticed in done.stdout, done.stdout + done.stderr
