"""`dyno doctor`: what a machine lacks, and the commands that mend it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hub import Hub
from running import DYNO, TIMEOUT, environment, write_suite
from test_limits import FREEZE, groups
from test_sealed import can_be_sealed

Found = dict[str, Any]

AREAS = ["sealed", "python", "dynamo", "machine", "gpus", "models", "services", "containers"]

needs_namespaces = pytest.mark.skipif(not can_be_sealed(), reason="no namespaces can be made here")

ROOT_OF_ITS_OWN = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]


def run(
    *command: str, env: Mapping[str, str] | None = None, folder: Path | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment() if env is None else env,
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def doctor(*args: str, shell: str = "", **how: Any) -> subprocess.CompletedProcess[str]:
    command = [DYNO, "doctor", *args]
    if shell:
        command = [*ROOT_OF_ITS_OWN, f'{shell}; exec "$@"', "sh", *command]
    return run(*command, **how)


def found_in(text: str) -> dict[str, Found]:
    """The findings of a document, by name."""
    areas = json.loads(text)["areas"]
    return {one["name"]: one for area in areas for one in area["findings"]}


def look(*args: str, **how: Any) -> dict[str, Found]:
    done = doctor("--json", *args, **how)
    assert done.stderr == ""
    found = found_in(done.stdout)
    costs = any(one["state"] == "costs" for one in found.values())
    assert done.returncode == costs, done.stdout
    return found


def costing(found: dict[str, Found], name: str, *words: str) -> str:
    """The command that mends what costs something; it names the cause."""
    finding = found[name]
    assert finding["state"] == "costs", finding
    assert finding["costs"]
    for word in words:
        assert word in finding["found"], finding
    remedy: str = finding["remedy"]
    return remedy


def test_the_exit_code_says_whether_something_costs() -> None:
    done = doctor("--json")
    document = json.loads(done.stdout)
    assert document["version"] == 1
    assert [area["area"] for area in document["areas"]] == AREAS
    found = [one for area in document["areas"] for one in area["findings"]]
    assert {"kernel", "wall net", "cgroup memory", "pytest"} <= {one["name"] for one in found}
    assert {one["state"] for one in found} <= {"good", "note", "costs"}
    costs = [one for one in found if one["state"] == "costs"]
    assert all(one["costs"] and one["remedy"] for one in costs)
    assert done.returncode == bool(costs)
    text = doctor()
    assert text.returncode == done.returncode
    assert text.stdout.count("\n  COSTS ") == len(costs)
    assert not [group for group in groups() if group.name.startswith("dyno.doctor.")]
    assert not list(Path(tempfile.gettempdir()).glob("dyno-doctor-*"))


def test_areas_are_looked_at_alone_and_in_their_order() -> None:
    done = doctor("services", "python", "services")
    titles = [line for line in done.stdout.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles == ["python:", "services:"]
    wrong = doctor("servces")
    assert wrong.stdout == ""
    assert "there are sealed, python, dynamo, machine" in wrong.stderr


@needs_namespaces
@pytest.mark.parametrize(
    ("shell", "name", "remedy"),
    [
        (
            "echo 0 > /proc/sys/user/max_net_namespaces",
            "wall net",
            "sysctl -w user.max_net_namespaces=28633",
        ),
        (
            f"{FREEZE}true",
            "cgroup memory",
            "/sys/fs/cgroup",
        ),
    ],
)
def test_what_is_forbidden_is_named_with_what_mends_it(shell: str, name: str, remedy: str) -> None:
    assert remedy in costing(look("sealed", shell=shell), name)


@needs_namespaces
def test_no_user_namespaces(tmp_path: Path) -> None:
    if shutil.which("sysctl") is None:
        pytest.skip("sysctl is not installed (procps)")
    # An ordinary user's id, in a place where the settings can be changed.
    user = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps", "sh", "-ec"]
    unprivileged = "setpriv --ambient-caps=-all --inh-caps=-all"
    script = f"""
    echo 0 > /proc/sys/user/max_user_namespaces
    {unprivileged} "$@" > {tmp_path}/before || true
    sh -ec "$({sys.executable} {tmp_path}/remedy.py)"
    {unprivileged} "$@" > {tmp_path}/after || true
    """
    (tmp_path / "remedy.py").write_text(
        "import json, pathlib\n"
        f"areas = json.loads(pathlib.Path({str(tmp_path / 'before')!r}).read_text())['areas']\n"
        "found = {one['name']: one for one in areas[0]['findings']}\n"
        "print(found['wall user']['remedy'].removeprefix('sudo '))\n"
    )
    done = run(*user, script, "sh", DYNO, "doctor", "sealed", "--json")
    assert done.returncode == 0, done.stderr
    before = found_in((tmp_path / "before").read_text())
    mend = "sudo sysctl -w user.max_user_namespaces=28633"
    for name in ("wall user", "wall net", "wall mount", "user.max_user_namespaces"):
        assert costing(before, name) == mend
    assert "limit" in before["wall user"]["found"]
    after = found_in((tmp_path / "after").read_text())
    assert {after[name]["state"] for name in ("wall user", "wall net")} == {"good"}


def install(site: Path, name: str, version: str, *requires: str, module: str = "") -> None:
    """Puts a package into an environment, as pip does."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    head = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    head += [f"Requires-Dist: {one}" for one in requires]
    (folder / "METADATA").write_text("\n".join(head) + "\n")
    (folder / "INSTALLER").write_text("pip\n")
    lines = [f"{folder.name}/{one},," for one in ("METADATA", "INSTALLER", "RECORD")]
    if module:
        (site / module).parent.mkdir(parents=True, exist_ok=True)
        (site / module).write_text("")
        lines.append(f"{module},,")
    (folder / "RECORD").write_text("\n".join(lines) + "\n")


