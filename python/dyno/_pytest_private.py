"""Every private pytest name that dyno uses, in one place.

Checked on pytest 8.0, 8.4, 9.0 and 9.2. Each function says which name it touches and
what dyno would lose without it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from _pytest._io import TerminalWriter
from _pytest.pathlib import bestrelpath
from _pytest.warnings import warning_record_to_str

__all__ = [
    "claim_numbered_folder",
    "fixture_definitions",
    "forget_controller_plugins",
    "forget_failures",
    "option_names",
    "progress_style",
    "redirect_terminal",
    "relative_path",
    "render",
    "restart_capture",
    "use_own_basetemp",
    "warning_text",
]

# Plugins that write one file for the whole run. They stay in the template, which is fed
# every report; a copy of them in a worker would overwrite that file with a part of it.
_CONTROLLER_PLUGINS = {("_pytest.junitxml", "LogXML")}


def redirect_terminal(config: pytest.Config, file: io.TextIOBase) -> None:
    """Let pytest's terminal reporter write to ``file`` (``TerminalWriter._file``).

    The writer keeps the width and the colours it chose for the real terminal.
    """
    if config.pluginmanager.has_plugin("terminalreporter"):
        terminal: Any = config.get_terminal_writer()
        terminal._file = file


def render(config: pytest.Config, report: Any) -> str:
    """A failure's text as pytest's terminal reporter prints it (``TerminalWriter``)."""
    text = io.StringIO()
    writer = TerminalWriter(text)
    if config.pluginmanager.has_plugin("terminalreporter"):
        terminal = config.get_terminal_writer()
        writer.hasmarkup = terminal.hasmarkup
        writer.fullwidth = terminal.fullwidth
        writer.code_highlight = terminal.code_highlight
    report.toterminal(writer)
    return text.getvalue()


def option_names(parser: pytest.Parser) -> list[str]:
    """Every long option of pytest and its plugins (``Parser._groups``)."""
    private: Any = parser
    groups = [*private._groups, private._anonymous]
    return sorted(
        name
        for group in groups
        for option in group.options
        for name in option.names()
        if name.startswith("--")
    )


def progress_style(config: pytest.Config) -> str:
    """What stands beside the tests (``TerminalReporter._show_progress_info``)."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    style = getattr(reporter, "_show_progress_info", False)
    if not style:
        return "off"
    # `times` shows how long each file took, which means nothing where files run side by side.
    return "count" if style == "count" else "percent"


def restart_capture(config: pytest.Config) -> None:
    """Give a forked child capture files of its own (``CaptureManager``).

    pytest captures into an unlinked temporary file whose offset a fork shares, so
    two processes would read each other's output. Left as pytest leaves it between two
    tests: started and suspended.
    """
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if capture is not None and capture._global_capturing is not None:
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture(in_=False)


def claim_numbered_folder(config: pytest.Config) -> None:
    """Make the run's ``pytest-N`` folder before any fork (``TempPathFactory``)."""
    factory: Any = getattr(config, "_tmp_path_factory", None)
    if factory is not None:
        factory.getbasetemp()


def use_own_basetemp(config: pytest.Config, name: str) -> None:
    """Move ``tmp_path`` of this process to a folder of its own, named as pytest-xdist does."""
    factory: Any = getattr(config, "_tmp_path_factory", None)
    if factory is not None:
        base: Path = factory.getbasetemp() / f"popen-{name}"
        base.mkdir(mode=0o700, exist_ok=True)
        factory._basetemp = base


def forget_controller_plugins(config: pytest.Config) -> None:
    """Unregister, in a worker, what belongs to the whole run (``_pytest.junitxml.LogXML``)."""
    for plugin in list(config.pluginmanager.get_plugins()):
        kind = type(plugin)
        if (kind.__module__, kind.__name__) in _CONTROLLER_PLUGINS:
            config.pluginmanager.unregister(plugin)


def forget_failures(session: pytest.Session) -> None:
    """Let a worker start from a session in which nothing failed yet (``Session``).

    The public attributes warn when they are unset.
    """
    private: Any = session
    private.testsfailed = 0
    private._shouldfail = False
    private._shouldstop = False


def fixture_definitions(item: pytest.Item) -> Iterator[tuple[str, Any]]:
    """The fixture definitions that ``item`` is known to use (``_fixtureinfo``)."""
    info: Any = getattr(item, "_fixtureinfo", None)
    if info is None:
        return
    definitions: Mapping[str, Sequence[Any]] = info.name2fixturedefs
    for name, overrides in definitions.items():
        for definition in overrides:
            yield name, definition


def warning_text(warning_message: Any) -> str:
    """A warning in the words of pytest's summary (``warning_record_to_str``)."""
    return warning_record_to_str(warning_message)


def relative_path(start: Path, path: str) -> str:
    """``path`` as pytest shows it (``bestrelpath``)."""
    return bestrelpath(start, start / path)
