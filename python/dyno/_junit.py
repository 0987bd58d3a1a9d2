"""What tests write into the JUnit file by name, on its way from a worker to the template.

``record_property`` travels with a report. ``record_testsuite_property`` and
``record_xml_attribute`` write into the object that writes the file, of which a worker has
a copy that writes none; under pytest-xdist they are lost.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from dyno import _pytest_session as private

__all__ = ["JunitKeeper", "JunitSender"]

_RECORDED = "_dyno_junit"


class JunitSender:
    """In a worker: puts what was recorded into the reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._log = private.xml_log(config)
        self._forget()

    def _forget(self) -> None:
        self._log.global_properties.clear()
        self._log.node_reporters.clear()
        self._log.node_reporters_ordered.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: Any) -> Generator[None, Any, Any]:
        report = yield
        if call.when == "teardown":
            attributes = dict(self._log.node_reporter(report.nodeid).attrs)
            properties = list(self._log.global_properties)
            self._forget()
            if attributes or properties:
                setattr(report, _RECORDED, (attributes, properties))
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        # It is no plugin of this worker's any more, so there is none to unregister.
        private.forget_xml_log(config)


class JunitKeeper:
    """In the template: writes it down where a serial run would have."""

    def __init__(self, config: pytest.Config) -> None:
        self._log = private.xml_log(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        recorded = vars(report).pop(_RECORDED, None)
        if recorded is None:
            return
        attributes, properties = recorded
        if attributes:
            self._log.node_reporter(report).attrs.update(attributes)
        for one in properties:
            # A session's fixture says it in each worker.
            if one not in self._log.global_properties:
                self._log.global_properties.append(one)
