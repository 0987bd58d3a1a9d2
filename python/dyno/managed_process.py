"""The ManagedProcess of Dynamo's own suites, on the bench.

A suite that has ``from tests.utils.managed_process import ManagedProcess`` imports it from here,
and is otherwise as it was. What differs, and why, is in docs/design/agent.md.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import logging
import os
import shutil
import tempfile
import time
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from dyno.compat import session
from dyno.compat.by_name import end_by_name, end_tree, note_process
from dyno.compat.checks import Checks, accepts
from dyno.compat.kin import Kin, find
from dyno.compat.popen import Popen
from dyno.compat.shown import Shown
from dyno.fixtures.bench import Bench
from dyno.fixtures.errors import BenchError, ProcessFailed
from dyno.fixtures.logs import read_log
from dyno.fixtures.order import Order
from dyno.fixtures.process import Process
from dyno.fixtures.scope import Scope
from dyno.fixtures.steps import run

__all__ = ["ManagedProcess", "terminate_process_tree"]

# Seconds from SIGTERM to SIGKILL when one is stopped, and when one is ended by its name: those
# that suites have.
_GRACE = 8.0
_GRACE_BY_NAME = 10.0

# Who writes to which log.
_writers: weakref.WeakValueDictionary[str, ManagedProcess] = weakref.WeakValueDictionary()

Managed = TypeVar("Managed", bound="ManagedProcess")


@dataclass
class ManagedProcess(Checks):
    """A process that is started at the beginning of its ``with`` block, waited for until its
    health checks are met, and ended with all that came from it at the block's end.

    A relative ``log_dir`` is below ``DYN_TEST_OUTPUT_PATH``, by default ``dynamo_tests`` in the
    folder for temporary files.
    """

    #: Program and arguments; no shell.
    command: list[str]
    #: Its whole environment; by default this process's.
    env: dict[str, str] | None = field(default=None, repr=False)  # It may hold secrets.
    #: Ports of this machine that must accept connections.
    health_check_ports: list[int] = field(default_factory=list)
    #: URLs that must answer with 200, or pairs of one and a function that is given the answer and
    #: must return something true. With a third, true element the function judges every status.
    health_check_urls: list[Any] = field(default_factory=list)
    #: Functions that must return something true; each may take the seconds that are left.
    health_check_funcs: list[Any] = field(default_factory=list)
    #: Seconds from its start to its first check.
    delayed_start: float = 0
    #: Seconds for all checks together.
    timeout: float = 300
    working_dir: str | None = None
    #: Show what it writes on the standard output too, with ``[NAME]`` before each line.
    display_output: bool = False
    #: A folder that is removed before its start and after its end.
    data_dir: str | None = None
    #: End what has its name, before its start. Only what this session has started is ended.
    terminate_all_matching_process_names: bool = True
    #: Names of processes that are ended too, before and after.
    stragglers: list[str] = field(default_factory=list)
    #: Texts that are in the commands of such processes.
    straggler_commands: list[str] = field(default_factory=list)
    #: The folder of its log, which is ``NAME.log.txt``.
    log_dir: str = field(default_factory=os.getcwd)
    #: What its log is called; by default the program.
    display_name: str | None = None

    #: The process, once it has been started, until it has been stopped.
    proc: Popen | None = None
    _pgid: int | None = None

    #: The older name of ``terminate_all_matching_process_names``, which goes before it.
    terminate_existing: bool | None = field(default=None, kw_only=True)
    #: Fail the test that runs, at once, when it ends by itself once it is ready.
    guard: bool = field(default=False, kw_only=True)

    # Without annotations, which would make options of them. What suites do not know has a name
    # that their subclasses do not take.
    _logger = logging.getLogger()
    _command_name = None
    _log_path = None
    _tee_proc = None
    _sed_proc = None
    _dyno_opened = None
    _dyno_shown = None
    _dyno_owner = None

    @property
    def log_path(self) -> str | None:
        """The file that has its output; ``None`` before its start."""
        return self._log_path

    def read_logs(self) -> str:
        """Everything that it has written; empty where there is no log yet."""
        try:
            return read_log(Path(self._log_path)) if self._log_path else ""
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._logger.warning("the log %s cannot be read: %s", self._log_path, error)
            return ""

    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.proc is not None and self.proc.poll() is None

    def get_pid(self) -> int | None:
        """Its process id."""
        return self.proc.pid if self.proc else None

    def subprocesses(self) -> list[Any]:
        """All processes that descend from it, as psutil has them; without psutil, with the part of
        that which suites use."""
        pid = self.get_pid() if self.is_running() else None
        own = None if pid is None else find(pid)
        children = own.children(recursive=True) if own else []
        return [one for one in map(_as_psutil, children) if one is not None]

    def __enter__(self: Managed) -> Managed:  # noqa: PYI019 - Self needs Python 3.11
        __tracebackhide__ = True
        try:
            self._dyno_name_log()
            if self.data_dir:
                self._remove_directory(self.data_dir)
            self._terminate_all_matching_process_names()
            self._start_process()
            self._dyno_delay()
            elapsed = self._check_ports(self.timeout)
            elapsed += self._check_urls(self.timeout - elapsed)
            self._check_funcs(self.timeout - elapsed)
            if self.guard and self.proc is not None:
                # What is guarded is so once it is ready, and this says that it is.
                self.proc.process.wait_ready(0)
        except BaseException:
            try:
                self.__exit__(None, None, None)
            except Exception as error:  # noqa: BLE001 - the first error is the one to be told
                self._logger.warning("it could not be ended: %s", error)
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if self._dyno_owner not in (None, os.getpid()):
            return  # A fork of the test has nothing of its own here.
        if exc_type is not None and self._dyno_opened is not None:
            session.keep_sections(self._dyno_opened[1].bench)
        try:
            self._stop_started_processes()
        finally:
            # Also where a timeout has broken that off.
            self._dyno_close_scope()
            if self.data_dir:
                self._remove_directory(self.data_dir)
            self._cleanup_stragglers()

    # What follows suites call and override too.

    def _start_process(self) -> None:
        """Start it, and wait for nothing."""
        __tracebackhide__ = True
        if self._log_path is None:
            self._dyno_name_log()
        log = self._dyno_new_log()
        self._dyno_taken = frozenset(port for port in self.health_check_ports if accepts(port))
        env = None
        if self.env:
            env = {**dict.fromkeys(os.environ), **self.env}
        order = Order.of(
            self.command,
            name=self._dyno_name(),
            env=env,
            cwd=self.working_dir,
            stop_timeout=_GRACE,
            guard=self.guard,
        )
        scope = self._dyno_scope()
        self._dyno_owner = os.getpid()
        self._logger.info("%s: running %s", self._dyno_name(), " ".join(order.command))
        try:
            process = run(scope.launch(order, Process, log))
        except ProcessFailed as error:
            raise _as_popen_says(error, order) from None
        note_process(process)
        self.proc, self._pgid = Popen(process), process.pid
        if self.display_output:
            self._dyno_shown = Shown(log, f"[{str(self._command_name).upper()}] ")

    def _terminate_process_group(self, timeout: float = _GRACE) -> None:
        """Stop it and all that came from it: SIGTERM, and SIGKILL to who is left after ``timeout``
        seconds."""
        process = getattr(self.proc, "process", None)
        if process is not None:
            try:
                process.stop(timeout)
            except BenchError as error:
                self._logger.warning("%s: %s", self._dyno_name(), error)
        self._dyno_show_no_more()

    def _stop_started_processes(self, wait_timeout: float = 10.0) -> None:
        """Stop it; it may be started again."""
        try:
            self._terminate_process_group()
        finally:
            self._dyno_show_no_more()
            self.proc, self._pgid = None, None

    def _terminate_all_matching_process_names(self) -> None:
        wanted = self.terminate_existing
        if self.terminate_all_matching_process_names if wanted is None else wanted:
            names = [str(self._command_name), *self.stragglers]
            end_by_name(names, self.straggler_commands, _GRACE_BY_NAME, self._logger)

    def _terminate_existing(self) -> None:
        self._terminate_all_matching_process_names()

    def _cleanup_stragglers(self) -> None:
        if self.stragglers or self.straggler_commands:
            end_by_name(self.stragglers, self.straggler_commands, 0, self._logger)

    def _remove_directory(self, path: str) -> None:
        shutil.rmtree(path, ignore_errors=True)

    def _dyno_name_log(self) -> None:
        self._logger = logging.getLogger(type(self).__name__)
        self._command_name = self.display_name or self.command[0]
        self.log_dir = _output_path(os.fspath(self.log_dir))
        self._log_path = os.path.join(self.log_dir, f"{self._dyno_name()}.log.txt")

    def _dyno_new_log(self) -> Path:
        """A new, empty file where the log is to be, or beside it where one that runs has that."""
        assert self._log_path is not None
        wanted = path = Path(self._log_path).absolute()
        number = 1
        while (writer := _writers.get(str(path))) is not None and writer.is_running():
            number += 1
            path = wanted.with_name(f"{self._dyno_name()}-{number}.log.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch()
        _writers[str(path)] = self
        self._log_path = str(path)
        return path

    def _dyno_show_no_more(self) -> None:
        if self._dyno_shown is not None:
            self._dyno_shown.finish()
            self._dyno_shown = None

    def _dyno_delay(self) -> None:
        checks = self.health_check_ports or self.health_check_urls or self.health_check_funcs
        deadline = time.monotonic() + self.delayed_start
        while (left := deadline - time.monotonic()) > 0:
            if checks and not self.is_running():
                return  # The first of them says so.
            time.sleep(min(left, 0.1))

    def _dyno_scope(self) -> Scope:
        if self._dyno_opened is None:
            assert self._log_path is not None
            folder = Path(self._log_path).parent
            scope = Scope(session.current_source(), self._dyno_name(), lambda: folder)
            self._dyno_opened = scope, session.open_bench(Bench(scope))
        return self._dyno_opened[0]

    def _dyno_close_scope(self) -> None:
        if self._dyno_opened is not None:
            scope, opened = self._dyno_opened
            self._dyno_opened = None
            session.close(opened)
            try:
                run(scope.close())
            except BenchError as error:
                self._logger.warning("%s: %s", self._dyno_name(), error)


def terminate_process_tree(
    pid: int,
    logger: logging.Logger | None = None,
    immediate_kill: bool = False,
    timeout: float = 10,
) -> None:
    """End a process and all that came from it: SIGTERM, and SIGKILL to who is left after
    ``timeout`` seconds, or at once."""
    logger = logger or logging.getLogger()
    logger.info("ending process %d and what came from it", pid)
    end_tree(pid, 0.0 if immediate_kill else timeout, logger)


def _as_popen_says(error: ProcessFailed, order: Order) -> OSError:
    """The error of a process that cannot be started, as suites know it."""
    text = str(error).partition("\n")[0]
    number = errno.ENOENT
    if "is not executable" in text:
        number = errno.EACCES
    elif "its working directory" not in text and shutil.which(order.command[0]) is not None:
        number = errno.ENOENT if "interpreter" in text else errno.ENOEXEC
    return OSError(number, text, order.command[0])


def _output_path(path: str) -> str:
    if os.path.isabs(path):
        return path
    root = os.environ.get("DYN_TEST_OUTPUT_PATH")
    return os.path.join(root or os.path.join(tempfile.gettempdir(), "dynamo_tests"), path)


def _as_psutil(one: Kin) -> Any:
    try:
        psutil = importlib.import_module("psutil")
    except ImportError:
        return one
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(one.pid)
    return None