def wheel(folder: Path, name: str, version: str) -> None:
    """A package that pip can install."""
    info = f"{name}-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}/__init__.py", "")
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        tag = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        file.writestr(f"{info}/WHEEL", tag)
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """An environment with pip and nothing else; a space is in its path."""
    folder = tmp_path / "an environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=TIMEOUT)
    return folder


def test_dynamo_and_an_engine_that_do_not_fit(venv: Path, tmp_path: Path) -> None:
    (site,) = venv.glob("lib/python*/site-packages")
    pins = ["ai-dynamo-runtime==9.2.0", "vllm[otel]==9.1.0; extra == 'vllm'"]
    install(site, "ai_dynamo", "9.2.0", *pins)
    install(site, "ai_dynamo_runtime", "9.2.0", module="dynamo/_core.py")
    install(site, "vllm", "9.0.0", module="vllm/__init__.py")
    python = str(venv / "bin" / "python")
    alone = {k: v for k, v in environment().items() if not k.startswith("PYTHON")}

    def looked(**more: str) -> dict[str, Found]:
        return look("dynamo", "--python", python, env={**alone, **more}, folder=tmp_path)

    mend = costing(looked(), "vllm", "vllm 9.0.0", "ai-dynamo 9.2.0 asks for vllm==9.1.0")
    assert mend == f"'{python}' -m pip install vllm==9.1.0"
    wheel(tmp_path / "wheels", "vllm", "9.1.0")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    done = run("bash", "-ec", mend, env={**alone, **offline})
    assert done.returncode == 0, done.stderr
    assert looked()["vllm"]["state"] == "good"
    # The same engine, in an environment of its own.
    other = looked(DYNAMO_VLLM_PYTHON=sys.executable)
    assert "9.2.0" in other["DYNAMO_VLLM_PYTHON"]["found"]
    mend = costing(other, "DYNAMO_VLLM_PYTHON")
    assert "ai-dynamo==9.2.0" in mend
    gone = looked(DYNAMO_VLLM_PYTHON="/nowhere/python")
    assert costing(gone, "DYNAMO_VLLM_PYTHON", "/nowhere/python") == "unset DYNAMO_VLLM_PYTHON"


