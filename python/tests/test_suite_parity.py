"""The Dynamo suite itself: `dyno test` says of its tests what `pytest` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from running import run_dyno, run_pytest

ROOT = Path(__file__).parents[2]

# What pytest runs in two minutes, one test after the other, on two idle cores.
AREAS = ["tests/planner", "tests/serve"]
SUITE_TIMEOUT = 600


@pytest.mark.timeout(2 * SUITE_TIMEOUT)
def test_every_node_id_has_the_same_outcome() -> None:
    expected = run_pytest(ROOT, *AREAS, timeout=SUITE_TIMEOUT)
    got = run_dyno(ROOT, *AREAS, "-n", "4", timeout=SUITE_TIMEOUT)

    ran = expected.outcomes.keys() | got.outcomes.keys()
    differing = {
        test: (expected.outcomes.get(test), got.outcomes.get(test))
        for test in sorted(ran)
        if expected.outcomes.get(test) != got.outcomes.get(test)
    }
    told = f"pytest:\n{expected.text[-8000:]}\ndyno:\n{got.text[-8000:]}"
    assert len(expected.outcomes) > 100, told
    assert not differing, f"{differing}\n{told}"
    assert got.code == expected.code == 0, told
