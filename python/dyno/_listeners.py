"""Who listens in the template to what workers report.

To pack a report, send it and make it again costs as much as a small test. Where nobody but
pytest's own session would hear that a test passed, it is not done.
"""

from __future__ import annotations

from typing import Any

import pytest

from dyno import _pytest_session

__all__ = ["Listeners"]

# Hooks whose implementation may want to know of every test, then or at the end.
_HOOKS = (
    *("pytest_runtest_logstart", "pytest_runtest_logreport", "pytest_runtest_logfinish"),
    *("pytest_terminal_summary", "pytest_sessionfinish", "pytest_unconfigure"),
    # Who changes reports, or what they are called, is to be asked of each.
    *("pytest_report_teststatus", "pytest_report_to_serializable", "pytest_runtest_makereport"),
    "pytest_report_from_serializable",
)


class Listeners:
    """Who listens in this session. Made before workers are forked."""

    def __init__(self, config: pytest.Config) -> None:
        #: Whether every report is heard.
        self.all = _pytest_session.counts_every_test(config) or any(
            not _pytest_session.is_of_pytest(implementation.function)
            for name in _HOOKS
            for implementation in getattr(config.hook, name).get_hookimpls()
        )
        self._failed_before = _pytest_session.last_failed(config)

    def hear_of(self, report: Any) -> bool:
        """Whether the report is of interest to anybody but the runner."""
        return (
            self.all
            or type(report) is not pytest.TestReport
            or report.outcome != "passed"
            or bool(report.sections or report.user_properties)
            or hasattr(report, "wasxfail")
            or report.nodeid in self._failed_before
        )