def test_a_runtime_of_another_version_and_one_that_does_not_load(tmp_path: Path) -> None:
    venv = tmp_path / "env"
    make = [sys.executable, "-m", "venv", "--without-pip", str(venv)]
    subprocess.run(make, check=True, timeout=TIMEOUT)
    (site,) = venv.glob("lib/python*/site-packages")
    install(site, "ai_dynamo", "9.2.0", "ai-dynamo-runtime==9.2.0", "msgspec>=0.19.0")
    install(site, "ai_dynamo_runtime", "9.1.0", module="dynamo/_core.py")
    args = ("dynamo", "--python", str(venv / "bin" / "python"))
    alone = {k: v for k, v in environment().items() if not k.startswith("PYTHON")}
    found = look(*args, env=alone, folder=tmp_path)
    mend = costing(found, "ai-dynamo-runtime", "9.1.0", "ai-dynamo-runtime==9.2.0")
    assert mend.endswith(" ai-dynamo-runtime==9.2.0")
    mend = costing(found, "dynamo's packages", "msgspec is not installed")
    assert mend.endswith("'msgspec>=0.19.0'")
    (site / "ai_dynamo_runtime-9.1.0.dist-info").rename(site / "ai_dynamo_runtime-9.2.0.dist-info")
    (site / "dynamo" / "_core.py").write_text("raise ImportError('GLIBC_9.9 not found')")
    found = look(*args, env=alone, folder=tmp_path)
    assert "--force-reinstall" in costing(found, "ai-dynamo-runtime", "GLIBC_9.9 not found")


def test_an_environment_whose_interpreter_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "env"
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("home = /opt/python3.9/bin\n")
    (folder / "bin" / "python").symlink_to("python3.9")
    (folder / "bin" / "python3.9").symlink_to("/opt/python3.9/bin/python3.9")
    env = environment(VIRTUAL_ENV=str(folder))
    found = look("python", env=env, folder=tmp_path)
    mend = costing(found, "environment", "/opt/python3.9/bin/python3.9", "VIRTUAL_ENV")
    assert run("bash", "-ec", mend, env=env).returncode == 0
    assert look("python", env=env, folder=tmp_path)["environment"]["state"] != "costs"


def test_a_python_that_hangs_is_given_up(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    python.chmod(0o755)
    found = look("python", "--python", str(python))
    costing(found, "interpreter", "does not answer within 10 s")
    pid = (tmp_path / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}/cmdline").exists() or not (
        Path(f"/proc/{pid}/cmdline").read_text()
    )


def test_a_package_and_a_command_of_two_versions(tmp_path: Path) -> None:
    other = tmp_path / "dyno"
    other.mkdir()
    (other / "__init__.py").write_text("")
    (other / "_wire.py").write_text("PROTOCOL = 1\n")
    found = look("python", env=environment(PYTHONPATH=str(tmp_path)), folder=tmp_path)
    costing(found, "dyno package", str(other), "protocol 1")


