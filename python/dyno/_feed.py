"""What workers reported, for the plugins of the template's session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from dyno import _reports

__all__ = ["Feed"]


class Feed:
    """Calls the hooks that pytest calls where tests run in its own process.

    ``elsewhere`` are tests that siblings collected, with their places.
    """

    def __init__(self, session: pytest.Session, elsewhere: Iterable[dict[str, Any]]) -> None:
        self._session = session
        self._elsewhere = elsewhere
        self._locations: dict[str, tuple[str, int | None, str]] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Tell the controller's plugins what a worker did."""
        config = self._session.config
        hook = config.hook
        match event["type"]:
            case "start":
                hook.pytest_runtest_logstart(
                    nodeid=event["test"], location=self._location(event["test"])
                )
            case "report":
                report = _reports.unpack(config, event["packed"])
                hook.pytest_runtest_logreport(report=report)
            case "finish":
                hook.pytest_runtest_logfinish(
                    nodeid=event["test"], location=self._location(event["test"])
                )
            case "crash":
                hook.pytest_runtest_logreport(
                    report=pytest.TestReport(
                        event["test"],
                        self._location(event["test"]),
                        {},
                        "failed",
                        event["message"],
                        "call",
                    )
                )

    def _location(self, test: str) -> tuple[str, int | None, str]:
        if not self._locations:
            self._locations = {item.nodeid: item.location for item in self._session.items}
            for place in self._elsewhere:
                location = place["location"]
                self._locations[place["id"]] = (
                    location["file"],
                    location["line"],
                    location["domain"],
                )
        return self._locations[test]
