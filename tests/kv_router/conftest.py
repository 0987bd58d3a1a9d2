"""Fixtures of the KV router's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.kv_router.selector import Selector


@pytest.fixture
def new_selector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Selector]]:
    """Starts a selection service in this process, with settings of the router given by the names
    that they have after `DYN_ROUTER_`."""
    pytest.importorskip("dynamo.llm", reason="needs ai-dynamo")
    from tests.kv_router.selector import Selector

    with ExitStack() as stack:

        def start(**settings: float) -> Selector:
            for name, value in settings.items():
                monkeypatch.setenv(f"DYN_ROUTER_{name}", str(value))
            selector = Selector()
            stack.callback(selector.close)
            return selector

        yield start


@pytest.fixture
def selector(new_selector: Callable[..., Selector]) -> Selector:
    """A selection service with workers 1 and 2."""
    selector = new_selector()
    selector.add(1)
    selector.add(2)
    return selector
