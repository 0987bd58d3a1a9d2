"""What workers reported, for the plugins of the template's session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from dyno import _reports
from dyno._nodes import Nodes
from dyno._wire import as_sent

__all__ = ["Feed"]

_Location = tuple[str, int | None, str]


class Feed:
    """Calls the hooks that pytest calls where tests run in its own process.

    ``elsewhere`` are tests that siblings collected, with their places.
    """

    def __init__(
        self, session: pytest.Session, elsewhere: Iterable[dict[str, Any]], nodes: Nodes
    ) -> None:
        self._session = session
        self._nodes = nodes
        self._elsewhere = elsewhere
        self._tests: dict[str, tuple[str, _Location, Any]] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Tell the controller's plugins what a worker did."""
        config = self._session.config
        match event["type"]:
            case "start":
                node, location, hook = self._test(event["test"])
                hook.pytest_runtest_logstart(nodeid=node, location=location)
            case "report":
                report = _reports.unpack(config, event["packed"])
                self._hook(report).pytest_runtest_logreport(report=report)
            case "earlier":
                told = event["report"]
                node, location, hook = self._test(told["test"])
                earlier = _reports.told_again(told, node, location)
                if earlier is not None:
                    hook.pytest_runtest_logreport(report=earlier)
            case "finish":
                node, location, hook = self._test(event["test"])
                hook.pytest_runtest_logfinish(nodeid=node, location=location)
            case "down":
                self._nodes.down(event["worker"], event.get("output"), event.get("error"))
            case "crash":
                node, location, hook = self._test(event["test"])
                report = pytest.TestReport(
                    node, location, {}, "failed", event["message"], event["phase"]
                )
                hook.pytest_runtest_logreport(report=report)

    def _test(self, test: str) -> tuple[str, _Location, Any]:
        """Node id, location and hooks of a test, named as it was sent.

        As where the test runs, conftests of other folders do not hear of it.
        """
        if not self._tests:
            self._tests.update(self._all())
        # After a template was lost, a test may have been collected that no longer is.
        place = test.partition("::")[0], None, test
        return self._tests.get(test, (test, place, self._session.config.hook))

    def _hook(self, report: Any) -> Any:
        # A plugin may have made up a name.
        return self._test(as_sent(report.nodeid))[2]

    def _all(self) -> Iterator[tuple[str, tuple[str, _Location, Any]]]:
        for item in self._session.items:
            yield as_sent(item.nodeid), (item.nodeid, item.location, item.ihook)
        root = self._session.config.rootpath
        for place in self._elsewhere:
            file, line, domain = (place["location"][key] for key in ("file", "line", "domain"))
            hook = self._session.gethookproxy(root / place["id"].partition("::")[0])
            yield place["id"], (place["id"], (file, line, domain), hook)
