"""What the bench does beyond starting and ending: probes, restarts, pauses, input, logs, tokens."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
import threading
from pathlib import Path

import dyno
import pytest
from dyno import Bench, BenchError, NotReady, ProcessFailed, StillRunning, TokenHeld
from dyno.fixtures.sections import sections

from families import FAMILY, alive, family_ids

PYTHON = sys.executable

WEB = [PYTHON, "-u", "-m", "http.server", "--bind", "127.0.0.1"]

ECHO = """
import sys
print("up", flush=True)
for line in sys.stdin:
    print("read", line.strip(), flush=True)
print("end of input", flush=True)
"""


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_command_says_that_a_server_is_ready(bench: Bench, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"import time, pathlib; pathlib.Path({str(ready)!r}).touch(); time.sleep(1000)"
    server = bench.process([PYTHON, "-c", script], ready=dyno.command("test", "-e", ready))
    assert server.is_running()


def test_a_command_has_the_environment_and_the_folder_of_its_process(
    bench: Bench, tmp_path: Path
) -> None:
    check = dyno.command("sh", "-c", 'test "$WHO" = me && test "$PWD" = "$WANTED"')
    env = {"WHO": "me", "WANTED": str(tmp_path)}
    bench.process(["sleep", "1000"], env=env, cwd=tmp_path, ready=check)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["sh", "-c", "echo one; echo not yet >&2; exit 3"], "exit code 3: not yet"),
        (["no-such-command"], "no command no-such-command on its PATH"),
        (["sh", "-c", "kill -9 $$"], "SIGKILL"),
        (["sh", "-c", "yes | head -c 10000000; exit 1"], "exit code 1: y"),
    ],
)
def test_a_command_that_is_never_met_says_why(bench: Bench, words: list[str], why: str) -> None:
    with pytest.raises(NotReady, match=re.escape(why)):
        bench.process(["sleep", "1000"], ready=dyno.command(*words), ready_timeout=1.0)


def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    bench: Bench, tmp_path: Path
) -> None:
    ids = tmp_path / "ids"
    hangs = dyno.command("sh", "-c", f"sleep 1000 & echo $! $$ >> {ids}; wait")
    with pytest.raises(NotReady, match="its first try has not ended"):
        bench.process(["sleep", "1000"], ready=hangs, ready_timeout=1.0)
    assert not any(alive(int(pid)) for pid in ids.read_text().split())


HEALTH = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/models")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        models = [] if Handler.asked < 3 else ["tiny"]
        self.wfile.write(repr({"data": models}).replace("'", '"').encode())
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_an_answer_is_looked_at_by_the_test(bench: Bench) -> None:
    port = bench.port()
    seen: list[dyno.HttpAnswer] = []

    def has_models(answer: dyno.HttpAnswer) -> bool:
        seen.append(answer)
        return bool(answer.json()["data"])

    url = f"http://127.0.0.1:{port}/models"
    bench.process([PYTHON, "-c", HEALTH, str(port)], ready=dyno.http(url, check=has_models))
    assert len(seen) >= 2
    assert (seen[-1].status, seen[-1].json()) == (200, {"data": ["tiny"]})
    assert any(name.lower() == "server" for name, _ in seen[-1].headers)


def never_ready(bench: Bench, probe: dyno.Probe) -> str:
    """What is said of a probe that is not met, by a process that has nothing to do with it."""
    with pytest.raises(NotReady) as late:
        bench.process(["sleep", "1000"], ready=probe, ready_timeout=1.0)
    return str(late.value)


def test_an_answer_that_is_never_right_is_named(bench: Bench) -> None:
    port = bench.port()
    url = f"http://127.0.0.1:{port}/models"
    bench.process([PYTHON, "-c", HEALTH, str(port)], ready=dyno.http(url, body_matches="tiny"))

    def wrong(answer: dyno.HttpAnswer) -> None:
        raise KeyError(answer.json()["data"][0])

    said = never_ready(bench, dyno.http(url, check=wrong))
    assert f"the check of http {url} is not met (KeyError: 'tiny')" in said


def test_a_redirect_is_told_and_not_followed(bench: Bench) -> None:
    port = bench.port()
    bench.process([PYTHON, "-c", HEALTH, str(port)], ready=dyno.tcp(port))
    said = never_ready(bench, dyno.http(f"http://127.0.0.1:{port}/elsewhere"))
    assert "status 302 to /models, not [200]" in said


def test_a_server_that_accepts_and_says_nothing_is_not_ready(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for probe in (dyno.http(f"http://127.0.0.1:{port}/"), dyno.grpc(port)):
            assert "is not met (its first try has not ended)" in never_ready(bench, probe)


def test_what_is_no_grpc_server_is_named(bench: Bench) -> None:
    port = bench.port()
    bench.process([*WEB, str(port)], ready=dyno.tcp(port))
    assert f"grpc 127.0.0.1:{port}/ is not met (" in never_ready(bench, dyno.grpc(port))


def test_what_needs_another_starts_when_that_is_ready(bench: Bench) -> None:
    port = bench.port()
    first = bench.process(
        ["sh", "-c", f"read go; exec {' '.join(WEB)} {port}"],
        name="first",
        stdin=True,
        ready=dyno.tcp(port),
        wait=False,
    )
    started: list[dyno.Process] = []

    def start() -> None:
        started.append(bench.process(["sleep", "1000"], name="second", needs=[first]))

    thread = threading.Thread(target=start)
    thread.start()
    assert [process.name for process in bench.processes] == ["first"]
    first.write("go\n")
    thread.join(60)
    assert started[0].is_running()


def test_what_needs_one_that_fails_is_not_started(bench: Bench) -> None:
    first = bench.process(["sh", "-c", "exit 3"], name="first", ready=dyno.tcp(1), wait=False)
    with pytest.raises(ProcessFailed, match='"first" ended before it was ready: exit code 3'):
        bench.process(["sleep", "1000"], needs=[first])
    assert len(bench.processes) == 1


def test_a_restart_is_the_same_process_with_another_id(bench: Bench) -> None:
    port = bench.port()
    server = bench.process([*WEB, str(port)], name="web", ready=dyno.tcp(port))
    before = server.pid
    server.wait_for_log("Serving HTTP")
    server.restart()
    assert server.is_running()
    assert server.pid != before
    assert not alive(before)
    assert server.read_log().count("Serving HTTP") == 2
    socket.create_connection(("127.0.0.1", port)).close()
    server.kill()
    server.restart()
    assert server.is_running()
    assert len(bench.processes) == 1


def test_after_a_restart_only_new_lines_are_found(bench: Bench, tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = f"echo x >> {count}; echo start $(wc -l < {count}); exec sleep 1000"
    process = bench.process(["sh", "-c", script], ready=dyno.log("^start"))
    assert process.wait_for_log("^start") == "start 1"
    process.restart()
    assert process.wait_for_log("^start") == "start 2"
    assert process.search_log("^start") == ["start 2"]


def test_a_whole_family_is_paused_and_goes_on(bench: Bench) -> None:
    process = bench.process(["sh", "-c", FAMILY])
    ids = family_ids(process.log_path)
    process.pause()
    assert process.state() == "paused"
    assert process.is_running()
    assert {state_of(pid) for pid in ids} == {"T"}
    process.resume()
    assert process.state() == "running"
    assert not any(state_of(pid) == "T" for pid in ids)
    process.pause()
    process.stop()
    assert not any(alive(pid) for pid in ids)


def test_input_is_written_and_ends(bench: Bench) -> None:
    process = bench.process([PYTHON, "-c", ECHO], stdin=True, ready=dyno.log("^up"))
    process.write("one\n")
    assert process.wait_for_log("^read") == "read one"
    process.write("zwei \N{SNOWMAN}\n".encode())
    assert process.wait_for_log("^read zwei") == "read zwei \N{SNOWMAN}"
    process.close_stdin()
    assert process.wait(30) == 0
    with pytest.raises(BenchError, match="has been closed"):
        process.write("more")


def test_input_that_is_not_taken(bench: Bench) -> None:
    without = bench.process(["sleep", "1000"], name="without")
    with pytest.raises(BenchError, match='"without" has no standard input: start it with stdin'):
        without.write("x")
    with pytest.raises(BenchError, match="has no standard input"):
        without.close_stdin()
    deaf = bench.process(["sleep", "1000"], name="deaf", stdin=True)
    with pytest.raises(StillRunning, match='"deaf" has read 65536 of 200000 bytes of its standa'):
        deaf.write(b"\xff" * 200_000, timeout=0.2)
    gone = bench.process(["true"], name="gone", stdin=True)
    assert gone.wait(30) == 0
    with pytest.raises(BenchError, match='"gone" reads its standard input no more'):
        gone.write("x")


def test_five_megabytes_of_input_arrive(bench: Bench) -> None:
    process = bench.process(["sh", "-c", "wc -c; echo done"], stdin=True)
    process.write(b"x" * 5_000_000)
    process.close_stdin()
    process.wait_for_log("^done")
    assert process.search_log("^[0-9]+$") == ["5000000"]


def test_a_log_is_searched_from_a_mark(bench: Bench) -> None:
    process = bench.process([PYTHON, "-c", ECHO], stdin=True, ready=dyno.log("^up"))
    process.write("a 1\na 2\nb 1\n")
    process.wait_for_log("b 1")
    assert process.search_log("read a") == ["read a 1", "read a 2"]
    assert process.search_log("read", most=1) == ["read a 1"]
    mark = process.mark_log()
    assert process.search_log("read", since=mark) == []
    with pytest.raises(NotReady, match="no line matches"):
        process.wait_for_log("read", timeout=0.1, since=mark)
    process.write("c 1\n")
    assert process.wait_for_log("read", since=mark) == "read c 1"
    with pytest.raises(BenchError, match="does not parse"):
        process.search_log("(")


def test_a_log_does_not_fill_the_disk(bench: Bench) -> None:
    limit = 1 << 20
    script = """
