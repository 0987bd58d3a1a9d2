"""`dyno container`: what an engine is asked, what is said of one that refuses, and what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fake_engine import FakeEngine
from running import DYNO
from terminals import Terminal

ROOT = Path(__file__).resolve().parents[2]
# What is awaited comes within a second; a container that is deaf has ten.
TIMEOUT = 30

TOKEN = "hf_never-to-be-seen"


def dyno(
    engine: FakeEngine, *args: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DYNO, "container", *args],
        cwd=cwd or engine.folder,
        env=engine.environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def build(engine: FakeEngine, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    wheel = engine.folder / "dyno-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    own = ["--repository", str(ROOT), "--wheel", str(wheel)]
    return dyno(engine, "build", *own, *args, cwd=None, **variables)


def left(engine: FakeEngine) -> list[str]:
    """Private folders that are still there."""
    return [str(path) for path in engine.folder.glob("dyno-container-*")]


def is_running(pid: int) -> bool:
    """Whether it is, but for its grave."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(engine: FakeEngine) -> None:
    deadline = time.monotonic() + TIMEOUT
    while left(engine) or not engine.asked("rm"):
        assert time.monotonic() < deadline, f"{left(engine)} is still there"
        time.sleep(0.05)


@pytest.fixture
def docker(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "engine", "docker")


@pytest.fixture
def podman(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "engine", "podman")


def test_a_build_has_its_files_and_leaves_none(docker: FakeEngine) -> None:
    docker.tell("buildx", "0")
    done = build(docker, "--framework", "none", "--base", "mine:1")
    assert done.returncode == 0, done.stderr
    assert "built dyno:none-runtime, dyno:latest" in done.stderr
    (asked,) = docker.asked("build")
    assert asked.buildkit == "1"
    assert set(asked.files) == {
        "context/Containerfile",
        "context/requirements/none.txt",
        "context/wheels/dyno-0.1.0-py3-none-any.whl",
    }
    assert asked.files["context/Containerfile"].count("FROM mine:1 ") == 1
    assert not left(docker)


def test_a_hosts_registry_is_given_and_not_shown(docker: FakeEngine) -> None:
    bundle = docker.folder / "ca.pem"
    bundle.write_text("certificates")
    host = {
        "PIP_INDEX_URL": "https://me:password-of-mine@registry.test/simple",
        "https_proxy": "http://me:password-of-mine@proxy.test",
        "SSL_CERT_FILE": str(bundle),
        "HF_TOKEN": TOKEN,
    }
    for buildx, place in (("0", "registry"), ("1", "context/host/registry")):
        docker.tell("buildx", buildx)
        done = build(docker, "--framework", "none", **host)
        assert done.returncode == 0, done.stderr
        asked = docker.asked("build")[-1]
        assert "password-of-mine" in asked.files[place]
        assert asked.files[place.replace("registry", "authorities")] == "certificates"
        seen = " ".join(asked.words) + asked.files["context/Containerfile"] + done.stdout
        assert "password-of-mine" not in seen + done.stderr
        assert TOKEN not in seen + str(asked.files)
    # The stage that such a file was copied into is removed.
    (prune,) = [call for call in docker.asked("image") if call.words[1] == "prune"]
    assert prune.words[-1] == "--filter=label=dyno.stage=thrown-away"
    assert not left(docker)


def test_a_build_that_fails_says_so_and_leaves_nothing(docker: FakeEngine) -> None:
    docker.tell("code", "1")
    done = build(docker, "--framework", "vllm", PIP_INDEX_URL="https://registry.test")
    assert done.returncode == 1
    assert "dyno: docker did not build dyno:vllm-runtime, and left no tag" in done.stderr
    assert [call.words[1] for call in docker.asked("image")] == ["prune"]
    assert not left(docker)


def test_a_run_is_the_callers_and_its_code_is_the_commands(docker: FakeEngine) -> None:
    docker.tell("code", "5")
    workspace = docker.folder / "my suite, v2"
    workspace.mkdir()
    (workspace / "pytest.ini").touch()
    done = dyno(
        docker, "run", "--mount-workspace", "-it", "--", "pytest", "-x", "a b", cwd=workspace
    )
    assert done.returncode == 5, done.stderr
    assert "note: standard input is no terminal, so there is none inside" in done.stderr
    (asked,) = docker.asked("run")
    assert asked.has(f"--user={os.getuid()}:{os.getgid()}")
    assert asked.has(f'--mount=type=bind,"source={workspace}",target=/workspace')
    assert asked.has("dyno:latest", "/run/dyno/entry", "pytest", "-x", "a b")
    assert "--rm" in asked.words and "--tty" not in asked.words
    assert (docker.folder / "home/.cache/huggingface/hub").is_dir()
    name, label = asked.words[asked.words.index("--rm") + 1 :][:2]
    assert label.removeprefix("--label=dyno.run=") == name.removeprefix("--name=")
    (removed,) = docker.asked("rm")
    assert removed.has("--force") and removed.words[-1] == label.removeprefix("--label=")
    assert not left(docker)


