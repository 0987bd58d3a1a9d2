"""The Dynamo suite itself: `dyno test` says of its tests what `pytest` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from running import run_dyno, run_pytest

ROOT = Path(__file__).parents[2]

# Tests that share a deployment and tests that have their own, some that are skipped, some that fail
# as expected: what pytest runs in a minute, one test after the other, on two idle cores.
FILES = ["bad_requests", "completions", "disaggregation", "kv_routing", "membership", "stop"]
AREAS = ["tests/planner", *(f"tests/serve/test_{name}.py" for name in FILES)]
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
