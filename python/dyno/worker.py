"""A worker: a fork of the template, or its like, that runs the units it is given.

It pulls. When it is about to tear down the last test that it knows of, it asks
for more, and the answer is the ``nextitem`` by which pytest decides what to tear
down. So fixtures live exactly as long as they would in a serial run of the same
tests, and no unit waits in a worker's queue while another worker is idle.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dyno import _known_plugins as known
from dyno import _pytest_private as private
from dyno import _pytest_session, _reports
from dyno._debugger import Debugger
from dyno._garbage import KeptGarbage
from dyno._listeners import Listeners
from dyno._memory import memory
from dyno._models import Missing
from dyno._nodes import pack
from dyno._output import Output
from dyno._outside import Outside
from dyno._pytest_streams import captured, restart_capture, silence_reporter
from dyno._remains import Remains
from dyno._stand_ins import LastItem, MissingItem
from dyno._terminal import LastWords
from dyno._timeouts import Timeouts
from dyno._unreported import told_shortly
from dyno._variables import restore_variables, set_variables
from dyno._whole import Wholes
from dyno._wire import Connection, Disconnected, as_sent

__all__ = ["Worker", "announce"]

# Held, for a test may patch it, and by it a worker is told from what a test forks.
_process = os.getpid

#: Seconds. A test that is shorter is taken for one that uses a processor all the while: to ask
#: costs more than it. Other processes that it waited for count in clock ticks.
_TELLING = 0.05
#: Seconds. After a call that was shorter the next test is asked for before the teardown.
_QUICK = 0.005
#: Seconds. So often at most is looked whether the runner says something unasked.
_LOOK = 0.002


class Ordered(NamedTuple):
    """A test that is to be run, and on what terms (`dyno_wire::worker::ToRun`)."""

    item: pytest.Item
    limits: dict[str, int | None] | None
    env: dict[str, str]
    may_be_retried: bool
    #: Why it cannot be run.
    unavailable: str | None


class Worker:
    """The pytest plugin and the loop of one worker."""

    def __init__(
        self,
        runner: Connection,
        workerinput: dict[str, Any],
        start_over: Callable[[pytest.Session], Iterator[str]],
        listeners: Listeners,
        output: Output,
        debugger: Debugger,
        missing: Missing,
    ) -> None:
        self._runner = runner
        self._workerinput = workerinput
        self._start_over = start_over
        self._listeners = listeners
        self._output = output
        self._debugger = debugger
        self._unavailable = missing
        debugger.serve(
            output.input,
            self._borrow_terminal,
            lambda: self._runner.send("terminal_returned"),
            lambda: output.shows_reporter(self._config),
            lambda report: self._runner.send("debugged", test=report.nodeid, phase=report.when),
        )
        self._terminal_lent = False
        self._name: str = workerinput["workerid"]
        self._wholes = Wholes(self._name)
        self._config: pytest.Config
        self._session: pytest.Session
        self._items: dict[str, deque[pytest.Item]] = {}
        self._queue: deque[Ordered] = deque()
        self._finishing = False
        self._waiting = False
        self._asked = False
        self._looked = 0.0
        # Of the test that runs, and of all before it since the processor was last asked.
        self._began = 0.0
        self._used = 0.0
        self._uncounted = 0.0
        self._timeouts: Timeouts | None = None
        self._last: pytest.Item | None = None
        self._remains = Remains(self._name)
        self._process = _process()

    def close(self) -> None:
        self._runner.close()

    def run(self, session: pytest.Session) -> bool:
        """Run units until there are no more. The body of ``pytest_runtestloop``."""
        self._become_worker(session)
        for item in session.items:
            self._items.setdefault(as_sent(item.nodeid), deque()).append(item)
        self._runner.send("ready")
        last = LastItem.from_parent(session, name="dyno-next", ask=self._ancestors_of_next)
        try:
            while (ordered := self._next(patient=True)) is not None:
                self._queue.popleft()
                self._run_one(ordered, self._queue[0].item if self._queue else last)
                if session.shouldfail or session.shouldstop:
                    self._ask_to_stop(str(session.shouldfail or session.shouldstop))
                    break
                self._obey()
            self._tear_session_down(session)
            self._runner.flush()
        except Disconnected as error:
            self._remains.give_up(self._runner, error)
        except OSError as error:
            # pytest's capture may meet closed descriptors before a message of this worker's.
            if not self._runner.is_intact():
                self._remains.give_up(self._runner, error)
            raise
        return True

    def _become_worker(self, session: pytest.Session) -> None:
        self._session, self._config = session, session.config
        config: Any = session.config
        announce(self._workerinput)
        config.workerinput = self._workerinput
        if not hasattr(config, "workeroutput"):
            config.workeroutput = {}
        _pytest_session.forget_failures(session)
        restart_capture(config, self._output.begin)
        self._output.take_live_log(config)
        self._wholes.bound_capture(config)
        private.use_own_basetemp(config, self._name)
        random.seed()
        if self._remains.stacks is not None:
            private.redirect_terminal(config, LastWords(self._remains.stacks))
        silence_reporter(config)
        if not (config.option.usepdb or config.option.trace):
            # A test that kills its process group means what it has started itself.
            os.setpgid(0, 0)
        os.register_at_fork(after_in_child=self._runner.forget)
        config.pluginmanager.register(self, "dyno-worker")
        config.pluginmanager.register(KeptGarbage(), "dyno-garbage")
        known.seal(self._workerinput)
        if self._workerinput.get("sealed"):
            config.pluginmanager.register(Outside(), "dyno-outside")
        known.prepare_worker(config)
        with captured(config):
            for problem in self._start_over(session):
                warning = {"message": problem, "test": None, "place": self._name}
                self._runner.send("warned", warning=warning)

    def _is_heard(self) -> bool:
        """False in a process that a test forked and that came back into pytest."""
        return _process() == self._process

    def _run_one(
        self,
        ordered: Ordered,
        next_item: pytest.Item,
        clock: Callable[[], float] = time.perf_counter,  # Held: tests replace the clock.
    ) -> None:
        item = self._last = ordered.item
        self._limit(ordered.limits)
        self._unavailable.text = ordered.unavailable
        before = set_variables(ordered.env)
        self._remains.note_start()
        self._output.mark()
        self._runner.send("started", test=item.nodeid)
        failed_before = item.session.testsfailed
        self._began = clock()
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
        except pytest.exit.Exception as exit:
            # In the words of pytest's own last line.
            self._ask_to_stop(f"{_qualified_name(type(exit))}: {exit.msg}", exit.returncode)
            raise
        except KeyboardInterrupt:
            self._ask_to_stop("KeyboardInterrupt")
            raise
        finally:
            restore_variables(before)
        if ordered.may_be_retried:
            # Whether it has failed, and `-x` holds, the runner says.
            _pytest_session.forget_failures(item.session, failed_before)
        self._debugger.leave()
        self._output.flush()
        elapsed = clock() - self._began
        self._runner.hold(
            "finished",
            test=item.nodeid,
            elapsed_us=max(0, round(elapsed * 1e6)),
            cpu_us=max(0, round(self._cpu(elapsed) * 1e6)),
        )

    def _cpu(self, elapsed: float, used: Callable[[], os.times_result] = os.times) -> float:
        """Seconds of processors that a test of this length used, with its children."""
        self._uncounted += elapsed
        if elapsed < _TELLING:
            return elapsed
        now = sum(used()[:4])
        others, self._uncounted = self._uncounted - elapsed, 0.0
        since, self._used = now - self._used, now
        return max(0.0, since - others)

    def _limit(self, limits: dict[str, int | None] | None) -> None:
        if self._timeouts is None and limits is not None:
            self._timeouts = Timeouts(self._runner, self._remains.beside("stacks"))
            self._config.pluginmanager.register(self._timeouts, "dyno-timeouts")
        if self._timeouts is not None:
            self._timeouts.limits = limits or {}

    def _tear_session_down(self, session: pytest.Session) -> None:
        """Tear down what was kept while this worker waited for a test that did not come, as a
        part of the last test, which is where pytest has it."""
        if self._last is None or not _pytest_session.is_anything_set_up(session):
            return
        call = pytest.CallInfo.from_call(
            lambda: _pytest_session.tear_everything_down(session), when="teardown"
        )
        if call.excinfo is not None:
            report = pytest.TestReport.from_item_and_call(self._last, call)
            self._config.hook.pytest_runtest_logreport(report=report)

    def _ask_to_stop(self, reason: str, code: int | None = None) -> None:
        if not self._is_heard():
            os._exit(1)
        self._runner.send("stop_asked", reason=reason, code=code)

    def _next(self, *, patient: bool) -> Ordered | None:
        """The next test, asked for if need be; ``None`` where nothing is left, or, unless
        ``patient``, where there is none as long as this worker is told to wait."""
        if not self._queue and not self._finishing:
            if not self._waiting and not self._asked:
                self._asked = True
                self._runner.hold("next")
            while self._asked or (patient and self._waiting):
                self._take(self._runner.receive())
        return self._queue[0] if self._queue else None

    def _ancestors_of_next(self, session: pytest.Session) -> list[Any]:
        """What pytest is to leave set up when it tears a last test down."""
        ordered = self._next(patient=False)
        if ordered is not None:
            return ordered.item.listchain()
        return [session] if self._waiting else []

    def _obey(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Look for an order to stop, without waiting for one."""
        now = clock()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        while (message := self._runner.poll()) is not None:
            self._take(message)

    def _borrow_terminal(self) -> None:
        self._runner.send("terminal_wanted")
        self._terminal_lent = False
        while not self._terminal_lent:
            self._take(self._runner.receive())

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "terminal_lent":
                self._terminal_lent = True
            case "run" if self._finishing:
                pass  # The run stopped meanwhile.
            case "run":
                self._asked = self._waiting = False
                for order in message["tests"]:
                    same = self._items.get(order["test"]) or self._missing(order["test"])
                    # pytest may collect one node id twice (--keep-duplicates).
                    same.rotate(-1)
                    terms = order.get("limits"), order.get("env", {})
                    retried = order.get("may_be_retried", False)
                    self._queue.append(Ordered(same[-1], *terms, retried, order.get("unavailable")))
            case "wait":
                self._asked, self._waiting = False, True
            case "finish" | "stop":
                self._asked = self._waiting = False
                self._queue.clear()
                self._finishing = True
            case unknown:
                # Passed over, a test would be lost that the runner takes for run.
                raise ValueError(f"a message that no worker knows: {unknown!r}")

    def _missing(self, test: str) -> deque[pytest.Item]:
        """What stands for a test that was collected by the template, and not here again."""
        item = MissingItem.from_parent(self._session, name=test, nodeid=test)
        return self._items.setdefault(test, deque([item]))

    # What pytest tells.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(
        self, report: Any, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        if not self._is_heard():
            # Under pytest it would run all that is left a second time. Its parent is told
            # what became of the test here.
            os._exit(int(report.failed))
        self._debugger.leave()
        self._wholes.shorten_sections(report)
        is_heard = self._listeners.hear_of(report)
        if is_heard:
            fields = _reports.phase_report(self._config, report, self._wholes.shorten)
        else:
            fields = _reports.plain(report)
        status = fields["status"]
        # Where nothing is shown of it, nothing has to stand before or behind it.
        if self._output.marks_reports and (status["letter"] or status["word"]):
            self._output.mark()
        packed = _reports.pack(self._config, report) if is_heard else ""
        self._runner.hold("report", report=fields, packed=packed)
        if report.when == "call" and not is_heard and clock() - self._began < _QUICK:
            self._ask_early()
        if report.when == "call" or not report.passed:
            # A crash in the teardown leaves what is said of the phases before.
            self._runner.flush()
        is_set_up = report.when == "setup" and report.passed
        self._remains.note_phase("call" if is_set_up else "teardown")

    def _ask_early(self) -> None:
        """Ask for the next test together with what is said of this one. Its teardown can only
        be short, as far as it can be told, so no test is promised long before it can start."""
        if not self._queue and not self._asked and not self._finishing:
            self._asked = True
            self._runner.hold("next")

    def pytest_warning_recorded(self, warning_message: Any, nodeid: str) -> None:
        start = Path(self._config.invocation_params.dir)
        self._runner.send("warned", warning=_reports.warning(start, warning_message, nodeid))

    def pytest_internalerror(self, excrepr: object) -> None:
        try:
            self._runner.send("internal_error", text=str(excrepr))
        except Disconnected as error:
            self._remains.give_up(self._runner, error)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        output: dict[str, Any] = self._config.workeroutput  # type: ignore[attr-defined]
        output["exitstatus"] = int(session.exitstatus)
        output["shouldfail"] = session.shouldfail
        output["shouldstop"] = session.shouldstop
        try:
            # What is printed at the end is the template's to print, once.
            with told_shortly(session), captured(self._config):
                return (yield)
        finally:
            self._hand_over(output)
            self._remains.end()

    def _hand_over(self, output: dict[str, Any]) -> None:
        try:
            packed = pack(output)
        except Exception as error:  # noqa: BLE001 - whatever an object's own reduction raises
            self._runner.send("internal_error", text=f"workeroutput cannot be sent: {error!r}")
            return
        with contextlib.suppress(Disconnected):
            self._runner.send("output", packed=packed, memory=memory())


def announce(workerinput: dict[str, Any]) -> None:
    """Let plugins tell a worker from a controller, as pytest-xdist does."""
    os.environ["PYTEST_XDIST_WORKER"] = workerinput["workerid"]
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(workerinput["workercount"])
    os.environ["PYTEST_XDIST_TESTRUNUID"] = workerinput["testrunuid"]


def _qualified_name(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