import sys
print("the beginning")
for piece in range(30):
    sys.stdout.write(("%07d\\n" % piece) * (1 << 17))
    sys.stdout.flush()
    sys.stdin.readline()
print("the end", flush=True)
sys.stdin.readline()
"""
    process = bench.process([PYTHON, "-c", script], stdin=True, log_limit=limit)
    for number in range(4):
        process.write("\n" * 7)
        written = 7 * (number + 1) + 1
        wait_until_trimmed(process.log_path, len("the beginning\n") + (written << 20), limit)
        assert process.mark_log() == len("the beginning\n") + (written << 20)
    process.write("\n" * 2)
    process.wait_for_log("^the end")
    text = process.read_log()
    assert text.startswith("the beginning\n0000000\n")
    assert text.endswith("0000029\nthe end\n")
    assert re.search(r"\n\[\.\.\. \d+ bytes were not kept \.\.\.\]\n", text)
    assert "\0" not in text
    assert process.search_log("^the ") == ["the beginning", "the end"]
    process.stop()
    assert process.read_log() == process.log_path.read_text()
    assert process.log_path.stat().st_size < 2 * limit


def wait_until_trimmed(path: Path, length: int, limit: int) -> None:
    """All of it has been written, and the agent, which looks now and then, has made its hole."""
    watcher = threading.Event()
    while (now := path.stat()).st_size < length or now.st_blocks * 512 > limit:
        watcher.wait(0.02)


def test_usage_is_that_of_the_whole_family(bench: Bench) -> None:
    script = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    block = b'x' * (64 << 20)\n"
        "    began = time.process_time()\n"
        "    while time.process_time() - began < 0.2: pass\n"
        "    print('busy', flush=True)\n"
        "    time.sleep(1000)\n"
        "time.sleep(1000)\n"
    )
    process = bench.process([PYTHON, "-c", script], ready=dyno.log("busy"))
    usage = process.usage()
    assert (usage.processes, usage.threads) == (2, 2)
    assert usage.peak_memory >= 64 << 20
    assert usage.memory > 64 << 20
    assert (usage.user + usage.system).total_seconds() >= 0.2
    process.kill()
    after = process.usage()
    assert (after.processes, after.memory) == (0, 0)
    assert after.peak_memory > 0


def test_secrets_are_in_no_report(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    script = "echo token $HF_TOKEN; echo mine $MINE; echo plain $PLAIN; exit 3"
    env = {"MINE": "my-own-secret", "PLAIN": "nothing-special", "SHORT_KEY": "abc"}
    with pytest.raises(ProcessFailed) as failed:
        bench.process(
            ["sh", "-c", script, "--key=my-own-secret"],
            env=env,
            secrets=["MINE"],
            ready=dyno.tcp(1),
        )
    assert failed.value.tail.splitlines() == ["token ***", "mine ***", "plain nothing-special"]
    (process,) = bench.processes
    command, environment, _ = process.describe()
    assert command.endswith(" '--key=***'")
    assert "MINE=***" in environment
    assert "SHORT_KEY=***" in environment
    assert "PLAIN=nothing-special" in environment
    assert "verysecret" not in process.tail()
    assert "hf_verysecret" in process.read_log(), "the log itself is the server's own"


def test_a_token_is_had_by_one_at_a_time(bench: Bench, bench_module: Bench) -> None:
    name = f"dyno-test-{os.getpid()}"
    with bench_module.token(name), pytest.raises(TokenHeld, match=f'"{name}" is held by another'):
        bench.token(name, timeout=0.1)
    token = bench.token(name, timeout=0.0)
    token.give_back()
    with pytest.raises(BenchError, match=f'no token "{name}" is held here'):
        token.give_back()
    for odd in ("", "a/b", ".."):
        with pytest.raises(BenchError, match="cannot be a token's name"):
            bench.token(odd)


def test_a_shared_service_without_a_run_is_the_session_s(bench: Bench) -> None:
    started: list[int] = []

    def start(own: Bench) -> dict[str, int]:
        port = own.port()
        started.append(own.process([*WEB, str(port)], ready=dyno.tcp(port)).pid)
        return {"port": port}

    name = f"web {os.urandom(4).hex()}"
    first = bench.shared(name, start)
    assert bench.shared(name, start) == first
    assert len(started) == 1
    socket.create_connection(("127.0.0.1", first["port"])).close()
    os.kill(started[0], signal.SIGKILL)
    with pytest.raises(ProcessFailed, match=f'the shared service "{name}" is gone: .*SIGKILL'):
        wait_gone_and_share(bench, name, start)


def wait_gone_and_share(bench: Bench, name: str, start: object) -> None:
    # The agent hears of the death by the kernel; a call that comes first finds it alive.
    while True:
        bench.shared(name, start)  # type: ignore[arg-type]


def test_a_service_that_could_not_be_started_is_the_next_one_s_to_start(bench: Bench) -> None:
    name = f"late {os.urandom(4).hex()}"

    def fails(own: Bench) -> None:
        own.process(["sleep", "1000"])
        raise KeyError("not today")

    with pytest.raises(KeyError, match="not today"):
        bench.shared(name, fails)
    with pytest.raises(BenchError, match="has to be JSON"):
        bench.shared(name, lambda own: {own})
    assert bench.shared(name, lambda _: None) is None
    assert bench.shared(name, fails) is None


def test_coroutines_wait_side_by_side(bench: Bench) -> None:
    async def both() -> list[str]:
        port, other = await bench.aio.ports(2)

        async def answers() -> bool:
            _, writer = await asyncio.open_connection("127.0.0.1", other)
            writer.close()
            return True

        first, second = await asyncio.gather(
            bench.aio.process([*WEB, str(port)], name="first", ready=dyno.tcp(port)),
            bench.aio.process([*WEB, str(other)], name="second", ready=[dyno.tcp(other), answers]),
        )
        lines = await asyncio.gather(
            first.wait_for_log("Serving"), second.wait_for_log("Serving"), asyncio.sleep(0, "x")
        )
        async with first:
            assert first.is_running()
        assert not first.is_running()
        await second.restart()
        assert await second.kill() == -signal.SIGKILL
        token = await bench.aio.token(f"dyno-test-{os.getpid()}-async")
        async with token:
            pass
        with pytest.raises(ProcessFailed, match="exit code 7"):
            await bench.aio.process(["sh", "-c", "exit 7"], ready=dyno.tcp(1))
        echo = await bench.aio.process(
            [PYTHON, "-c", ECHO], stdin=True, ready=dyno.log("up"), guard=False
        )
        await echo.write("x\n")
        await echo.wait_for_log("read x")
        await echo.close_stdin()
        assert await echo.wait(30) == 0
        assert await bench.aio.shared(os.urandom(4).hex(), share) == 5
        return [str(line) for line in lines]

    async def share(own: dyno.AsyncBench) -> int:
        await own.process(["sleep", "1000"])
        return 5

    assert [line[:7] for line in asyncio.run(both())] == ["Serving", "Serving", "x"]


def test_a_coroutine_that_is_cancelled_breaks_nothing(bench: Bench) -> None:
    async def cancelled() -> None:
        process = await bench.aio.process(["sleep", "1000"])
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(60), 0.05)
        assert process.is_running()
        assert await process.stop() == -signal.SIGTERM

    asyncio.run(cancelled())


def test_an_asynchronous_callable_needs_a_coroutine(bench: Bench) -> None:
    async def ready() -> bool:
        return True

    with pytest.raises(TypeError, match="ready is asynchronous: it needs `bench.aio`"):
        bench.process(["sleep", "1000"], ready=ready)


def test_a_server_that_exits_with_0_before_it_is_ready_has_failed(bench: Bench) -> None:
    with pytest.raises(ProcessFailed, match="ended before it was ready: exit code 0") as failed:
        bench.process(["sh", "-c", "echo done"], ready=dyno.tcp(1))
    assert (failed.value.returncode, failed.value.tail) == (0, "done")


def test_output_that_is_no_text_does_no_harm(bench: Bench) -> None:
    script = r"import os; os.write(1, bytes(range(256)) * 40 + b'\nup \xff\n'); os.read(0, 1)"
    process = bench.process([PYTHON, "-c", script], stdin=True, ready=dyno.log("^up"))
    assert process.wait_for_log("^up") == "up \ufffd"
    assert process.search_log("^up") == ["up \ufffd"]
    assert "up \ufffd" in process.tail(1)
    assert "up \ufffd" in process.read_log()
    assert not any("\udcff" in text for pair in sections(bench) for text in pair)


def test_a_gigabyte_in_one_line_costs_neither_memory_nor_disk(bench: Bench) -> None:
    script = "head -c 1000000000 /dev/zero | tr '\\0' x; echo; echo up; exec sleep 1000"
    process = bench.process(
        ["sh", "-c", script], ready=dyno.log("^up"), ready_timeout=100, log_limit=64 << 20
    )
    agent = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[1])
    status = Path(f"/proc/{agent}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 100 * 1024, peak
    wait_until_trimmed(process.log_path, 10**9, 64 << 20)
    assert len(process.tail()) < 40_000
    process.kill()
    assert len(process.read_log()) < 65 << 20


def test_a_port_that_a_stranger_has_is_found_by_the_server_s_own_failure(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(ProcessFailed, match="exit code 1") as failed:
            bench.process([*WEB, str(port)], ready=dyno.log("Serving"))
    assert "Address already in use" in failed.value.tail
