"""Every private pytest name that dyno uses, in one place.

Checked on pytest 8.0, 8.4, 9.0 and 9.2. Each function says which name it touches and
what dyno would lose without it.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from _pytest import cacheprovider, fixtures, mark, pathlib, unraisableexception
from _pytest import python as pytest_python
from _pytest._io import TerminalWriter
from _pytest.mark import KeywordMatcher, ParameterSet
from _pytest.pathlib import bestrelpath
from _pytest.warnings import warning_record_to_str

__all__ = [
    "TerminalStyle",
    "UnmadeItem",
    "before_marks_are_read",
    "claim_numbered_folder",
    "collect_no_more",
    "configured",
    "count_deselected",
    "count_others",
    "file_of",
    "fixture_param_ids",
    "import_root",
    "ini_options",
    "is_below_arguments",
    "keyword_names",
    "option_names",
    "option_nargs",
    "options",
    "param_key",
    "param_scopes",
    "plugin_fixtures",
    "progress_style",
    "redirect_terminal",
    "relative_path",
    "remember_nodes",
    "render",
    "separator",
    "set_object",
    "terminal_style",
    "use_basetemp",
    "use_own_basetemp",
    "use_terminal_style",
    "warning_text",
]


def redirect_terminal(config: pytest.Config, file: io.TextIOBase) -> io.TextIOBase | None:
    """Let pytest's terminal reporter write to ``file`` (``TerminalWriter._file``).

    The writer keeps the width and the colours it chose for the real terminal. Returns what
    it wrote to before.
    """
    if not config.pluginmanager.has_plugin("terminalreporter"):
        return None
    terminal: Any = config.get_terminal_writer()
    before: io.TextIOBase = terminal._file
    terminal._file = file
    return before


def render(config: pytest.Config, report: Any) -> str:
    """A failure's text as pytest's terminal reporter prints it (``TerminalWriter``)."""
    text = io.StringIO()
    report.toterminal(_writer_like_terminals(config, text))
    return text.getvalue()


def _writer_like_terminals(config: pytest.Config, text: io.StringIO) -> TerminalWriter:
    writer = TerminalWriter(text)
    if config.pluginmanager.has_plugin("terminalreporter"):
        terminal = config.get_terminal_writer()
        writer.hasmarkup = terminal.hasmarkup
        writer.fullwidth = terminal.fullwidth
        writer.code_highlight = terminal.code_highlight
    return writer


def options(parser: pytest.Parser) -> Iterator[Any]:
    """Every option of pytest and its plugins (``Parser._groups``)."""
    private: Any = parser
    for group in (*private._groups, private._anonymous):
        yield from group.options


def option_nargs(option: Any) -> object:
    """argparse's ``nargs`` of an option: 0 for a flag, ``None`` for one value.

    pytest 9.1 and newer keep argparse's action (``Argument._action``), older ones what it
    is made from (``attrs``).
    """
    action = getattr(option, "_action", None)
    if action is None:
        parser = argparse.ArgumentParser(add_help=False)
        action = parser.add_argument(*option.names(), **option.attrs())
    return action.nargs


def option_names(parser: pytest.Parser) -> list[str]:
    """Every long option of pytest and its plugins."""
    return sorted(
        name for option in options(parser) for name in option.names() if name.startswith("--")
    )


def ini_options(parser: pytest.Parser) -> Iterator[tuple[str, list[str], str, Any]]:
    """Name, aliases, kind and default of each ini option (``Parser._inidict``).

    Aliases are pytest 9's, and 9.2 has kinds that are no words.
    """
    private: Any = parser
    aliases: Mapping[str, str] = getattr(private, "_ini_aliases", {})
    for name, (_, kind, default) in private._inidict.items():
        others = [alias for alias, target in aliases.items() if target == name]
        yield name, others, kind if isinstance(kind, str) else "string", default


def progress_style(config: pytest.Config) -> str:
    """What stands beside the tests (``TerminalReporter._show_progress_info``)."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    style = getattr(reporter, "_show_progress_info", False)
    if not style:
        return "off"
    # `times` shows how long each file took, which means nothing where files run side by side.
    return "count" if style == "count" else "percent"


def separator(config: pytest.Config, title: str, mark: str, **markup: bool) -> str:
    """A line of ``mark`` with a title, as wide as the terminal (``TerminalWriter``)."""
    text = io.StringIO()
    writer = _writer_like_terminals(config, text)
    writer.sep(mark, title, **markup)
    return text.getvalue()


