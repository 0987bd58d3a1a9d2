"""pytest's objects put into the words of the wire (``dyno-model`` describes them)."""

from __future__ import annotations

import builtins
import reprlib
import sysconfig
import uuid

# Held, not looked up: a report is packed while its test's patches are in force.
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from pickle import dumps, loads
from typing import Any

import pytest

from dyno import _known_plugins as known
from dyno import _models
from dyno import _pytest_private as private
from dyno._pytest_items import fixture_definitions
from dyno._pytest_streams import live_log
from dyno._whole import shorten, shortened

__all__ = [
    "ParamKeys",
    "collect_failure",
    "collect_skip",
    "collected",
    "item",
    "marker",
    "pack",
    "phase_report",
    "plain",
    "session_options",
    "test",
    "told_again",
    "unpack",
    "warning",
]

# As in `_wire`: a fixture may have patched `builtins`.
globals()["__builtins__"] = {**vars(builtins)}

_FOREIGN_FOLDERS = tuple(
    {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib")}
)
_SHARED_SCOPES: dict[str, type[pytest.Collector]] = {
    "class": pytest.Class,
    "module": pytest.Module,
    "package": pytest.Package,
}


# A marker's arguments are for people and rules to read. A table of data as an argument
# would otherwise travel once for every test that it is an argument of; `parametrize`,
# whose arguments are such tables, is left out, as the node id tells its part of them.
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 300
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = _REPR.maxset = 50


def _short(value: object) -> str:
    return _REPR.repr(value)


def item(item: pytest.Item) -> dict[str, Any]:
    """An item as `dyno_model::Item`."""
    file, line, domain = item.location
    # `getfslineno` says -1 of what has no source, such as a test made by C code.
    known = line is not None and line >= 0
    return {
        "id": item.nodeid,
        "location": {"file": file, "line": line if known else None, "domain": domain},
        "markers": [marker(mark) for mark in item.iter_markers() if mark.name != "parametrize"],
        "shares": sorted(set(_shared_fixtures(item))),
    }


def collected(session: pytest.Session, deselected: int) -> dict[str, Any]:
    """The tests of a session."""
    return {
        "items": [{**item(one), **_models.of_test(one)} for one in session.items],
        "deselected": deselected,
    }


def marker(mark: pytest.Mark) -> dict[str, Any]:
    """A mark as `dyno_model::Marker`."""
    return {
        "name": mark.name,
        "args": [_short(arg) for arg in mark.args],
        "kwargs": [(key, _short(value)) for key, value in mark.kwargs.items()],
    }


class ParamKeys:
    """Texts for parameters of a higher scope, equal where pytest takes the values for equal.

    The text of a plain value is the same in every process. That of any other object is of
    use within one collection: it bears the name of this one.
    """

    def __init__(self) -> None:
        self._texts: dict[object, str] = {}
        self._collection = uuid.uuid4().hex[:12]

    def text(self, value: object, index: int) -> str:
        key = private.param_key(value, index)
        if key == index:
            return f"index:{index}"
        known = self._texts.get(key)
        if known is None:
            known = self._new_text(value, index, key)
            self._texts[key] = known
        return known

    def _new_text(self, value: object, index: int, key: object) -> str:
        try:
            hash(value)
        except TypeError:
            return f"index:{index}"
        if _is_plain(value):
            # Both zeros are one key.
            return f"{type(value).__name__}:{value + 0.0 if type(value) is float else value!r}"
        return f"object:{self._collection}:{len(self._texts)}"


_PLAIN = (type(None), bool, int, float, str, bytes)


def _is_plain(value: object) -> bool:
    if type(value) is tuple:
        return all(type(part) in _PLAIN for part in value)
    return type(value) in _PLAIN


_as_item = item  # `item` is also what each function here is given.


def test(item: pytest.Item, keys: ParamKeys) -> dict[str, Any]:
    """An item as `dyno_model::Test`."""
    return {
        **_as_item(item),
        "keywords": _keywords(item),
        "fixtures": list(_fixtures(item)),
        "params": list(_params(item, keys)),
    }


def _keywords(item: pytest.Item) -> list[str]:
    """Names that ``-k`` sees beside those of the id and of the markers."""
    names = private.keyword_names(item)
    names.difference_update(mark.name for mark in item.iter_markers())
    names.difference_update(item.nodeid.partition("::")[0].split("/"))
    below: Any = item
    while below is not None and not isinstance(below, pytest.File):
        names.discard(below.name)
        below = below.parent
    return sorted(names)


def _fixtures(item: pytest.Item) -> Iterator[dict[str, Any]]:
    scopes = {name: definition.scope for name, definition in fixture_definitions(item)}
    known = {"scope": scopes, "models": _models.of_fixtures(item)}
    for name in getattr(item, "fixturenames", ()):
        yield {"name": name, **{key: by[name] for key, by in known.items() if name in by}}


def _params(item: pytest.Item, keys: ParamKeys) -> Iterator[dict[str, Any]]:
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return
    scopes = private.param_scopes(callspec)
    for name, value in callspec.params.items():
        index = callspec.indices[name]
        fields = {"name": name, "scope": scopes[name], "index": index}
        if scopes[name] != "function":
            fields["key"] = keys.text(value, index)
        yield fields


def _shared_fixtures(item: pytest.Item) -> Iterator[str]:
    """Keys of the class-, module- and package-scoped fixtures of the project's own."""
    indices: dict[str, int] = getattr(getattr(item, "callspec", None), "indices", {})
    loop = known.loop_scope(item)
    if loop in _SHARED_SCOPES:
        yield f"{loop}:{_node_id(item, loop)}::event loop:"
    for name, definition in fixture_definitions(item):
        if definition.scope not in _SHARED_SCOPES or not _is_own(definition):
            continue
        place = _node_id(item, definition.scope)
        yield f"{definition.scope}:{place}:{definition.baseid}:{name}:{indices.get(name, '')}"


def _node_id(item: pytest.Item, scope: str) -> str:
    node = item.getparent(_SHARED_SCOPES[scope])
    return node.nodeid if node is not None else ""


def _is_own(definition: Any) -> bool:
    """Whether the project wrote it. A plugin's fixture belongs to no folder or class."""
    if definition.baseid:
        return True
    code = getattr(definition.func, "__code__", None)
    return code is not None and not code.co_filename.startswith(_FOREIGN_FOLDERS)


def phase_report(config: pytest.Config, report: Any, keep: Callable[[str], str]) -> dict[str, Any]:
    """A test report as `dyno_model::PhaseReport`; ``keep`` shortens a failure's text."""
    category, letter, word = config.hook.pytest_report_teststatus(report=report, config=config)
    if isinstance(word, tuple):
        word = word[0]
    fields: dict[str, Any] = {
        "test": report.nodeid,
        "phase": report.when,
        "status": {"category": category or None, "letter": letter, "word": word},
        "duration_us": max(0, round(report.duration * 1e6)),
        "counts": bool(getattr(report, "count_towards_summary", True)),
    }
    if report.sections:
        fields["sections"] = [{"title": title, "text": text} for title, text in report.sections]
    if hasattr(report, "wasxfail"):
        fields["xfail"] = str(report.wasxfail)
    if isinstance(report.longrepr, tuple):
        fields["skip"] = _skip(config, report)
    elif report.longrepr is not None:
        fields["longrepr"] = keep(_failure_text(config, report))
        fields["headline"] = report.head_line
        fields["crash"] = _crash_message(report)
    return fields


def plain(report: pytest.TestReport) -> dict[str, Any]:
    """A phase that went well and of which there is no more to say, as `phase_report` has it."""
    category, letter, word = ("passed", ".", "PASSED") if report.when == "call" else (None, "", "")
    return {
        "test": report.nodeid,
        "phase": report.when,
        "status": {"category": category, "letter": letter, "word": word},
        "duration_us": max(0, round(report.duration * 1e6)),
    }


def pack(config: pytest.Config, report: Any) -> str:
    """A report as text that `unpack` turns into the same report in the template.

    pytest gives a report as data of plain types, tuples among them, which JSON would turn
    into lists. What a plugin or a test put beside them (``user_properties``) may be anything.
    """
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    data["longrepr"] = shortened(data["longrepr"])
    try:
        packed = dumps(data)
    except Exception:  # noqa: BLE001 - whatever an object's own reduction raises
        data["user_properties"] = [(name, repr(value)) for name, value in report.user_properties]
        packed = dumps(data)
    return b64encode(packed).decode()


def unpack(config: pytest.Config, packed: str) -> Any:
    """The report that `pack` packed."""
    data = loads(b64decode(packed))
    return config.hook.pytest_report_from_serializable(config=config, data=data)


_OUTCOMES: dict[str | None, Any] = {
    None: "passed",
    "passed": "passed",
    "flaky": "passed",
    "xpassed": "passed",
    "skipped": "skipped",
    "xfailed": "skipped",
    "failed": "failed",
    "error": "failed",
}


def told_again(
    told: dict[str, Any], node: str, location: tuple[str, int | None, str]
) -> pytest.TestReport | None:
    """A report made from a `dyno_model::PhaseReport`; ``None`` for a plugin's own kind."""
    outcome = _OUTCOMES.get(told["status"]["category"])
    if outcome is None:
        return None
    longrepr: Any = told.get("longrepr")
    if skip := told.get("skip"):
        longrepr = (skip["file"], skip["line"] or 0, f"Skipped: {skip['reason']}")
    report = pytest.TestReport(
        node,
        location,
        {},
        outcome,
        longrepr,
        told["phase"],
        [(section["title"], section["text"]) for section in told.get("sections", ())],
        told["duration_us"] / 1e6,
    )
    if "xfail" in told:
        report.wasxfail = told["xfail"]
    return report


def _failure_text(config: pytest.Config, report: Any) -> str:
    if config.option.tbstyle == "line":
        crash = getattr(report.longrepr, "reprcrash", None)
        return str(crash) if crash is not None else str(report.longrepr)[:50]
    return private.render(config, report)


def _crash_message(report: Any) -> str | None:
    """The line of the short summary: the exception's own, or the whole of a plain text."""
    if isinstance(report.longrepr, str):
        return shorten(report.longrepr)
    crash = getattr(report.longrepr, "reprcrash", None)
    message = getattr(crash, "message", None)
    return None if message is None else shorten(str(message))


def _skip(config: pytest.Config, report: Any) -> dict[str, Any]:
    # pytest folds tests that a marker on the function skips into one line, whatever
    # their line, but not those that a module's pytestmark skips.
    folded = (
        report.when == "setup" and "skip" in report.keywords and "pytestmark" not in report.keywords
    )
    return _skip_reason(config, report.longrepr) | ({"line": None} if folded else {})


def _skip_reason(config: pytest.Config, longrepr: tuple[object, object, object]) -> dict[str, Any]:
    file, line, reason = longrepr
    text = str(reason)
    return {
        "file": private.relative_path(config.invocation_params.dir, str(file)),
        "line": line,
        "reason": "" if text == "Skipped" else text.removeprefix("Skipped: "),
    }


def collect_failure(
    config: pytest.Config, report: pytest.CollectReport, keep: Callable[[str], str] = shorten
) -> dict[str, Any]:
    """A failed collection as `dyno_model::CollectFailure`."""
    return {
        "node": report.nodeid,
        "longrepr": keep(private.render(config, report)),
        "crash": _crash_message(report),
    }


def collect_skip(config: pytest.Config, report: Any) -> dict[str, Any]:
    """The reason of a module that skipped itself, as `dyno_model::Skip`."""
    return _skip_reason(config, report.longrepr)


def warning(start: Path, warning_message: Any, nodeid: str) -> dict[str, Any]:
    """A recorded warning as `dyno_model::Warning`; ``start`` is where pytest was started.

    A warning may come before there is a configuration to ask.
    """
    place = private.relative_path(start, warning_message.filename)
    return {
        "message": shorten(private.warning_text(warning_message)),
        "test": nodeid or None,
        "place": f"{place}:{warning_message.lineno}",
    }


def session_options(
    config: pytest.Config, xdist_workers: object, *, ordered: bool, listens: bool
) -> dict[str, Any]:
    """What the runner and the report need to know, as `dyno_wire::template::SessionOptions`."""
    option: Any = config.option
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    return {
        "verbosity": getattr(option, "verbose", 0),
        "report_chars": "" if reporter is None else str(reporter.reportchars),
        "summary": not option.no_summary,
        "header": not option.no_header,
        "traceback": option.tbstyle,
        "show_capture": option.showcapture,
        "rootdir": str(config.rootpath),
        "progress": private.progress_style(config),
        "maxfail": option.maxfail or 0,
        "debugger": bool(option.usepdb or option.trace),
        "xdist_workers": None if xdist_workers is None else str(xdist_workers),
        "timeout_plugin": config.pluginmanager.has_plugin("timeout"),
        "ordered": ordered,
        "listens": listens,
        "hub": _models.place(),
        "captures": getattr(option, "capture", None) == "fd" and live_log(config) is None,
    }
