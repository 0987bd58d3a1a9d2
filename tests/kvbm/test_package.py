"""The package `kvbm`, as far as it goes without a GPU: what it says where it cannot start."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip(
    "kvbm",
    reason="needs the package kvbm (uv pip install kvbm==1.4.2, 5 GiB with PyTorch); its workers "
    "and all transfers of blocks need a GPU besides",
)

pytestmark = [
    pytest.mark.post_merge,
    pytest.mark.integration,
    pytest.mark.gpu_0,
    pytest.mark.kvbm,
]

SECONDS = 60.0
HOST_BLOCKS = "DYN_KVBM_CPU_CACHE_OVERRIDE_NUM_BLOCKS"


def leader(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Makes a leader in a process of its own: one that fails takes its process along."""
    return subprocess.run(
        [sys.executable, "-c", "import kvbm; kvbm.KvbmLeader(1); print('made')"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_leader_without_a_cache_says_what_to_set() -> None:
    made = leader({})

    assert made.returncode != 0
    assert "At least one cache tier must be configured" in made.stderr
    assert HOST_BLOCKS in made.stderr


def test_leader_with_host_blocks_is_made() -> None:
    made = leader({HOST_BLOCKS: "8"})

    assert (made.returncode, made.stdout.strip()) == (0, "made"), made.stderr
