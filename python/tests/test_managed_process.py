"""`dyno.ManagedProcess` against real processes: what suites with one of their own do."""

from __future__ import annotations

import dataclasses
import http.server
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dyno import Bench, ManagedProcess, NotReady, ProcessFailed
from dyno.compat.answer import Answer
from dyno.compat.kin import look
from dyno.managed_process import terminate_process_tree

from families import FAMILY, alive, family_ids, wait_gone

PYTHON = sys.executable

# A server that says what it is asked to: `/health` is 503 for the first seconds that it is given,
# `/early` is 200 from the start but says so, `/moved` leads to `/health`, `/round` nowhere.
SERVER = """
import http.server, json, sys, time
port, warm = int(sys.argv[1]), float(sys.argv[2])
began = time.monotonic()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = time.monotonic() - began >= warm
        status, headers = 200, {"Content-Type": "application/json", "X-Who": "stand-in"}
        if self.path == "/health" and not ready:
            status = 503
        elif self.path == "/moved":
            status, headers["Location"] = 302, "/health"
        elif self.path == "/round":
            status, headers["Location"] = 302, "/round"
        elif self.path == "/hang":
            time.sleep(1000)
        body = json.dumps({"status": "ready" if ready else "starting", "data": [1]}).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
print("serving", flush=True)
server.serve_forever()
"""


@pytest.fixture
def port(bench: Bench) -> int:
    return bench.port()


