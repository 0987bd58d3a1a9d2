"""The template: pytest, loaded and collected once, that forks workers when asked.

Started by ``dyno test``, never by hand. It runs pytest's own ``main`` with one more
plugin, which parks inside ``pytest_runtestloop``. A worker is a fork that leaves that
hook with its own share of the work, so everything before the hook (options, plugins,
conftests, imports, collection) and after it (session teardown) is pytest's.

While it is parked the template is what the controller is under pytest-xdist: it is
fed every report, so that plugins which look at the whole run see it. Its terminal
reporter is silent meanwhile, because ``dyno`` prints.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from dyno import _known_plugins as known
from dyno import _models, _reports, worker
from dyno import _pytest_private as private
from dyno._children import Children, Gate, NotStarted, let_go
from dyno._debugger import Debugger
from dyno._feed import Feed
from dyno._forking import start_worker
from dyno._inherited import Inheritance
from dyno._listeners import Listeners
from dyno._main import greet, keep_xdist_out, leave, run_pytest, stop_session
from dyno._nodes import Nodes
from dyno._ordering import Ordering
from dyno._output import Output
from dyno._pruning import Pruning
from dyno._pytest_streams import restart_capture
from dyno._remains import leave_word
from dyno._sharing import Claims, Sharing, can_share, import_modules, tell_of_others
from dyno._siblings import Siblings
from dyno._terminal import Terminal, Voice
from dyno._visible import needed
from dyno._whole import Wholes
from dyno._wire import Connection, Disconnected
from dyno.fresh import Start

if TYPE_CHECKING:
    from dyno._recorder import Recorder

__all__ = ["main"]


def main(descriptor: int, args: list[str]) -> NoReturn:
    """Run pytest as the template. ``descriptor`` is the runner's socket."""
    start = Start()
    runner = greet(descriptor)
    template = Template(runner, start)
    try:
        plugins = [template, *template.how_to_collect(runner.receive())]
        code = run_pytest(args, plugins)
    finally:
        template.stop_recording()
    if code == pytest.ExitCode.USAGE_ERROR:
        # Needed by a run that comes to nothing, and by no other.
        from dyno import _hints

        for hint in _hints.nearest_options(args, template.option_names()):
            runner.send("output", text=hint)
    if template.is_worker:
        template.leave_worker()
    elif template.is_sibling:
        # It came to no collection, as its elder will.
        template.end_sibling(code)
    else:
        sys.stdout.flush()
        runner.send("done", code=code & 0xFF)
        runner.close()
    leave(code)


