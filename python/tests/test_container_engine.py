"""`dyno container run` with a real engine, in an image of a shell and little else."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import DYNO, TIMEOUT, environment

TOKEN = "hf_nobody-sees-this"
IMAGE = f"dyno-shell:{os.getpid()}"
ALONE = ("--network", "none")
SMALL = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
PROGRAMS = ("sh", "cat", "env", "id", "sleep", "touch")


def call(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        env=environment(HF_TOKEN=TOKEN, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def copied(root: Path, path: str) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        shutil.copy(path, place)


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """An engine that runs containers, with the image."""
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    info = call(name, "info")
    if info.returncode != 0 or "Cannot connect" in info.stdout + info.stderr:
        pytest.skip(f"{name} does not serve")
    root = tmp_path_factory.mktemp("root")
    for program in PROGRAMS:
        found = os.path.realpath(shutil.which(program) or "")
        libraries = re.findall(r"(/\S+) \(0x", call("ldd", found).stdout)
        for path in libraries:
            copied(root, path)
        copied(root, found)
        (root / "bin").mkdir(exist_ok=True)
        if not (root / "bin" / program).exists():
            (root / "bin" / program).symlink_to(found)
    archive = root.parent / "image.tar"
    subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
    made = call(name, "import", str(archive), IMAGE)
    assert made.returncode == 0, made.stderr
    try:
        # Asked without dyno, which must not be able to skip its own tests.
        first = call(name, "run", "--rm", *ALONE, *SMALL, IMAGE, "id")
        if first.returncode != 0:
            pytest.skip(f"{name} runs no container here: {first.stderr.splitlines()[-1]}")
        yield name
    finally:
        call(name, "image", "rm", "--force", IMAGE)


def run(engine: str, *args: str) -> subprocess.CompletedProcess[str]:
    return call(DYNO, "container", "run", "--engine", engine, *ALONE, "--image", IMAGE, *args)


def names(engine: str) -> list[str]:
    return call(engine, "ps", "--all", "--format", "{{.Names}}").stdout.split()


def test_the_command_has_what_it_was_given(engine: str, tmp_path: Path) -> None:
    workspace = tmp_path / 'my suite, v2: é"q'
    workspace.mkdir()
    script = 'echo "[$HF_TOKEN][$LINES_OF][$MY_KEY]"; cat "$HF_TOKEN_PATH"; touch made; exit 7'
    given = ["--mount-workspace", "--workspace", str(workspace)]
    variables = ["-e", "LINES_OF=one\ntwo", "-e", "MY_KEY=k\n\n"]
    done = run(engine, *given, *variables, "-it", "--", "sh", "-c", script)
    assert done.returncode == 7, done.stderr
    assert done.stdout == f"[{TOKEN}][one\ntwo][k\n\n]\n{TOKEN}"
    assert (workspace / "made").stat().st_uid == os.getuid()


def test_a_name_that_is_taken_is_said_and_its_container_stays(engine: str) -> None:
    name = f"dyno-taken-{os.getpid()}"
    made = call(engine, "create", f"--name={name}", *ALONE, *SMALL, IMAGE, "id")
    assert made.returncode == 0, made.stderr
    try:
        done = run(engine, "--name", name, "--", "id")
        assert done.returncode == 4
        assert f"dyno: {engine} has a container of the name {name} already" in done.stderr
        assert name in names(engine)
    finally:
        call(engine, "rm", "--force", name)


@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGKILL])
def test_an_engine_knows_no_secret_and_keeps_no_container(
    engine: str, blow: signal.Signals, tmp_path: Path
) -> None:
    before = set(names(engine))
    own = ["container", "run", "--engine", engine, *ALONE, "--image", IMAGE]
    process = subprocess.Popen(
        [DYNO, *own, "--", "sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done"],
        env=environment(HF_TOKEN=TOKEN, XDG_RUNTIME_DIR=str(tmp_path)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout and process.stdout.readline() == "up\n"
        (name,) = set(names(engine)) - before
        described = call(engine, "inspect", name)
        assert described.returncode == 0 and TOKEN not in described.stdout
        process.send_signal(blow)
        assert process.wait(timeout=TIMEOUT) == {signal.SIGTERM: 5, signal.SIGKILL: -9}[blow]
    finally:
        process.kill()
        process.communicate()
    deadline = time.monotonic() + TIMEOUT
    while name in names(engine) or list(tmp_path.glob("dyno-container-*")):
        assert time.monotonic() < deadline, f"{name} is still there"
        time.sleep(0.1)