@pytest.fixture
def logs(tmp_path: Path) -> str:
    return str(tmp_path / "logs")


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A process that no agent has started, under a name that nobody else has."""
    name = f"mp{os.getpid() % 100000}s{time.monotonic_ns() % 100000}"
    program = tmp_path / name
    shutil.copy(shutil.which("sleep") or "", program)
    process = subprocess.Popen([program, "1000"])
    yield process, name
    process.kill()
    process.wait()


def server(port: int, logs: str, warm: float = 0.0, **options: Any) -> ManagedProcess:
    command = [PYTHON, "-c", SERVER, str(port), str(warm)]
    return ManagedProcess(command=command, log_dir=logs, **{"timeout": 60, **options})


def sleeper(logs: str, **options: Any) -> ManagedProcess:
    return ManagedProcess(command=["sleep", "1000"], log_dir=logs, **options)


def is_ready(response: Any) -> bool:
    return bool(response.json()["status"] == "ready")


def test_its_options_are_those_that_suites_give() -> None:
    names = [each.name for each in dataclasses.fields(ManagedProcess)]
    assert names == [
        *("command", "env", "health_check_ports", "health_check_urls", "health_check_funcs"),
        *("delayed_start", "timeout", "working_dir", "display_output", "data_dir"),
        *("terminate_all_matching_process_names", "stragglers", "straggler_commands", "log_dir"),
        *("display_name", "proc", "_pgid", "terminate_existing", "guard"),
    ]
    fresh = ManagedProcess(["sleep", "1000"], {"TOKEN": "hidden"})
    assert (fresh.timeout, fresh.log_dir) == (300, os.getcwd())
    assert "hidden" not in repr(fresh)
    assert (fresh.proc, fresh.log_path, fresh.get_pid(), fresh.read_logs()) == (None,) * 3 + ("",)
    assert not fresh.is_running()
    assert fresh.subprocesses() == []
    fresh.__exit__(None, None, None)


def test_it_is_ready_when_every_check_is_met(port: int, logs: str) -> None:
    url = f"http://localhost:{port}"
    asked: list[str] = []

    def with_time(left: float) -> bool:
        asked.append(f"{0 < left <= 60}")
        return len(asked) > 1

    def without() -> bool:
        asked.append("without")
        return True

    managed = server(
        port,
        logs,
        warm=0.3,
        health_check_ports=[port],
        health_check_urls=[
            f"{url}/v1/models",
            (f"{url}/health", is_ready),
            [f"{url}/moved", is_ready],
            (f"{url}/early", None),
        ],
        health_check_funcs=[with_time, without],
        display_name="stand-in",
    )
    with managed as same:
        assert same is managed
        assert managed.is_running()
        assert managed.proc is not None
        assert managed.get_pid() == managed.proc.pid == managed._pgid
        assert alive(managed.proc.pid)
        assert managed.log_path == f"{logs}/stand-in.log.txt"
        assert managed.read_logs().startswith("serving\n")
        assert "GET /health" in Path(managed.log_path).read_text()
        pid = managed.proc.pid
    assert asked == ["True", "True", "without"]
    assert not alive(pid)
    assert not managed.is_running()
    assert managed.get_pid() is None
    assert "serving" in managed.read_logs(), "its log outlives it"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_what_a_function_is_given_is_as_requests_has_it(port: int, logs: str) -> None:
    seen: list[Any] = []

    def check(response: Any) -> bool:
        seen.append(response)
        return True

    with server(port, logs, health_check_urls=[(f"http://127.0.0.1:{port}/moved", check)]):
        (answer,) = seen
    assert (answer.status_code, answer.ok, answer.reason) == (200, True, "OK")
    assert answer.url == f"http://127.0.0.1:{port}/health"
    assert answer.json() == {"status": "ready", "data": [1]}
    assert answer.text == answer.content.decode()
    assert answer.headers["x-WHO"] == answer.headers.get("X-Who") == "stand-in"
    assert "nothing" not in answer.headers
    answer.raise_for_status()
    assert bool(answer)
    with pytest.raises(TypeError):
        answer.headers["x"] = "y"


def test_an_answer_that_is_none() -> None:
    answer = Answer(
        "http://a/", 503, "Busy", [("content-type", "text/plain; charset=latin-1")], b"\xe9"
    )
    assert not answer
    assert answer.text == "é"
    with pytest.raises(ValueError, match="codec|Expecting"):
        answer.json()
    with pytest.raises(OSError, match="503 Busy for http://a/"):
        answer.raise_for_status()
    requests = pytest.importorskip("requests")
    with pytest.raises(requests.HTTPError):
        answer.raise_for_status()
    odd = Answer("http://a/", 200, "", [("Content-Type", "text/plain; charset=nonsense")], b"\xff")
    assert odd.text == "\ufffd"


def test_environment_and_folder(logs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given as the environment is all of it."""
    monkeypatch.setenv("MP_OUTER", "outer")
    script = "import os; print(os.getcwd(), os.environ.get('MP_OUTER'), os.environ.get('MP_OWN'))"
    command = [PYTHON, "-c", script]
    given: list[dict[str, str] | None] = [None, {}, {"MP_OWN": "own"}]
    said = []
    for env in given:
        with ManagedProcess(command, env, working_dir=str(tmp_path), log_dir=logs) as managed:
            assert managed.proc is not None
            assert managed.proc.wait(timeout=30) == 0
            said.append(managed.read_logs().split())
    where = str(tmp_path)
    assert said == [[where, "outer", "None"]] * 2 + [[where, "None", "own"]]


def test_a_delay_comes_before_the_checks(port: int, logs: str) -> None:
    asked: list[float] = []

    def check() -> bool:
        asked.append(time.monotonic())
        return True

    began = time.monotonic()
    with server(port, logs, delayed_start=1, health_check_funcs=[check]):
        assert 1 <= asked[0] - began < 20


