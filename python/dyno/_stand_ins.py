"""Items that no file holds, which a worker puts where pytest wants one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

__all__ = ["LastItem", "MissingItem"]


class LastItem(pytest.Item):
    """Stands for the item after the last that a worker knows of.

    pytest asks an item for its ancestors only when it decides what to tear down.
    That is the latest moment to ask the runner for more work, and here it is asked.
    """

    def __init__(self, *, ask: Callable[[pytest.Session], list[Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._ask = ask

    def listchain(self) -> list[Any]:
        return self._ask(self.session)

    def runtest(self) -> None:
        raise NotImplementedError("this item stands for another and is never run")


class MissingItem(pytest.Item):
    """Stands for a test that the template collected, and this worker did not."""

    def setup(self) -> None:
        pytest.fail(
            "this test is not in the collection of this worker, which is an interpreter of its "
            "own: its id is another in each collection (a time, an address, the order of a set)",
            pytrace=False,
        )

    def runtest(self) -> None:
        raise NotImplementedError("its setup fails")

    def reportinfo(self) -> tuple[str, None, str]:
        return self.nodeid.partition("::")[0], None, self.name
