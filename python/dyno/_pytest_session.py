"""Private names of pytest's sessions: what is set up, what failed, in which order tests run,
and what writes of it.

Checked on pytest 8.0, 8.4, 9.0 and 9.2, as those of `_pytest_private`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import pytest
from _pytest import fixtures
from _pytest.junitxml import xml_key

__all__ = [
    "counts_every_test",
    "forget_failures",
    "forget_xml_log",
    "has_order_of_its_own",
    "is_anything_set_up",
    "is_of_pytest",
    "last_failed",
    "tear_everything_down",
    "xml_log",
]


def forget_failures(session: pytest.Session, failed: int = 0) -> None:
    """Let a worker go on from a session in which so many tests failed (``Session``).

    The public attributes warn when they are unset.
    """
    private: Any = session
    private.testsfailed = failed
    private._shouldfail = False
    private._shouldstop = False


def is_anything_set_up(session: pytest.Session) -> bool:
    """Whether a session's or a narrower fixture is set up (``Session._setupstate``)."""
    private: Any = session
    return bool(private._setupstate.stack)


def tear_everything_down(session: pytest.Session) -> None:
    """Tear down all that is set up (``Session._setupstate``), as pytest does at the end of a
    session that was interrupted."""
    private: Any = session
    private._setupstate.teardown_exact(None)


def has_order_of_its_own(
    config: pytest.Config, before: Sequence[pytest.Item], after: Sequence[pytest.Item]
) -> bool:
    """Whether somebody but pytest put the items into an order (``reorder_items``).

    Without it, ``--ff`` and plugins such as pytest-order would not decide what runs first.
    """
    option: Any = config.option
    asked = any(getattr(option, name, False) for name in ("failedfirst", "newfirst", "stepwise"))
    if not asked and all(
        implementation.plugin_name.startswith("dyno") or is_of_pytest(implementation.function)
        for implementation in config.hook.pytest_collection_modifyitems.get_hookimpls()
    ):
        return False
    kept = {id(item) for item in after}
    expected = [item for item in fixtures.reorder_items(before) if id(item) in kept]
    return len(expected) != len(after) or any(map(operator.is_not, expected, after))


def counts_every_test(config: pytest.Config) -> bool:
    """Whether one of pytest's own reporters wants every report: `--junitxml`, `--durations`,
    `--stepwise`, `--pastebin` (their options)."""
    option: Any = config.option
    return any(
        getattr(option, name, None) for name in ("xmlpath", "durations", "stepwise", "pastebin")
    )


def last_failed(config: pytest.Config) -> frozenset[str]:
    """Tests that failed in an earlier run, of which pytest forgets those that pass (the cache
    of ``LFPlugin``)."""
    plugin: Any = config.pluginmanager.get_plugin("lfplugin")
    return frozenset(getattr(plugin, "lastfailed", ()))


def is_of_pytest(function: Any) -> bool:
    """Whether a hook is pytest's own, or dyno's (``_pytest``)."""
    module = getattr(function, "__module__", None) or ""
    return module.partition(".")[0] in ("_pytest", "dyno")


def xml_log(config: pytest.Config) -> Any:
    """What writes the file of ``--junitxml``, or ``None`` (``junitxml.xml_key``)."""
    return config.stash.get(xml_key, None)


def forget_xml_log(config: pytest.Config) -> None:
    """Let pytest take nothing down for what :func:`xml_log` says (``pytest_unconfigure`` of
    ``junitxml`` unregisters it)."""
    if xml_key in config.stash:
        del config.stash[xml_key]
