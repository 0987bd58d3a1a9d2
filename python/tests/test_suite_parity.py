"""The Dynamo suite itself: `dyno test tests` says what `pytest tests` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from running import Outcomes, run_dyno, run_pytest

ROOT = Path(__file__).parents[2]

# The suite takes a minute and a half under pytest on two idle cores.
SUITE_TIMEOUT = 600


def node_outcomes(outcomes: Outcomes) -> dict[str, tuple[str, ...]]:
    return dict(sorted(outcomes.items()))


@pytest.mark.timeout(2 * SUITE_TIMEOUT)
def test_every_node_id_has_the_same_outcome() -> None:
    expected = run_pytest(ROOT, "tests", timeout=SUITE_TIMEOUT)
    got = run_dyno(ROOT, "tests", "-n", "4", timeout=SUITE_TIMEOUT)
    assert len(expected.outcomes) > 100, expected.text
    assert node_outcomes(got.outcomes) == node_outcomes(expected.outcomes)
    assert got.code == expected.code == 0, got.text
