"""The bench against real processes: starting, waiting, ending, and what it says."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import dyno
import pytest
from dyno import Bench, BenchError, NotReady, ProcessFailed, StillRunning

from families import FAMILY, alive, family_ids

PYTHON = sys.executable


def sleeper(bench: Bench) -> dyno.Process:
    return bench.process(["sleep", "1000"])


def test_a_server_is_ready_when_every_probe_is_met(bench: Bench) -> None:
    port = bench.port()
    asked: list[int] = []

    def third_time() -> bool:
        asked.append(1)
        if len(asked) == 1:
            raise ConnectionError("not yet")
        return len(asked) == 3

    command = [PYTHON, "-u", "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    server = bench.process(
        command,
        name="web",
        ready=[
            dyno.tcp(port),
            dyno.http(f"http://127.0.0.1:{port}/", body_matches="Directory listing"),
            dyno.log("^Serving HTTP on"),
            third_time,
        ],
    )
    assert len(asked) == 3
    assert (server.name, server.command) == ("web", tuple(command))
    assert server.is_running()
    assert server.returncode is None
    assert '"GET / HTTP/1.1" 200' in server.read_log()
    assert server.tail(1).count("\n") == 0
    assert server.stop() == -signal.SIGTERM
    assert not server.is_running()
    assert server.stop() == server.returncode == -signal.SIGTERM
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_leaving_the_with_block_stops(bench: Bench) -> None:
    with sleeper(bench) as process:
        assert alive(process.pid)
    assert not alive(process.pid)


@pytest.mark.parametrize(
    ("script", "returncode"),
    [("print('oh no'); raise SystemExit(3)", 3), ("import os; print('oh no'); os.abort()", -6)],
)
def test_a_process_that_ends_before_it_is_ready_fails_at_once(
    bench: Bench, script: str, returncode: int
) -> None:
    began = time.monotonic()
    with pytest.raises(ProcessFailed, match="'?dies'?.* ended before it was ready") as caught:
        bench.process([PYTHON, "-uc", script], name="dies", ready=dyno.tcp(bench.port()))
    assert time.monotonic() - began < 30
    assert caught.value.name == "dies"
    assert caught.value.returncode == returncode
    assert caught.value.tail.splitlines()[0] == "oh no"
    assert "oh no" in str(caught.value)


def test_a_late_server_is_stopped_and_what_is_missing_is_named(bench: Bench) -> None:
    port, closed = bench.ports(2)
    with pytest.raises(NotReady) as caught:
        bench.process(
            [PYTHON, "-u", "-m", "http.server", str(port), "--bind", "127.0.0.1"],
            name="late",
            ready=[
                dyno.http(f"http://127.0.0.1:{port}/nowhere"),
                dyno.tcp(closed),
                dyno.log("never said"),
                dyno.tcp(port),
            ],
            ready_timeout=1.5,
        )
    said = str(caught.value)
    assert '"late" is not ready after 1.5 s' in said
    assert f"http GET http://127.0.0.1:{port}/nowhere is not met (status 404" in said
    assert f"tcp 127.0.0.1:{closed} is not met (connection refused)" in said
    assert 'log "never said" is not met (no line matches)' in said
    assert f"tcp 127.0.0.1:{port} " not in said
    assert isinstance(caught.value, TimeoutError)
    assert "GET /nowhere" in caught.value.tail
    (process,) = bench.processes
    assert not alive(process.pid)


def test_a_callable_that_is_never_met_is_named_with_its_last_error(bench: Bench) -> None:
    def models() -> None:
        raise KeyError("tiny")

    with pytest.raises(NotReady, match=r"callable .*models is not met \(KeyError: 'tiny'\)"):
        bench.process(["sleep", "1000"], ready=models, ready_timeout=0.3)


def test_a_callable_is_not_asked_of_the_dead(bench: Bench) -> None:
    with pytest.raises(ProcessFailed, match="exit code 4"):
        bench.process(["sh", "-c", "exit 4"], ready=lambda: False)


def test_what_cannot_be_started_is_named(bench: Bench, tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("no program")
    orphan = tmp_path / "orphan"
    orphan.write_text("#!/nowhere/python\n")
    orphan.chmod(0o755)
    for command, why in [
        (["no-such-command"], "no command no-such-command on its PATH"),
        ([str(tmp_path / "absent")], f"{tmp_path}/absent does not exist"),
        ([str(plain)], f"{plain} is not executable"),
        ([str(orphan)], f"{orphan} names an interpreter"),
    ]:
        with pytest.raises(ProcessFailed, match="cannot be started") as caught:
            bench.process(command)
        assert why in str(caught.value)
        assert caught.value.returncode is None
    with pytest.raises(ProcessFailed, match="working directory /nowhere is no folder"):
        bench.process(["true"], cwd="/nowhere")
    with pytest.raises(ValueError, match="a list of words"):
        bench.process("sleep 1000")
    assert bench.processes == ()


@pytest.mark.parametrize(
    ("probe", "why"),
    [
        (dyno.log("("), "does not parse"),
        (dyno.http("https://localhost/"), "only http:// is supported"),
        (dyno.http("http://localhost/", body_matches="["), "does not parse"),
    ],
)
def test_a_probe_that_makes_no_sense_is_refused(bench: Bench, probe: dyno.Probe, why: str) -> None:
    with pytest.raises(BenchError, match=why):
        bench.process(["sleep", "1000"], ready=probe)


def test_environment_directory_and_arguments(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_GONE", "1")
    monkeypatch.setenv("BENCH_KEPT", "kept")
    odd = os.fsdecode(b"\xff\xfe")
    script = (
        "import os, sys; print(os.getcwd(), os.environ.get('BENCH_GONE'),"
        " os.environ['BENCH_KEPT'], os.environ['BENCH_NEW'], os.fsencode(sys.argv[1]))"
    )
    process = bench.process(
        [PYTHON, "-c", script, odd], env={"BENCH_GONE": None, "BENCH_NEW": "é"}, cwd=tmp_path
    )
    assert process.wait(30) == 0
    assert process.read_log() == f"{tmp_path} None kept é b'\\xff\\xfe'\n"

    monkeypatch.chdir(tmp_path)
    process = bench.process(["pwd"])
    process.wait(30)
    assert process.read_log() == f"{tmp_path}\n"


def test_signals_waits_and_codes(bench: Bench) -> None:
    process = bench.process(
        ["sh", "-c", "trap 'echo usr1' USR1; echo up; while :; do sleep 0.05; done"],
        ready=dyno.log("^up$"),
    )
    process.signal(signal.SIGUSR1)
    assert process.wait_for_log("usr") == "usr1"
    with pytest.raises(StillRunning, match="runs after 0.1 s"):
        process.wait(0.1)
    assert process.kill() == -signal.SIGKILL
    with pytest.raises(ProcessFailed, match="cannot be signalled, it ended: SIGKILL"):
        process.signal(signal.SIGUSR1)
    with pytest.raises(BenchError, match="no signal has the number 999"):
        sleeper(bench).signal(999)


def test_a_line_is_found_after_the_end_too(bench: Bench) -> None:
    process = bench.process(["echo", "last words"])
    process.wait(30)
    assert process.wait_for_log("words$") == "last words"
    with pytest.raises(ProcessFailed, match="exit code 0"):
        process.wait_for_log("other words")


def test_a_prompt_without_a_line_end_is_found(bench: Bench) -> None:
    bench.process(["sh", "-c", "printf 'ready> '; exec sleep 1000"], ready=dyno.log("^ready> $"))


def test_a_line_without_end_costs_the_agent_no_memory(bench: Bench) -> None:
    size = 256 << 20
    script = f"head -c {size} /dev/zero | tr '\\0' x; echo; echo done; exec sleep 1000"
    process = bench.process(["sh", "-c", script], ready=dyno.log("^done$"), ready_timeout=120)
    assert process.log_path.stat().st_size > size
    assert len(process.tail(2)) < 64 << 10
    parent = Path(f"/proc/{sleeper(bench).pid}/stat").read_text().rpartition(")")[2].split()[1]
    status = Path(f"/proc/{parent}/status").read_text()
    most = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    assert most < 64 << 10, f"the agent once had {most} KiB"


def test_stop_ends_the_whole_family(bench: Bench) -> None:
    other = sleeper(bench)
    process = bench.process(["sh", "-c", FAMILY], stop_timeout=0.3)
    ids = family_ids(process.log_path)
    assert all(alive(pid) for pid in ids)
    assert process.stop() == -signal.SIGKILL
    assert [pid for pid in ids if alive(pid)] == []
    assert alive(other.pid)


def test_a_stopped_process_may_still_end_well(bench: Bench) -> None:
    process = bench.process(
        ["sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"],
        ready=dyno.log("up"),
    )
    process.signal(signal.SIGSTOP)
    assert process.stop() == 5


def test_the_children_have_the_grace_too(bench: Bench, tmp_path: Path) -> None:
    """The shell dies of SIGTERM at once; what it started takes its time to clean up."""
    done = tmp_path / "cleaned"
    child = f"trap 'sleep 0.3; touch {done}; exit' TERM; echo up; while :; do sleep 0.02; done"
    process = bench.process(["sh", "-c", f'sh -c "{child}" & wait'], ready=dyno.log("up"))
    process.stop()
    assert done.exists()


def test_ports_are_distinct_free_and_outside_the_ephemeral_range(bench: Bench) -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = [*bench.ports(50), bench.port()]
    assert len(set(ports)) == 51
    assert not [port for port in ports if low <= port <= high]
    for port in ports:
        with socket.socket() as server:
            server.bind(("0.0.0.0", port))


def test_more_ports_than_there_are(bench: Bench) -> None:
    with pytest.raises(BenchError, match="no 60000 free ports|cannot lease a port"):
        bench.ports(60000)
    with pytest.raises(BenchError, match="does not understand the request: invalid value"):
        bench.ports(-1)
    assert bench.port()


def test_a_wait_may_be_without_end(bench: Bench) -> None:
    process = bench.process(["sh", "-c", "sleep 0.2; exit 6"], stop_timeout=float("inf"))
    assert process.wait(float("inf")) == 6


def test_several_threads_may_wait_at_once(bench: Bench) -> None:
    slow = bench.process(["sh", "-c", "sleep 0.5; echo slow; exec sleep 1000"])
    seen: list[str] = []

    def wait_for_slow() -> None:
        seen.append(slow.wait_for_log("slow"))

    threads = [threading.Thread(target=wait_for_slow) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert bench.process(["true"]).wait(30) == 0
    for thread in threads:
        thread.join(30)
    assert seen == ["slow"] * 4


def test_an_interrupted_wait_breaks_nothing(bench: Bench) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    process = sleeper(bench)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(3):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupted):
                process.wait(30)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert process.is_running()
    assert process.stop() == -signal.SIGTERM


def test_a_forked_child_has_a_bench_of_its_own(bench: Bench, tmp_path: Path) -> None:
    process = sleeper(bench)
    said = tmp_path / "said"
    pid = os.fork()
    if pid == 0:
        try:
            process.is_running()
        except BenchError as error:
            said.write_text(str(error))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert said.read_text().startswith(f"this bench belongs to process {os.getpid()}")
    assert process.is_running()