def test_a_container_of_somebody_elses_is_not_touched(docker: FakeEngine) -> None:
    docker.tell("names", "mine")
    taken = dyno(docker, "run", "--name", "mine", "--", "true")
    assert taken.returncode == 4 and not docker.asked("run")
    assert taken.stderr.endswith(
        "dyno: docker has a container of the name mine already\n"
        "hint: give another --name; `docker rm mine` removes it where nobody needs it\n"
    )
    # It came between the question and the run.
    docker.tell("names", "")
    docker.tell("conflict", "yes")
    assert dyno(docker, "run", "--name", "mine", "--", "true").returncode == 125
    assert docker.asked("ps") and not docker.asked("rm") and not docker.asked("kill")
    assert not left(docker)


def test_a_token_goes_by_a_file_that_nobody_else_may_read(docker: FakeEngine) -> None:
    home = docker.folder / "hub-home"
    home.mkdir()
    (home / "token").write_text(TOKEN + "\n")
    done = dyno(
        docker, "run", "-e", "MY_KEY=first\nsecond\n", "--", "env",
        HF_HOME=str(home),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (asked,) = docker.asked("run")
    assert asked.files["HF_TOKEN"] == TOKEN
    assert asked.files["MY_KEY"] == "first\nsecond\n"
    modes: dict[str, str] = asked.private["modes"]  # type: ignore[assignment]
    assert (modes[asked.folder.name], modes["HF_TOKEN"]) == ("0o700", "0o600")
    # Of all that it ran, nothing was told the token in its arguments.
    for call in [*docker.asked("run"), *docker.asked("rm"), *docker.asked("image")]:
        assert not any(TOKEN in word or "first" in word for word in call.words)
    assert TOKEN not in done.stdout + done.stderr
    assert not left(docker)


def entry(folder: Path, secrets: dict[str, str], *command: str) -> str:
    """What the first program of a container makes of these files."""
    (folder / "secrets").mkdir(parents=True)
    for name, value in secrets.items():
        (folder / "secrets" / name).write_text(value)
    text = _entry_text(folder).replace("/run/dyno", str(folder))
    done = subprocess.run(
        ["sh", "-c", text, "sh", *command], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _entry_text(folder: Path) -> str:
    engine = FakeEngine(folder.parent / f"engine-{folder.name}", "docker")
    assert dyno(engine, "run", "--", "true").returncode == 0
    return engine.asked("run")[0].files["entry"]


def test_values_come_out_of_their_files_as_they_were(tmp_path: Path) -> None:
    values = {"A": "plain", "B": "two\nlines\n\n", "C": "a'b\"c $(id) `id` \\n *", "D": " spaces "}
    show = "import os; print([os.environ[name] for name in 'ABCD'])"
    assert entry(tmp_path / "run", values, "python3", "-c", show) == f"{list(values.values())}\n"
    words = entry(tmp_path / "more", {}, "printf", "[%s]", "a b", "*", "")
    assert words == "[a b][*][]"


@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("deaf", [False, True])
def test_nothing_is_left_by_any_road(docker: FakeEngine, blow: signal.Signals, deaf: bool) -> None:
    if blow == signal.SIGINT and deaf:
        pytest.skip("whoever presses Ctrl-C waits for the command, or presses another key")
    docker.tell("lasts", "yes")
    if deaf:
        docker.tell("deaf", "yes")
    process = subprocess.Popen(
        [DYNO, "container", "run", "--", "sleep", "60"],
        cwd=docker.folder,
        env=docker.environment(HF_TOKEN=TOKEN),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + TIMEOUT
        while not (docker.folder / "started").exists():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        assert left(docker)
        process.send_signal(blow)
        code = process.wait(timeout=TIMEOUT)
    finally:
        process.kill()
        process.wait()
    wait_until_gone(docker)
    expected = {signal.SIGKILL: -9}.get(blow, 137 if deaf else 143)
    assert code == expected
    if blow != signal.SIGKILL:
        name = blow.name.removeprefix("SIG")
        assert docker.asked("kill")[0].words[1:3] == ["--signal", name]
    assert not is_running(int((docker.folder / "pid").read_text()))


def test_a_terminal_is_handed_through(docker: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in docker.environment().items():
        monkeypatch.setenv(name, value)
    with Terminal(docker.folder, DYNO, "container", "run", "-it", "--", "bash") as terminal:
        code, screen = terminal.end()
    assert code == 0, screen
    (asked,) = docker.asked("run")
    assert asked.has("--interactive", "--tty")


def test_no_engine_is_named_with_its_packages(tmp_path: Path) -> None:
    nothing = FakeEngine(tmp_path / "engine")
    done = build(nothing, "--framework", "none")
    assert done.returncode == 4
    assert done.stderr == (
        "dyno: there is no container engine on PATH, neither docker nor podman\n"
        "hint: sudo apt-get install docker.io, or sudo apt-get install podman\n"
    )
    dry = build(nothing, "--framework", "sglang", "--dry-run")
    assert dry.returncode == 0 and "this is the plan for docker" in dry.stderr
    assert "requirements/sglang.txt" in dry.stdout


@pytest.mark.parametrize(
    ("complaint", "said"),
    [
        ("Cannot connect to the Docker daemon at unix:///x.", "sudo systemctl start docker"),
        ("permission denied while trying to connect", 'sudo usermod -aG docker "$USER"'),
        ("something else\nmore", "docker cannot be used: something else"),
    ],
)
def test_an_engine_that_refuses_is_told_with_what_mends_it(
    docker: FakeEngine, complaint: str, said: str
) -> None:
    docker.tell("refusal", complaint)
    done = dyno(docker, "run", "--", "true")
    assert done.returncode == 4
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not docker.asked("run")


def test_the_engine_that_serves_is_taken(tmp_path: Path) -> None:
    both = FakeEngine(tmp_path / "engine", "docker", "podman")
    assert dyno(both, "run", "--", "true").returncode == 0
    assert both.asked("run")[0].engine == "docker"
    assert dyno(both, "run", "--engine", "podman", "--", "true").returncode == 0
    assert both.asked("run")[1].engine == "podman"
    both.tell("info-docker", '{"ServerErrors": ["Cannot connect to the Docker daemon"]}')
    assert dyno(both, "run", "--", "true").returncode == 0
    assert both.asked("run")[2].engine == "podman"


def test_podman_is_spoken_to_in_its_words(podman: FakeEngine) -> None:
    podman.tell("info-podman", '{"host": {"security": {"rootless": true}}}')
    assert dyno(podman, "run", "--gpus", "2", "--", "true").returncode == 0
    (asked,) = podman.asked("run")
    assert asked.has("--userns=keep-id")
    assert asked.has("--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=1")
    assert asked.has("--security-opt=unmask=ALL")


def test_an_image_that_is_not_built_is_named_with_its_command(docker: FakeEngine) -> None:
    done = dyno(docker, "run", "--framework", "vllm", "--target", "dev", "--", "true")
    assert done.returncode == 4
    assert done.stderr.splitlines()[-2:] == [
        "dyno: docker has no image dyno:vllm-dev",
        "hint: dyno container build --framework vllm --target dev",
    ]
    assert not docker.asked("run") and not left(docker)


def test_all_that_is_wrong_is_told_at_once(docker: FakeEngine) -> None:
    wrong = ["--framework", "vlm", "--target", "x", "--build-arg", "API_KEY=never-shown"]
    done = build(docker, *wrong, "--engine", "dokcer", "--network", "a b")
    assert done.returncode == 4
    assert done.stderr.count("dyno: ") == done.stderr.count("hint: ") == 5
    assert "is it `vllm`?" in done.stderr and "is it `docker`?" in done.stderr
    assert "never-shown" not in done.stderr
    assert not docker.asked("info")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--mount-workspace", "--workspace", "missing"], "missing cannot be mounted"),
        (["--hf-cache", "file"], "the cache of models"),
        (["--env", "A-B=never-shown"], '--env "A-B" is no variable\'s name'),
        (["--mount-workspace", "--workspace", "new\nline"], "control characters"),
    ],
)
def test_bad_input_is_told_and_starts_nothing(
    docker: FakeEngine, args: list[str], said: str
) -> None:
    (docker.folder / "file").touch()
    (docker.folder / "new\nline").mkdir()
    done = dyno(docker, "run", *args, "--", "true")
    assert done.returncode == 4, done.stdout
    assert said in done.stderr and "hint: " in done.stderr
    assert "never-shown" not in done.stderr
    assert not docker.asked("run") and not left(docker)


def test_a_mistyped_option_is_not_taken_for_a_command(docker: FakeEngine) -> None:
    done = dyno(docker, "run", "--mount-workspce", "--", "pytest")
    assert done.returncode == 4
    assert "--mount-workspace" in done.stderr


def test_a_dry_run_changes_nothing(docker: FakeEngine) -> None:
    for _ in range(2):
        done = dyno(docker, "run", "-e", "A=b c", "--dry-run", "--", "true", HF_TOKEN=TOKEN)
        assert done.returncode == 0, done.stderr
        assert "'--env=A=b c'" in done.stdout and TOKEN not in done.stdout
    assert not docker.asked("run")
    assert not (docker.folder / "home/.cache").exists()
    assert not left(docker)


@pytest.mark.parametrize("script", ["build.sh", "run.sh"])
def test_the_scripts_work_from_anywhere(docker: FakeEngine, script: str) -> None:
    args = {
        "build.sh": ["--framework", "none", "--dry-run"],
        "run.sh": ["--mount-workspace", "--dry-run", "--", "pytest", "-m", "unit and gpu_0"],
    }[script]
    variables = docker.environment(DYNO_BINARY=DYNO)

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / "container" / script), *args],
            cwd=docker.folder,
            env={**variables, **more},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )

    done = run()
    assert done.returncode == 0, done.stderr
    if script == "run.sh":
        assert f"source={ROOT},target=/workspace" in done.stdout
        assert done.stdout.endswith("pytest -m 'unit and gpu_0'\n")
    wrong = run(DYNO_BINARY=str(docker.folder / "none"))
    assert wrong.returncode == 4 and "DYNO_BINARY" in wrong.stderr