@needs_namespaces
def test_a_read_only_cache(tmp_path: Path) -> None:
    cache = tmp_path / "my cache"
    (cache / "hub").mkdir(parents=True)
    env = environment(HF_HOME=str(cache), HF_HUB_OFFLINE="1")
    script = f"""
    mount --bind "$HF_HOME" "$HF_HOME"
    mount -o remount,bind,ro "$HF_HOME"
    "$@" > {tmp_path}/before || true
    sh -ec "$({sys.executable} {tmp_path}/remedy.py)"
    "$@" > {tmp_path}/after || true
    """
    (tmp_path / "remedy.py").write_text(
        "import json, pathlib\n"
        f"areas = json.loads(pathlib.Path({str(tmp_path / 'before')!r}).read_text())['areas']\n"
        "print([one for one in areas[0]['findings'] if one['name'] == 'cache'][0]['remedy'])\n"
    )
    command = (DYNO, "doctor", "models", "--json")
    done = run(*ROOT_OF_ITS_OWN, script, "sh", *command, env=env, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    before = found_in((tmp_path / "before").read_text())
    mend = costing(before, "cache", str(cache / "hub"), "read-only file system")
    assert mend == f"mount -o remount,bind,rw '{cache}'"
    after = found_in((tmp_path / "after").read_text())
    assert after["cache"]["state"] == "good"
    assert list(cache.rglob("*")) == [cache / "hub"]


def test_a_missing_service(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    etcd = programs / "etcd"
    # A machine whose package is installed by what stands in for the package manager.
    (programs / "apt-get").write_text(
        "#!/bin/sh\n"
        '[ "$*" = "install etcd-server" ] || exit 1\n'
        f"printf '#!/bin/sh\\necho etcd Version: 3.4.23\\n' > '{etcd}'\n"
        f"/bin/chmod +x '{etcd}'\n"
    )
    (programs / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    env = environment(PATH=str(programs))
    found = look("services", env=env, folder=tmp_path)
    mend = costing(found, "etcd", "not installed")
    assert "skipped" in found["etcd"]["costs"]
    assert run("/bin/sh", "-ec", mend, env=env).returncode == 0
    found = look("services", env=env, folder=tmp_path)
    assert found["etcd"]["state"] == "good"
    assert "3.4.23" in found["etcd"]["found"]


def test_a_server_that_nobody_runs_is_named_without_its_password() -> None:
    env = environment(NATS_SERVER="nats://me:hush-hush@127.0.0.1:1", ETCD_ENDPOINTS="")
    done = doctor("services", "--json", env=env)
    found = found_in(done.stdout)
    mend = costing(found, "NATS_SERVER", "nats://127.0.0.1:1", "nobody listens")
    assert mend == "unset NATS_SERVER"
    assert "hush-hush" not in done.stdout


SUITE = """
import pytest

@pytest.mark.model("org/gated")
def test_gated(): ...

@pytest.mark.parametrize("n", range(3))
@pytest.mark.model("org/open", revision="main")
def test_open(n): ...
"""

SECRET = "hf_itIsASecretThatNobodyMayRead"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    folder = tmp_path / "suite"
    folder.mkdir()
    write_suite(folder, {"test_models.py": SUITE})
    return folder


def test_an_unset_token_for_a_gated_model(suite: Path, tmp_path: Path) -> None:
    files = {"config.json": b"{}", "model.safetensors": b"w" * 1000}
    with Hub(tokens={SECRET}) as hub:
        hub.add("org/gated", files, gated="manual", readers={SECRET})
        hub.add("org/open", files)
        env = environment(**hub.environment(tmp_path / "home"))
        env.pop("HF_TOKEN", None)
        found = look("models", env=env, folder=suite)
        mend = costing(found, "model org/gated", "gated", "no token is set")
        assert f"ask for access on {hub.endpoint}/org/gated" in mend
        assert costing(found, "token", "neither in HF_TOKEN nor in") in mend
        assert found["model org/gated"]["costs"] == "1 test cannot run"
        assert found["model org/open"]["state"] == "good"
        assert "3 tests" in found["model org/open"]["found"]
        # Nothing is fetched, and nothing is left.
        assert hub.sent("*/resolve/*") == 0
        assert not (tmp_path / "home").exists()

        command = f"{mend}\nexec '{DYNO}' doctor models --json"
        done = run("bash", "-ec", command, env=env, folder=suite, stdin=f"{SECRET}\n")
        assert done.returncode == 0, done.stdout
        after = found_in(done.stdout)
        assert {after[name]["state"] for name in ("token", "model org/gated")} == {"good"}
        # One that may not read it.
        hub.tokens.add("hf_other")
        found = look("models", env={**env, "HF_TOKEN": "hf_other"}, folder=suite)
        costing(found, "model org/gated", "has not been let in")
        assert found["token"]["state"] == "good"
        for asked in ("models", "python"):
            shown = doctor(asked, env={**env, "HF_TOKEN": SECRET}, folder=suite)
            assert SECRET not in shown.stdout + shown.stderr + done.stdout


def test_models_that_cannot_be_had_are_named_each_with_its_reason(
    suite: Path, tmp_path: Path
) -> None:
    more = """
    import pytest

    @pytest.mark.model("org/open", revision="v9")
    def test_revision(): ...

    @pytest.mark.model("no such/model")
    def test_name(): ...

    @pytest.mark.model("/a/folder", 7)
    def test_folder(): ...
    """
    (suite / "test_more.py").write_text("\n".join(line[4:] for line in more.splitlines()))
    with Hub() as hub:
        hub.add("org/open", {"config.json": b"{}"})
        env = environment(**hub.environment(tmp_path / "home"))
        found = look("models", env=env, folder=suite)
        costing(found, "model org/gated", "has no model")
        costing(found, "model org/open@v9", "no revision")
        costing(found, "model", "is no model's name", "test_more.py::test_name")
        assert found["model org/open"]["state"] == "good"
        narrow = look("models", "--", "-k", "test_open", env=env, folder=suite)
        assert [name for name in narrow if name.startswith("model")] == ["model org/open"]
    # Now nobody listens there.
    found = look("models", env=env, folder=suite)
    mend = costing(found, "hub", "cannot reach 127.0.0.1")
    assert "HF_ENDPOINT" in mend
    assert "org/open" in found["hub"]["costs"]
    found = look("models", env={**env, "HF_HUB_OFFLINE": "1"}, folder=suite)
    assert found["hub"]["state"] == "note"
    assert "dyno models prefetch org/open" in costing(found, "model org/open", "not in the cache")


def test_a_hub_that_does_not_answer_costs_seconds(suite: Path, tmp_path: Path) -> None:
    from hub import Silence

    with Hub() as hub:
        hub.add("org/open", {"config.json": b"{}"})
        hub.order("*", Silence(), times=None)
        env = environment(**hub.environment(tmp_path / "home"))
        began = time.monotonic()
        found = look("models", env=env, folder=suite)
        assert time.monotonic() - began < 30
        costing(found, "hub", "answer")


def test_odd_variables_are_told_in_lines_of_their_own(tmp_path: Path) -> None:
    env = environment(
        HF_ENDPOINT="http://a\nb",
        HF_TOKEN=f"{SECRET} \n{SECRET}",
        HF_HOME="relative/hf",
        ETCD_ENDPOINTS="http://a\nb,,https://:99999",
        NATS_SERVER="[::1",
    )
    done = doctor("models", "services", "--json", env=env, folder=tmp_path)
    assert done.stderr == ""
    assert SECRET not in done.stdout
    areas = json.loads(done.stdout)["areas"]
    found = [one for area in areas for one in area["findings"] if one["state"] == "costs"]
    names = [one["name"] for one in found if one["name"] not in ("etcd", "nats-server")]
    assert names == ["hub", "token", "ETCD_ENDPOINTS", "ETCD_ENDPOINTS", "NATS_SERVER"]
    assert not [one for one in found if "\n" in one["found"]]
    assert not list(tmp_path.iterdir())


def test_a_token_that_others_can_read(tmp_path: Path) -> None:
    file = tmp_path / "hf" / "token"
    file.parent.mkdir()
    file.write_text(SECRET)
    file.chmod(0o644)
    env = {k: v for k, v in environment(HF_HOME=str(file.parent)).items() if k != "HF_TOKEN"}
    mend = costing(look("models", env=env, folder=tmp_path), "token", str(file), "mode 644")
    assert run("bash", "-ec", mend, env=env).returncode == 0
    assert look("models", env=env, folder=tmp_path)["token"]["state"] == "good"


def test_an_engine_that_hangs_costs_seconds_and_is_ended(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\nsleep 600 &\necho $! >> {tmp_path}/pids\nwait\n")
    docker.chmod(0o755)
    # Without podman, which would do instead.
    env = environment(PATH=f"{tmp_path}:/nowhere")
    (tmp_path / "sleep").symlink_to("/bin/sleep")
    found = look("containers", env=env, folder=tmp_path)
    costing(found, "docker", "does not answer within 5 s")
    for pid in (tmp_path / "pids").read_text().split():
        status = Path(f"/proc/{pid}/status")
        assert not status.exists() or "State:\tZ" in status.read_text()


def test_the_page_has_every_line_that_is_shown() -> None:
    page = Path(__file__).parents[2] / "docs" / "doctor.md"
    lines = [line.split("|")[1].strip() for line in page.read_text().splitlines() if "|" in line]
    starts = [line.removesuffix("…") for line in lines if line.endswith("…")]
    for name in look(folder=Path(os.sep)):
        assert name in lines or name.startswith(tuple(starts)), name
