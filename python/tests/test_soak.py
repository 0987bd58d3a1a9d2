"""What `make soak` needs before it begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).resolve().parents[2] / "scripts" / "soak" / "soak.py"


def test_what_is_not_on_its_grounds_is_named() -> None:
    dyno = "/tmp/nowhere/dyno"
    command = [sys.executable, str(SOAK), "--mode", "forbidden", "--dyno", dyno]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    first, *paths, last = done.stderr.splitlines()
    assert first.startswith("a soak has a /tmp and a /dev/shm of its own")
    assert f"  {dyno}" in paths
    assert last.startswith("hint: ")
