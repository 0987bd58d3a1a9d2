"""When garbage is not collected.

While a failure is put into words: pytest parses the sources of a traceback. In Python 3.11 that
fails, and the whole run with it, where a collection meanwhile calls a finalizer that raises,
because its own traceback is parsed too (`SystemError: AST constructor recursion depth mismatch`).
Whether garbage of one test is collected in the report of another depends on their order, and that
is dyno's.

A second time at the end of a session: pytest has just done it, and in a fork each time copies every
page that holds an object.
"""

from __future__ import annotations

from collections.abc import Generator
from gc import disable, enable, isenabled
from typing import Any

import pytest

from dyno._pytest_private import collect_no_more

__all__ = ["KeptGarbage"]


class KeptGarbage:
    """The pytest plugin of a worker."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, call: Any) -> Generator[None, object, object]:
        if call.excinfo is None or not isenabled():
            return (yield)
        disable()
        try:
            return (yield)
        finally:
            enable()

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        collect_no_more(config)