class TerminalStyle(NamedTuple):
    """What pytest's terminal reporter took from the terminal."""

    width: int
    colours: bool


def terminal_style(config: pytest.Config) -> TerminalStyle | None:
    """How failures are shown, if there is a terminal reporter (``TerminalWriter``)."""
    if not config.pluginmanager.has_plugin("terminalreporter"):
        return None
    writer: Any = config.get_terminal_writer()
    return TerminalStyle(writer.fullwidth, writer.hasmarkup)


def use_terminal_style(config: pytest.Config, style: TerminalStyle | None) -> None:
    """Show failures as a process does that has the terminal."""
    if style is not None:
        writer: Any = config.get_terminal_writer()
        writer.fullwidth, writer.hasmarkup = style


def use_basetemp(config: pytest.Config, folder: str) -> None:
    """Make ``tmp_path`` where another process of the run does."""
    factory: Any = getattr(config, "_tmp_path_factory", None)
    if factory is not None and folder:
        factory._basetemp = Path(folder)


def claim_numbered_folder(config: pytest.Config) -> str:
    """The run's ``pytest-N`` folder, made before any fork, or nothing (``TempPathFactory``)."""
    factory: Any = getattr(config, "_tmp_path_factory", None)
    return str(factory.getbasetemp()) if factory is not None else ""


def use_own_basetemp(config: pytest.Config, name: str) -> None:
    """Move ``tmp_path`` of this process to a folder of its own, named as pytest-xdist does."""
    factory: Any = getattr(config, "_tmp_path_factory", None)
    if factory is not None:
        base: Path = factory.getbasetemp() / f"popen-{name}"
        base.mkdir(mode=0o700, exist_ok=True)
        factory._basetemp = base
        # Who claimed the run's folder removes those of old runs, and nobody beside it. Since 9.2
        # that is at the session's end, before at the process's.
        with contextlib.suppress(AttributeError):
            factory._exit_stack.pop_all()
        atexit.unregister(pathlib.cleanup_numbered_dir)


def file_of(node: Any) -> pytest.File | None:
    """The file that a node lies in, or is; ``getparent`` is typed for concrete classes."""
    while node is not None and not isinstance(node, pytest.File):
        node = node.parent
    return node


def keyword_names(item: pytest.Item) -> set[str]:
    """Every name that ``-k`` sees (``KeywordMatcher``)."""
    matcher: Any = KeywordMatcher.from_item(item)
    return set(matcher._names)


def param_scopes(callspec: Any) -> dict[str, str]:
    """The scope of each parameter of an item (``callspec._arg2scope``)."""
    return {name: scope.value for name, scope in callspec._arg2scope.items()}


def param_key(value: object, index: int) -> object:
    """What pytest compares to put two values of a higher scope side by side.

    Up to pytest 9.0 it is the index; ``ParamValueKey`` came later.
    """
    by_value: Any = getattr(fixtures, "ParamValueKey", None)
    return index if by_value is None else by_value(value, index)


def before_marks_are_read(config: pytest.Config, call: Callable[[], None]) -> bool:
    """Have ``call`` called just before ``-k`` and ``-m`` look at the items.

    There is no public place for it: a hook of one's own comes before or after those of
    other plugins, which may still add markers. Returns whether that place was found.
    """
    its_own: Any = mark.pytest_collection_modifyitems
    implementations = config.pluginmanager.hook.pytest_collection_modifyitems.get_hookimpls()
    place: Any = next((one for one in implementations if one.function is its_own), None)
    if place is None:
        return False

    def called_first(*args: Any, **kwargs: Any) -> Any:
        place.function = its_own
        call()
        return its_own(*args, **kwargs)

    place.function = called_first
    return True


class UnmadeItem:
    """Stands among the deselected items for one that was never made.

    Plugins that look at everything that was counted look at attributes, too.
    """

    nodeid = ""


def count_deselected(config: pytest.Config, count: int) -> None:
    """Let the terminal reporter count items that were never made (``_numcollected``)."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and count:
        reporter._numcollected += count
        reporter._add_stats("deselected", [UnmadeItem() for _ in range(count)])


def count_others(config: pytest.Config, collected: int, deselected: int) -> None:
    """Let the terminal reporter count items that another process made (``_numcollected``)."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter._numcollected += collected
    count_deselected(config, deselected)


