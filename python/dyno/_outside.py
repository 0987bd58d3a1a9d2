"""Says of a sealed test that failed for want of what is outside its walls that this is so.

Under pytest the same test may pass, and nothing in its error speaks of walls.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

__all__ = ["Outside"]

# As the kernel and libc word what comes of names and addresses that are not behind the walls.
# Libraries of Rust and Go quote them too.
_SIGNS = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "No route to host",
)

_HINT = (
    "The test ran sealed: behind its walls there is no network but its own, and the error looks "
    "as if it wanted another. A rule takes it out of its sandbox:\n\n"
    "[[tool.dyno.rules]]\n"
    'name = "{name}"\n'
    'lane = "own"'
)


class Outside:
    """The plugin of a sealed worker."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed and any(sign in report.longreprtext for sign in _SIGNS):
            # Without parameters, whose ids may be anything.
            name = getattr(item, "originalname", None) or item.name
            report.sections.append(("sealed by dyno", _HINT.format(name=name)))
        return report
