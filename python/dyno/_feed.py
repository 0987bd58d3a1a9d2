"""What workers reported, for the plugins of the template's session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from dyno import _reports
from dyno._wire import as_sent

__all__ = ["Feed"]

_Location = tuple[str, int | None, str]


class Feed:
    """Calls the hooks that pytest calls where tests run in its own process.

    ``elsewhere`` are tests that siblings collected, with their places.
    """

    def __init__(self, session: pytest.Session, elsewhere: Iterable[dict[str, Any]]) -> None:
        self._session = session
        self._elsewhere = elsewhere
        self._tests: dict[str, tuple[str, _Location]] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Tell the controller's plugins what a worker did."""
        config = self._session.config
        hook = config.hook
        match event["type"]:
            case "start":
                node, location = self._test(event["test"])
                hook.pytest_runtest_logstart(nodeid=node, location=location)
            case "report":
                report = _reports.unpack(config, event["packed"])
                hook.pytest_runtest_logreport(report=report)
            case "finish":
                node, location = self._test(event["test"])
                hook.pytest_runtest_logfinish(nodeid=node, location=location)
            case "told":
                report = _reports.told(event["report"], self._test)
                hook.pytest_runtest_logreport(report=report)
            case "crash":
                node, location = self._test(event["test"])
                report = pytest.TestReport(node, location, {}, "failed", event["message"], "call")
                hook.pytest_runtest_logreport(report=report)

    def _test(self, test: str) -> tuple[str, _Location]:
        """Node id and location of a test, named as it was sent."""
        if not self._tests:
            self._tests.update(self._all())
        return self._tests[test]

    def _all(self) -> Iterator[tuple[str, tuple[str, _Location]]]:
        for item in self._session.items:
            yield as_sent(item.nodeid), (item.nodeid, item.location)
        for place in self._elsewhere:
            file, line, domain = (place["location"][key] for key in ("file", "line", "domain"))
            yield place["id"], (place["id"], (file, line, domain))
