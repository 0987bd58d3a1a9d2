"""What an environment brings to collection, in the words of `dyno_model::Environment`."""

from __future__ import annotations

import inspect
import os
import platform
import site
import sys
import sysconfig
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dyno import _pytest_private as private
from dyno import _reports

__all__ = ["Probe"]

# Hooks by which a plugin can change what is collected, what it bears, or its order.
_HOOKS = (
    "pytest_collect_directory",
    "pytest_collect_file",
    "pytest_collection",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_collectreport",
    "pytest_collectstart",
    "pytest_configure",
    "pytest_deselected",
    "pytest_generate_tests",
    "pytest_ignore_collect",
    "pytest_itemcollected",
    "pytest_load_initial_conftests",
    "pytest_make_collect_report",
    "pytest_make_parametrize_id",
    "pytest_markeval_namespace",
    "pytest_plugin_registered",
    "pytest_pycollect_makeitem",
    "pytest_pycollect_makemodule",
    "pytest_report_collectionfinish",
    "pytest_runtestloop",
    "pytest_sessionstart",
)
_OWN_MODULES = ("_pytest.", "dyno.", "pluggy.")
_PLAIN = (type(None), bool, int, float, str, bytes)


class Probe:
    """The pytest plugin that tells what is there once plugins are configured, and ends.

    ``sys_path`` is as it was before pytest began.
    """

    def __init__(self, sys_path: list[str], tell: Callable[[dict[str, Any]], None]) -> None:
        self._sys_path = sys_path
        self._tell = tell
        self._parser: pytest.Parser

    @pytest.hookimpl(trylast=True)
    def pytest_addoption(self, parser: pytest.Parser) -> None:
        self._parser = parser

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        # Plugins that register markers add them to what is the default until then.
        ini = list(_ini(self._parser))
        session = private.configured(config)
        self._tell(
            {
                "python": _interpreter(self._sys_path),
                "pytest": pytest.__version__,
                "sys_path": [os.path.abspath(folder) for folder in self._sys_path],
                "plugins": list(_plugins(config)),
                "hooks": list(_hooks(config)),
                "fixtures": list(_fixtures(session)),
                "ini": ini,
                "options": list(_options(self._parser)),
                "markers": [str(line) for line in config.getini("markers")],
            }
        )
        return 0


def _interpreter(sys_path: list[str]) -> dict[str, Any]:
    site_folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    known = [*site.getsitepackages(), site.getusersitepackages()]
    site_folders += [folder for folder in known if folder in sys_path]
    return {
        "executable": sys.executable,
        "version": list(sys.version_info[:3]),
        "level": sys.version_info.releaselevel,
        "implementation": sys.implementation.name,
        "platform": sys.platform,
        "os_name": os.name,
        "machine": platform.machine(),
        "prefix": sys.prefix,
        "stdlib": _once(sysconfig.get_path(name) for name in ("stdlib", "platstdlib")),
        "site": _once(site_folders),
        "stdlib_names": sorted({*sys.stdlib_module_names, *sys.builtin_module_names}),
    }


def _once(values: Iterator[str] | list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _module_name(plugin: object) -> str:
    if inspect.ismodule(plugin):
        return plugin.__name__ + "."
    kind = plugin if inspect.isclass(plugin) else type(plugin)
    return kind.__module__ + "."


def _is_ours(plugin: object) -> bool:
    return _module_name(plugin).startswith(_OWN_MODULES)


def _plugins(config: pytest.Config) -> Iterator[dict[str, str]]:
    manager = config.pluginmanager
    distributions = {id(plugin): found for plugin, found in manager.list_plugin_distinfo()}
    for name, plugin in manager.list_name_plugin():
        if plugin is None or _module_name(plugin).startswith(("_pytest.", "pluggy.")):
            continue
        if _module_name(plugin) == "dyno._probe.":
            continue
        found: Any = distributions.get(id(plugin))
        yield {
            "name": _plugin_name(name, plugin),
            "distribution": "" if found is None else found.project_name,
            "version": "" if found is None else found.version,
            "file": _module_file(plugin),
        }


def _plugin_name(name: str, plugin: object) -> str:
    """pluggy names an object that has no name by its address, which is another each time."""
    if name != str(id(plugin)):
        return name
    kind = plugin if inspect.isclass(plugin) else type(plugin)
    return f"{kind.__module__}.{kind.__qualname__}"


def _module_file(plugin: object) -> str:
    module = plugin if inspect.ismodule(plugin) else sys.modules.get(_module_name(plugin)[:-1])
    return getattr(module, "__file__", None) or ""


def _hooks(config: pytest.Config) -> Iterator[dict[str, Any]]:
    for hook in _HOOKS:
        caller = getattr(config.pluginmanager.hook, hook, None)
        if caller is None:
            continue
        # They are kept in the reverse of the order of calls.
        for implementation in reversed(caller.get_hookimpls()):
            if _is_ours(implementation.plugin):
                continue
            file, line = _place(implementation.function)
            yield {
                "hook": hook,
                "plugin": _plugin_name(implementation.plugin_name, implementation.plugin),
                "file": file,
                "line": line,
                "tryfirst": bool(implementation.tryfirst),
                "trylast": bool(implementation.trylast),
                "wrapper": bool(implementation.wrapper or implementation.hookwrapper),
            }


def _place(function: Any) -> tuple[str, int]:
    try:
        code = inspect.unwrap(function).__code__
    except (AttributeError, ValueError):
        return "", 0
    return code.co_filename, code.co_firstlineno


def _fixtures(session: pytest.Session) -> Iterator[dict[str, Any]]:
    for definition, autouse in private.plugin_fixtures(session):
        fields = {
            "name": definition.argname,
            "scope": definition.scope,
            "arguments": list(definition.argnames),
            "autouse": autouse,
            "file": _place(definition.func)[0],
            "base": definition.baseid or "",
        }
        if definition.params is not None:
            fields["params"] = list(_params(session, definition))
        yield fields


def _params(session: pytest.Session, definition: Any) -> Iterator[dict[str, Any]]:
    ids: list[str | None]
    try:
        ids = private.fixture_param_ids(session, definition)
    except Exception:  # noqa: BLE001 - an `ids` function of the plugin's own
        ids = [None] * len(definition.params)
    for value, id in zip(definition.params, ids, strict=True):
        marks = getattr(value, "marks", ())
        plain = value.values[0] if hasattr(value, "marks") else value
        text = repr(plain) if type(plain) in _PLAIN else None
        fields: dict[str, Any] = {"id": id, "value": text}
        if marks:
            as_marks = [getattr(mark, "mark", mark) for mark in marks]
            fields["marks"] = [_reports.marker(mark) for mark in as_marks]
        yield fields


def _ini(parser: pytest.Parser) -> Iterator[dict[str, Any]]:
    for name, aliases, kind, default in private.ini_options(parser):
        yield {"name": name, "aliases": aliases, "kind": kind, "default": _ini_text(default)}


def _ini_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "\n".join(map(str, value))
    return str(value)


def _options(parser: pytest.Parser) -> Iterator[dict[str, Any]]:
    for option in private.options(parser):
        yield {
            "names": list(option.names()),
            "dest": option.dest,
            "takes": _takes(private.option_nargs(option)),
        }


def _takes(nargs: object) -> str:
    if nargs is None or nargs == 1:
        return "one"
    if nargs == 0:
        return "nothing"
    return "optional" if nargs == "?" else "many"