def test_a_launcher_may_end_while_what_it_started_warms_up(port: int, logs: str) -> None:
    """Without a check the delay is what a suite waits by."""
    command = ["sh", "-c", '"$@" &', "sh", PYTHON, "-c", SERVER, str(port), "0"]
    with ManagedProcess(command, delayed_start=3, log_dir=logs) as managed:
        assert not managed.is_running()
        socket.create_connection(("127.0.0.1", port)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_data_goes_before_and_after(logs: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "old").touch()
    command = ["sh", "-c", f"ls {data}; mkdir {data}; touch {data}/new; echo made; exec sleep 1000"]
    with ManagedProcess(command, data_dir=str(data), log_dir=logs) as managed:
        wait_for(lambda: "made" in managed.read_logs())
        assert "old" not in managed.read_logs()
        assert (data / "new").exists()
    assert not data.exists()


def wait_for(met: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)


def test_names_of_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYN_TEST_OUTPUT_PATH", str(tmp_path / "output"))
    echo = shutil.which("echo") or ""
    for command, name, log in [
        (["echo", "1"], None, "echo.log.txt"),
        ([echo, "2"], None, "echo.log.txt"),
        (["echo", "3"], "VLLM::worker", "VLLM::worker.log.txt"),
    ]:
        with ManagedProcess(command, log_dir="a[x/y]", display_name=name) as managed:
            assert managed.log_dir == str(tmp_path / "output/a[x/y]")
            assert managed.log_path == os.path.join(managed.log_dir, log)
            assert managed.proc is not None
            managed.proc.wait(30)
            # A log begins anew with each start.
            assert managed.read_logs() == f"{command[1]}\n"


def test_two_at_once_have_a_log_each(logs: str) -> None:
    script = "echo {}; exec sleep 1000"
    keep: dict[str, Any] = {"log_dir": logs, "terminate_all_matching_process_names": False}
    with ManagedProcess(["sh", "-c", script.format(1)], **keep) as first:
        wait_for(first.read_logs)
        with ManagedProcess(["sh", "-c", script.format(2)], **keep) as second:
            wait_for(second.read_logs)
            assert (first.read_logs(), second.read_logs()) == ("1\n", "2\n")
            assert second.log_path == f"{logs}/sh-2.log.txt"


def test_the_process_has_the_shape_of_popen(logs: str) -> None:
    script = "trap 'exit 5' TERM; echo up; while :; do sleep 0.02; done"
    with ManagedProcess(["sh", "-c", script], log_dir=logs) as managed:
        wait_for(managed.read_logs)
        proc = managed.proc
        assert proc is not None
        assert (proc.poll(), proc.returncode, proc.stdin, proc.stdout) == (None,) * 4
        assert proc.args == ["sh", "-c", script]
        with pytest.raises(subprocess.TimeoutExpired):
            proc.wait(timeout=0.05)
        proc.terminate()
        assert proc.wait() == proc.wait(timeout=0) == proc.poll() == proc.returncode == 5
        proc.terminate()
        proc.kill()
        assert proc.communicate() == (None, None)
        assert not managed.is_running()
    with sleeper(logs) as managed:
        assert managed.proc is not None
        with managed.proc as entered:
            entered.kill()
        assert entered.returncode == -signal.SIGKILL
    assert entered.returncode == -signal.SIGKILL, "it is known after the end too"


def test_a_test_may_kill_it_by_its_id(logs: str) -> None:
    """Unless it is to be guarded, its death is the test's own business."""
    with sleeper(logs) as managed:
        pid = managed.get_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert managed.proc is not None
        assert managed.proc.wait(timeout=30) == -signal.SIGKILL
        assert not managed.is_running()
        assert managed.subprocesses() == []


def test_its_children_can_be_seen_and_killed(logs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    script = "sleep 1000 & sh -c 'sleep 1001 & wait' & wait"
    with ManagedProcess(["sh", "-c", script], log_dir=logs) as managed:
        wait_for(lambda: sum(one.name() == "sleep" for one in managed.subprocesses()) == 2)
        children = managed.subprocesses()
        assert sorted(one.name() for one in children) == ["sh", "sleep", "sleep"]
        (one,) = (one for one in children if one.cmdline() == ["sleep", "1000"])
        with pytest.raises(TimeoutError):
            one.wait(timeout=0.05)
        one.kill()
        one.wait(timeout=30)
        assert not one.is_running()
        one.terminate()
        assert len(managed.subprocesses()) == 2

        class Psutil:
            NoSuchProcess = KeyError

            @staticmethod
            def Process(pid: int) -> str:  # noqa: N802 - psutil's name
                if pid == gone:
                    raise KeyError
                return f"psutil {pid}"

        gone, kept = (one.pid for one in managed.subprocesses())
        monkeypatch.setitem(sys.modules, "psutil", Psutil)
        assert managed.subprocesses() == [f"psutil {kept}"]


def test_all_that_came_from_it_ends_with_it(logs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dyno.managed_process._GRACE", 0.3)
    managed = ManagedProcess(["sh", "-c", FAMILY], log_dir=logs)
    monkeypatch.setattr(
        managed,
        "_terminate_process_group",
        lambda: ManagedProcess._terminate_process_group(managed, 0.3),
    )
    with managed:
        assert managed.log_path is not None
        ids = family_ids(Path(managed.log_path))
        assert all(alive(pid) for pid in ids)
    assert [pid for pid in ids if alive(pid)] == []


def test_it_has_time_to_end_well(logs: str, tmp_path: Path) -> None:
    done = tmp_path / "done"
    script = f"trap 'sleep 0.5; touch {done}; exit' TERM; echo up; while :; do sleep 0.02; done"
    with ManagedProcess(["sh", "-c", script], log_dir=logs) as managed:
        wait_for(managed.read_logs)
    assert done.exists()


def test_an_error_in_the_block_ends_it_and_goes_on(logs: str) -> None:
    seen: list[int] = []

    def work(managed: ManagedProcess) -> None:
        seen.append(managed.get_pid() or 0)
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"), sleeper(logs) as managed:
        work(managed)
    assert not alive(seen[0])


def test_a_fork_of_the_test_leaves_it_alone(logs: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with sleeper(logs, data_dir=str(data)) as managed:
        data.mkdir()
        child = os.fork()
        if child == 0:
            managed.__exit__(None, None, None)
            os._exit(0)
        os.waitpid(child, 0)
        assert managed.is_running()
        assert data.exists()


def test_a_lost_agent_takes_it_away_and_hangs_nobody(logs: str) -> None:
    with sleeper(logs, terminate_existing=False) as managed:
        pid = managed.get_pid() or 0
        (agent,) = (one.parent for one in look() if one.pid == pid)
        os.kill(agent, signal.SIGKILL)
        assert wait_gone([pid], 10) == []
        assert not managed.is_running()
        assert managed.proc is not None
        assert managed.proc.wait(timeout=5) == 255
    with sleeper(logs, terminate_existing=False) as managed:
        assert managed.is_running()
        assert managed.log_path == f"{logs}/sleep.log.txt"


class Nats(ManagedProcess):
    """As suites have theirs: it is stopped and started again within its block."""

    def __init__(self, port: int, logs: str) -> None:
        self._logger.info("used before it is made")
        self.port = port
        self.left = False
        # Names that a class of a suite's own may well have.
        self.name, self.scope, self.process = "nats", "test", None
        self._name = self._scope = self._shown = self._opened = "its own"
        super().__init__(
            command=[],
            timeout=60,
            health_check_ports=[port],
            health_check_funcs=[self._ready],
            log_dir=logs,
            terminate_existing=False,
        )
        self._command()

    def _command(self) -> None:
        self.command = [PYTHON, "-c", SERVER, str(self.port), "0"]

    def _ready(self, timeout: float = 5) -> bool:
        with socket.create_connection(("localhost", self.port), timeout=min(timeout, 2)):
            return True

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        self.left = True
        return super().__exit__(exc_type, exc_val, exc_tb)  # type: ignore[arg-type]

    def stop(self) -> None:
        self._stop_started_processes()

    def stop_as_once(self) -> None:
        self._terminate_process_group()
        proc, self.proc = self.proc, None
        assert proc is not None
        proc.wait(timeout=10)

    def start(self) -> None:
        self._command()
        self._start_process()
        elapsed = self._check_ports(60)
        self._check_funcs(60 - elapsed)


def test_a_subclass_that_starts_it_again(port: int, logs: str) -> None:
    ids = []
    with Nats(port, logs) as nats:
        for stop in (nats.stop, nats.stop_as_once):
            ids.append(nats.get_pid())
            stop()
            assert not nats.is_running()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            nats.start()
            assert nats.is_running()
        ids.append(nats.get_pid())
    assert nats.left
    assert len(set(ids)) == 3
    assert not [pid for pid in ids if pid is None or alive(pid)]
    with nats:
        assert nats.is_running(), "and by a second block"


@dataclasses.dataclass
class Engine(ManagedProcess):
    """A subclass that is a dataclass as well."""

    model: str = "tiny"

    @classmethod
    def of(cls, command: list[str], **options: Any) -> Engine:
        return cls(command=command, **options)


def test_a_subclass_that_is_a_dataclass(logs: str) -> None:
    with Engine.of(["sleep", "1000"], log_dir=logs, model="other") as engine:
        assert (engine.model, engine.is_running()) == ("other", True)


def test_a_group_that_starts_its_members_by_hand(bench: Bench, logs: str) -> None:
    """What the router suites do, to start several and then wait for all."""
    members = []
    for number, port in enumerate(bench.ports(2)):
        url = f"http://localhost:{port}/health"
        members.append(
            server(
                port, f"{logs}/{number}", health_check_ports=[port], health_check_urls=[(url, None)]
            )
        )
    try:
        for one in members:
            one._logger = logging.getLogger(type(one).__name__)
            one._command_name = "member"
            os.makedirs(one.log_dir, exist_ok=True)
            one._log_path = os.path.join(one.log_dir, f"{one._command_name}.log.txt")
            one._terminate_existing()
            one._terminate_all_matching_process_names()
            one._start_process()
            assert one.proc is not None
        for one in members:
            elapsed = one._check_ports(one.timeout)
            one._check_urls(one.timeout - elapsed)
            one._check_funcs(one.timeout - elapsed)
            assert "serving" in one.read_logs()
            assert one.log_path == f"{one.log_dir}/member.log.txt"
        ids = [one.get_pid() for one in members]
    finally:
        for one in members:
            one.__exit__(None, None, None)
    assert not [pid for pid in ids if pid is None or alive(pid)]


def test_what_cannot_be_started_is_said_as_popen_does(logs: str, tmp_path: Path) -> None:
    plain, orphan = tmp_path / "plain", tmp_path / "orphan"
    plain.write_text("no program")
    orphan.write_text("#!/nowhere/python\n")
    orphan.chmod(0o755)
    cases: list[tuple[list[str], dict[str, Any], type[OSError], str]] = [
        (["no-such-command"], {}, FileNotFoundError, "no command no-such-command on its PATH"),
        ([str(tmp_path / "absent")], {}, FileNotFoundError, "does not exist"),
        ([str(plain)], {}, PermissionError, "is not executable"),
        ([str(orphan)], {}, FileNotFoundError, "names an interpreter"),
        (["true"], {"working_dir": "/nowhere"}, FileNotFoundError, "/nowhere is no folder"),
    ]
    for command, options, kind, why in cases:
        with pytest.raises(kind, match=why), ManagedProcess(command, log_dir=logs, **options):
            raise AssertionError("it has started")
    with pytest.raises(IndexError), ManagedProcess([], log_dir=logs):
        raise AssertionError("it has started")


@pytest.mark.parametrize(("code", "check"), [(0, "port"), (3, "url"), (-9, "func")])
def test_one_that_ends_too_early_is_named(port: int, logs: str, code: int, check: str) -> None:
    script = "echo last words; " + ("kill -9 $$" if code < 0 else f"exit {code}")
    options: dict[str, dict[str, Any]] = {
        "port": {"health_check_ports": [port]},
        "url": {"health_check_urls": [f"http://localhost:{port}/"]},
        "func": {"health_check_funcs": [lambda: False]},
    }
    began = time.monotonic()
    managed = ManagedProcess(["sh", "-c", script], log_dir=logs, **options[check])
    with pytest.raises(RuntimeError, match=f"'sh' exited with code {code} ") as caught, managed:
        raise AssertionError("it is not ready")
    assert time.monotonic() - began < 30, "long before its 300 seconds"
    assert isinstance(caught.value, ProcessFailed)
    assert (caught.value.name, caught.value.returncode) == ("sh", code)
    assert caught.value.tail.strip() == "last words"


def test_one_without_checks_may_end_at_once(logs: str) -> None:
    with ManagedProcess(["true"], log_dir=logs) as managed:
        assert managed.proc is not None
        assert managed.proc.wait(timeout=30) == 0


@pytest.mark.parametrize("check", ["port", "url", "hang", "round", "early", "func"])
def test_one_that_is_not_ready_in_time_is_ended(bench: Bench, logs: str, check: str) -> None:
    port, closed = bench.ports(2)
    url = f"http://localhost:{port}"
    missing: dict[str, tuple[dict[str, Any], str]] = {
        "port": ({"health_check_ports": [port, closed]}, f"port {closed} is not met"),
        "url": ({"health_check_urls": [f"{url}/health"]}, "/health is not met .status 503"),
        "hang": ({"health_check_urls": [f"{url}/hang"]}, "/hang is not met .*timed out"),
        "round": (
            {"health_check_urls": [f"{url}/round"]},
            "/round is not met .*(status 302|redirect)",
        ),
        "early": ({"health_check_urls": [(f"{url}/early", is_ready)]}, "status 200, and is_ready"),
        "func": ({"health_check_funcs": [lambda: 0]}, "lambda> is not met .it returned 0"),
    }
    options, why = missing[check]
    # Long enough for a server to be up on a busy machine, where what it answers is what counts.
    timeout = 5 if check in ("hang", "round") else 2
    began = time.monotonic()
    managed = server(port, logs, warm=1000, timeout=timeout, **options)
    with pytest.raises(RuntimeError, match=why) as caught, managed:
        raise AssertionError("it is ready")
    assert timeout <= time.monotonic() - began < 30
    assert isinstance(caught.value, NotReady)
    assert not managed.is_running()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_time_is_for_all_checks_together(port: int, logs: str) -> None:
    def slow() -> bool:
        time.sleep(0.7)
        return True

    began = time.monotonic()
    managed = server(port, logs, timeout=1.0, health_check_funcs=[slow, slow, lambda: False])
    with pytest.raises(RuntimeError), managed:
        raise AssertionError("it is ready")
    assert time.monotonic() - began < 20


def test_what_a_function_of_a_url_raises(port: int, logs: str) -> None:
    """What requests raises means not yet, and everything else is an error of the function."""
    requests = pytest.importorskip("requests")
    asked: list[int] = []

    def check(answer: Any) -> bool:
        asked.append(1)
        if len(asked) == 1:
            raise requests.ConnectionError("not yet")
        return bool(answer.json()["nothing"])

    managed = server(port, logs, health_check_urls=[(f"http://localhost:{port}/", check)])
    with pytest.raises(KeyError, match="nothing"), managed:
        raise AssertionError("it is ready")
    assert len(asked) == 2
    assert not managed.is_running()


def test_a_function_may_judge_every_status(port: int, logs: str) -> None:
    url = f"http://localhost:{port}/health"
    busy = (url, lambda answer: answer.status_code == 503, True)
    with server(port, logs, warm=1000, health_check_urls=[busy]) as managed:
        assert managed.is_running()


def test_a_url_that_nobody_can_ask_for_is_refused_at_once(logs: str) -> None:
    for url in ("localhost:8000/health", "ftp://localhost/", "http:///health"):
        with (
            pytest.raises(ValueError, match="needs an http"),
            sleeper(logs, health_check_urls=[url]),
        ):
            raise AssertionError("it is ready")


def test_a_port_that_a_stranger_has_is_named(
    logs: str, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", port)):
        began = time.monotonic()
        managed = server(port, logs, health_check_ports=[port])
        with pytest.raises(ProcessFailed, match=f"on port {port} somebody else answered") as caught:
            managed.__enter__()
        assert "Address already in use" in caught.value.tail
        assert time.monotonic() - began < 20
        # One that lives may have checked the port of another on purpose.
        with sleeper(logs, health_check_ports=[port]):
            assert f"on port {port} somebody answered before it was started" in caplog.text


def test_output_of_every_kind(logs: str, capfd: pytest.CaptureFixture[str]) -> None:
    script = (
        "import sys; out = sys.stdout.buffer; out.write(b'\\xff\\x00\\r\\n'); "
        "out.write(b'x' * (8 << 20)); out.write(b'\\nlast')"
    )
    with ManagedProcess(
        [PYTHON, "-c", script], log_dir=logs, display_output=True, display_name="odd"
    ) as managed:
        assert managed.proc is not None
        assert managed.proc.wait(timeout=60) == 0
        text = managed.read_logs()
        assert text == "\ufffd\x00\r\n" + "x" * (8 << 20) + "\nlast"
    shown = capfd.readouterr().out
    assert shown.startswith("[ODD] \ufffd\x00")
    assert shown.count("x") == 8 << 20
    assert shown.endswith("x\n[ODD] last\n")


def test_its_output_is_shown_while_it_runs(
    logs: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    go = tmp_path / "go"
    script = f"echo one; while ! test -e {go}; do sleep 0.02; done; echo two >&2; exec sleep 1000"
    shown: list[str] = []

    def has(text: str) -> bool:
        shown.append(capfd.readouterr().out)
        return text in "".join(shown)

    with ManagedProcess(["sh", "-c", script], log_dir=logs, display_output=True) as managed:
        wait_for(lambda: has("[SH] one\n"))
        go.touch()
        wait_for(lambda: has("[SH] two\n"))
        assert managed.read_logs() == "one\ntwo\n", "the log has the lines as they are"


def test_a_stranger_is_left_alone_and_named_once(
    logs: str, stranger: tuple[subprocess.Popen[bytes], str], caplog: pytest.LogCaptureFixture
) -> None:
    process, name = stranger
    cases: list[dict[str, Any]] = [
        {"display_name": name},
        {"stragglers": [name]},
        {"straggler_commands": [name]},
        {"terminate_existing": True, "display_name": name},
    ]
    for options in cases:
        with sleeper(logs, **options):
            pass
        assert process.poll() is None
    said = [record.message for record in caplog.records if f"{name!r}" in record.message]
    assert len(said) == 1
    assert f"process {process.pid} (" in said[0]


def test_what_the_session_has_started_is_ended_by_its_name(logs: str, tmp_path: Path) -> None:
    name = f"own{time.monotonic_ns() % 10**9}"
    program = tmp_path / name
    shutil.copy(shutil.which("sleep") or "", program)
    script = f"({program} 1001 &) ; {program} 1000 & echo $!; exec sleep 1000"

    def start() -> ManagedProcess:
        managed = ManagedProcess(["sh", "-c", script], log_dir=logs, display_name="starter")
        managed.__enter__()
        wait_for(lambda: count() >= 2)
        return managed

    def count() -> int:
        return sum(one.name() == name for one in look())

    first = start()
    try:
        kept = {"terminate_existing": False, "display_name": name}
        with sleeper(logs, **kept):
            assert count() == 2
        with sleeper(logs, display_name=name):
            assert count() == 0, "before its start"
            assert first.is_running()
    finally:
        first.__exit__(None, None, None)
    first = start()
    try:
        with sleeper(logs, terminate_existing=False, straggler_commands=[f"{program} 1001"]):
            assert count() == 2
        assert count() == 1, "after its end"
    finally:
        first.__exit__(None, None, None)
    with sleeper(logs) as older:
        assert older.proc is not None
        with sleeper(logs):
            assert older.proc.returncode == -signal.SIGTERM


def test_a_tree_is_ended_by_its_id(logs: str) -> None:
    with ManagedProcess(["sh", "-c", "sleep 1000 & echo $!; wait"], log_dir=logs) as managed:
        wait_for(managed.read_logs)
        child, pid = int(managed.read_logs()), managed.get_pid()
        assert pid is not None
        terminate_process_tree(pid, logging.getLogger(), immediate_kill=True, timeout=0)
        assert wait_gone([child, pid], 30) == []
        assert managed.proc is not None
        assert managed.proc.wait(timeout=5) == -signal.SIGKILL
    other = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; echo; sleep 1000 & wait"], stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    other.stdout.readline()
    terminate_process_tree(other.pid, timeout=0.2)
    assert other.wait(timeout=5) == -signal.SIGKILL
    other.stdout.close()
    terminate_process_tree(other.pid)


def test_a_url_of_another_server_in_this_process(logs: str) -> None:
    """A worker's checks ask for the frontend; here that is the test itself."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    frontend = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=frontend.serve_forever)
    thread.start()
    try:
        with sleeper(
            logs, health_check_urls=[f"http://localhost:{frontend.server_port}"]
        ) as worker:
            assert worker.is_running()
    finally:
        frontend.shutdown()
        thread.join()
        frontend.server_close()