class Template:
    """The pytest plugin that parks, forks and is fed."""

    def __init__(self, runner: Connection, start: Start) -> None:
        self._runner = runner
        self._how_it_began = start
        self._terminal = Terminal(runner)
        self._deselected = 0
        self._ordering = Ordering()
        self._wholes = Wholes("collection")
        self._pruned: dict[str, int] = {}
        self._pruning: Pruning | None = None
        self._share: dict[str, Any] | None = None
        self._siblings = Siblings()
        self._recorder: Recorder | None = None
        self._sharing: Sharing | None = None
        self._others: dict[str, Any] | None = None
        self._hears_of_others = False
        self.is_sibling = False
        self._children = Children()
        self._worker: worker.Worker | None = None
        self._inheritance = Inheritance()
        self._missing = _models.Missing()
        self._nodes: Nodes
        self._xdist_workers: object = None
        self._start = Path.cwd()
        self._parser: pytest.Parser | None = None
        self._debugger = Debugger()
        self._config: pytest.Config
        self._listeners: Listeners

    @property
    def is_worker(self) -> bool:
        """True in a forked child, for good."""
        return self._worker is not None

    def leave_worker(self) -> None:
        """Tell the runner, by closing the socket, that this worker has nothing more to say."""
        assert self._worker is not None
        self._worker.close()

    def option_names(self) -> list[str]:
        """Options that pytest and its plugins know."""
        return private.option_names(self._parser) if self._parser else []

    # What pytest does before it parks.

    def how_to_collect(self, message: dict[str, Any]) -> Iterator[object]:
        """Plugins for what the runner says of the collection (`ToTemplate::Collect`)."""
        yield from (self._ordering, self._inheritance, self._missing)
        self._pruned = {file["path"]: file["deselected"] for file in message.get("prune", ())}
        if self._pruned:
            self._pruning = Pruning(self._pruned.__contains__, self._pruned.__getitem__)
            yield self._pruning
        self._share = message.get("share")
        self._debugger.serve(
            message["input"], self._borrow_terminal, lambda: self._say("terminal_returned")
        )
        yield self._debugger
        if self._share:
            self._siblings.offer(self._runner, self._share["siblings"])
        if message.get("record"):
            # Most runs have nothing to record, and need not wait for these.
            from dyno._collection import Collection
            from dyno._recorder import Recorder

            self._recorder = Recorder()
            yield Collection(self._recorder, lambda found: self._say("recorded", collection=found))
            self._recorder.start()

    def stop_recording(self) -> None:
        """Put back what the recorder of the collection wrapped, if there is one."""
        if self._recorder is not None:
            self._recorder.stop()

    @pytest.hookimpl(trylast=True)
    def pytest_addoption(self, parser: pytest.Parser) -> None:
        self._parser = parser

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> None:
        self._xdist_workers = keep_xdist_out(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        # A progress indicator in the terminal's frame would never be taken back.
        plugins = session.config.pluginmanager
        if plugins.has_plugin("terminalprogress-plugin"):
            plugins.unregister(name="terminalprogress-plugin")
        private.redirect_terminal(session.config, self._terminal)
        self._wholes.bound_capture(session.config)
        self._debugger.begin(session.config)
        self._say("session_started")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        if self._share is None:
            return
        share, self._share = self._share, None
        if not can_share(session.config, self._xdist_workers):
            self._say("alone")
            self._siblings.decline()
            return
        private.claim_numbered_folder(session.config)
        claims = Claims(share["files"])
        self._terminal.flush()
        end = self._siblings.fork()
        if end is not None:
            self._become_sibling(session.config, end)
        self._sharing = Sharing(
            session.config, claims, share["everywhere"], sibling=self.is_sibling
        )
        session.config.pluginmanager.register(self._sharing, "dyno-sharing")

    def _become_sibling(self, config: pytest.Config, end: socket.socket) -> None:
        self.is_sibling = True
        self._runner.close()
        self._runner = self._terminal.runner = Connection(end)
        self._terminal.turn(Voice.SILENT)
        restart_capture(config)

    def end_sibling(self, code: int) -> NoReturn:
        """End this process without the end of pytest's session, which is the first's."""
        known.end_sibling(self._config)
        with contextlib.suppress(Disconnected):
            self._runner.send("done", code=code & 0xFF)
        leave(0)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self._sharing is None:
            return
        if self.is_sibling:
            # Not yet: what pytest was about to raise goes first.
            return
        self._say("part", modules=self._sharing.modules())
        others = self._runner.receive()
        import_modules(session.config, others["modules"])
        self._hears_of_others = True
        tell_of_others(session, others)
        self._hears_of_others = False
        self._others = others

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._deselected += len(items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if self._hears_of_others:
            return
        if report.failed:
            failure = _reports.collect_failure(self._config, report, self._wholes.shorten)
            self._say("collect_failed", failure=failure)
        elif report.skipped:
            skip = _reports.collect_skip(self._config, report)
            self._say("collect_skipped", node=report.nodeid, skip=skip)

    def pytest_warning_recorded(self, warning_message: Any, nodeid: str) -> None:
        if self._worker is None:
            self._say("warned", warning=_reports.warning(self._start, warning_message, nodeid))

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        self._config = config

    def _borrow_terminal(self) -> None:
        self._say("terminal_wanted")
        self._runner.receive()

    def _say(self, kind: str, **fields: Any) -> None:
        self._runner.send(kind, **fields)

    # Parked.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        # Before the runner hears of it: from then on a run is stopped by the runner.
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            if not self._tell(session):
                return None  # pytest's own loop knows what to do, and its reporter what to print.
            child = self._park(session)
        except Disconnected:
            os._exit(int(pytest.ExitCode.INTERNAL_ERROR))
        finally:
            signal.signal(signal.SIGINT, interrupt)
        if child is not None:
            return child.run(session)
        if self.is_sibling:
            self.end_sibling(0)
        return True

    def _tell(self, session: pytest.Session) -> bool:
        """Tell what was collected, if it is to be run."""
        if self.is_sibling:
            assert self._sharing is not None
            self._listeners = Listeners(session.config)
            items = _reports.collected(session, self._deselected)
            self._say("part", **items, **self._sharing.part())
        else:
            option = session.config.option
            elsewhere = len(self._others["tests"]) if self._others else 0
            failed = session.testsfailed and not option.continue_on_collection_errors
            if failed or option.collectonly or not (session.items or elsewhere):
                return False
            session.testscollected += elsewhere
            private.claim_numbered_folder(session.config)
            self._terminal.turn(Voice.SILENT)
            self._listeners = Listeners(session.config)
            self._say("collected", **self._collected(session))
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self) -> None:
        # pytest's reporter is about to print it, and must be heard. A worker tells its own.
        if self._worker is None:
            self._terminal.turn(Voice.OUTPUT)

    def _collected(self, session: pytest.Session) -> dict[str, Any]:
        options = _reports.session_options(
            session.config,
            self._xdist_workers,
            ordered=self._ordering.is_own,
            listens=self._listeners.all,
        )
        deselected = self._deselected + (self._pruning.count if self._pruning else 0)
        visible = needed(session.config, self._how_it_began.time)
        return {**_reports.collected(session, deselected), "options": options, "visible": visible}

    def _park(self, session: pytest.Session) -> worker.Worker | None:
        """Serve the runner until the run is over. Returns a worker in a forked child."""
        known.prepare_template(session.config)
        # Not `gc.freeze` too: it hides objects from those who look (docs/design/run.md).
        gc.collect()
        self._nodes = Nodes(session.config)
        feed = Feed(session, self._others["tests"] if self._others else (), self._nodes)
        with selectors.DefaultSelector() as selector:
            selector.register(self._runner, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is not self._runner:
                        selector.unregister(key.fileobj)
                        self._say("worker_exited", **self._children.reap(key.fd))
                while (message := self._runner.poll()) is not None:
                    match message["type"]:
                        case "others":
                            import_modules(session.config, message["modules"])
                        case "fork":
                            child = self._fork(session, message, selector)
                            if child is not None:
                                return child
                        case "feed":
                            for report in message["reports"]:
                                feed.take(report)
                        case "finish":
                            self._siblings.wait()
                            stop_session(session, message["stop"])
                            return None

    def _fork(
        self, session: pytest.Session, message: dict[str, Any], selector: selectors.BaseSelector
    ) -> worker.Worker | None:
        end = self._runner.take_descriptor()
        pipes = [self._runner.take_descriptor() for _ in range(message["output"]["pipes"])]
        number: int = message["worker"]
        node = self._nodes.configure(number, message["workers"], message["run"])
        order = message, self._runner, end, pipes, node.workerinput, self._pruned
        gate = Gate()
        try:
            pid, unsafe = start_worker(self._how_it_began, session.config, *order)
        except NotStarted as error:
            gate.shut()
            let_go(end, *pipes)
            leave_word(node.workerinput["workerid"], str(error))
            self._say("worker_exited", worker=number, status=error.status, peak_kib=0)
            return None
        if pid == 0:
            selector.close()
            self._runner.close()
            self._children.forget()
            gate.wait()
            self._worker = worker.Worker(
                Connection(socket.socket(fileno=end)),
                node.workerinput,
                self._inheritance.start_over,
                self._listeners,
                Output(pipes, message["output"]),
                self._debugger,
                self._missing,
            )
            return self._worker
        let_go(end, *pipes)
        selector.register(self._children.add(number, pid), selectors.EVENT_READ)
        self._say("forked", worker=number, pid=pid, unsafe=unsafe)
        gate.open()
        self._nodes.ready(node)
        return None

    # The end of the session.

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_terminal_summary(self) -> Generator[None, object, object]:
        # Innermost, so that the reporter's own sections, which dyno prints, stay
        # silent and those of plugins are heard.
        silent = self._terminal.voice is Voice.SILENT
        if silent and self._worker is None:
            self._terminal.turn(Voice.SUMMARY)
        try:
            return (yield)
        finally:
            if silent:
                self._terminal.turn(Voice.SILENT)

    def pytest_unconfigure(self) -> None:
        self._terminal.flush()
