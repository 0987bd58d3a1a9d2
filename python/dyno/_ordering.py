"""Notices whether somebody but pytest decides in which order tests run."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from dyno import _pytest_session

__all__ = ["Ordering"]


class Ordering:
    """A plugin round all others that change the list of tests."""

    def __init__(self) -> None:
        #: Whether the order is not pytest's own.
        self.is_own = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None]:
        before = list(items)
        result = yield
        self.is_own = _pytest_session.has_order_of_its_own(config, before, items)
        return result