def remember_nodes(config: pytest.Config, nodes: Sequence[str]) -> None:
    """Let ``cache/nodeids`` have these too (``NFPlugin.cached_nodeids``).

    They are strings up to pytest 9.1.
    """
    plugin: Any = config.pluginmanager.get_plugin("nfplugin")
    if plugin is not None:
        parse: Any = getattr(getattr(cacheprovider, "NodeId", None), "parse", str)
        plugin.cached_nodeids.update(map(parse, nodes))


def is_below_arguments(config: pytest.Config, path: Path) -> bool:
    """Whether one of the folders that pytest was asked for holds ``path`` (``_initialpaths``)."""
    session: Any = config.pluginmanager.get_plugin("session")
    return not session._initialpaths.isdisjoint(path.parents)


def set_object(collector: pytest.Module, module: object) -> None:
    """Keep a module from being imported when somebody asks for it (``PyobjMixin._obj``)."""
    private: Any = collector
    private._obj = module


def import_root(config: pytest.Config, path: Path) -> Path:
    """The folder that pytest puts on ``sys.path`` to import ``path`` (``_pytest.pathlib``).

    As `import_path` finds it; ``consider_namespace_packages`` is there since pytest 8.1.
    """
    private: Any = pathlib
    try:
        namespace = config.getini("consider_namespace_packages")
        found: tuple[Path, str] = private.resolve_pkg_root_and_module_name(
            path, consider_namespace_packages=namespace
        )
    except (ValueError, KeyError, AttributeError):
        package: Path | None = pathlib.resolve_package_path(path)
        return path.parent if package is None else package.parent
    except private.CouldNotResolvePathError:
        return path.parent
    return found[0]


def collect_no_more(config: pytest.Config) -> None:
    """Let pytest, which has collected garbage in its `pytest_unconfigure`, not do it again in its
    cleanup. One that does so only there still does.

    `unraisableexception`: without it each process would take longer to end.
    """
    if hasattr(unraisableexception, "pytest_unconfigure"):
        config.stash[unraisableexception.gc_collect_iterations_key] = 0


def configured(config: pytest.Config) -> pytest.Session:
    """A session as it is before it starts: plugins configured, fixtures read.

    ``Config._do_configure``, ``Session.from_config``, ``FixtureManager``. Nobody's
    ``pytest_sessionstart`` is called.
    """
    private: Any = config
    private._do_configure()
    session = pytest.Session.from_config(config)
    unstarted: Any = session
    unstarted._fixturemanager = fixtures.FixtureManager(session)
    return session


def plugin_fixtures(session: pytest.Session) -> Iterator[tuple[Any, bool]]:
    """Fixture definitions that the plugins brought, and whether each is autouse.

    For one name in the order of overriding, the last wins. They are in
    ``_arg2fixturedefs`` up to pytest 9.0, then in two tables that `getfixturedefs` joins.
    """
    private: Any = session
    manager = private._fixturemanager
    autouse = set(_autouse_names(manager))
    by_name = getattr(manager, "_arg2fixturedefs", None)
    if by_name is None:
        names = {**manager._arg2node2fixturedefs, **manager._arg2nodeid2fixturedefs}
        by_name = {name: manager.getfixturedefs(name, session) or () for name in names}
    for name, definitions in by_name.items():
        for definition in definitions:
            yield definition, name in autouse


def _autouse_names(manager: Any) -> Iterator[str]:
    for table in ("_nodeid_autousenames", "_node_autousenames"):
        for names in getattr(manager, table, {}).values():
            yield from names


def fixture_param_ids(session: pytest.Session, definition: Any) -> list[str | None]:
    """What stands in the brackets for each parameter of a fixture (``IdMaker``)."""
    sets = [ParameterSet.extract_from(value, force_tuple=True) for value in definition.params]
    ids = definition.ids
    fields = {
        "argnames": [definition.argname],
        "parametersets": sets,
        "idfn": ids if callable(ids) else None,
        "ids": None if ids is None or callable(ids) else list(ids),
        "config": session.config,
        "nodeid": None,
        "func_name": None,  # Until pytest 9.1.
    }
    maker: Any = pytest_python.IdMaker
    known = maker.__slots__
    made = maker(**{name: value for name, value in fields.items() if name in known})
    return [id if isinstance(id, str) else None for id in made.make_unique_parameterset_ids()]


def warning_text(warning_message: Any) -> str:
    """A warning in the words of pytest's summary (``warning_record_to_str``)."""
    return warning_record_to_str(warning_message)


def relative_path(start: Path, path: str) -> str:
    """``path`` as pytest shows it (``bestrelpath``)."""
    return bestrelpath(start, start / path)
