"""`dyno doctor`: what a machine allows, and what mends it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import pytest

from running import DYNO, TIMEOUT, environment
from test_limits import FREEZE, groups
from test_sealed import can_be_sealed

ROOT_OF_ITS_OWN = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]


def doctor(*args: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    command = [DYNO, "doctor", *args]
    if shell:
        command = [*ROOT_OF_ITS_OWN, f'{shell}; exec "$@"', "sh", *command]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT
    )


def test_the_exit_code_says_whether_something_costs() -> None:
    done = doctor("--json")
    document = json.loads(done.stdout)
    assert document["version"] == 1
    found = [one for area in document["areas"] for one in area["findings"]]
    assert {"kernel", "wall net", "cgroup memory"} <= {one["name"] for one in found}
    costing = [one for one in found if one["state"] == "costs"]
    assert all(one["costs"] for one in costing)
    assert done.returncode == bool(costing)
    text = doctor()
    assert text.returncode == done.returncode
    assert text.stdout.count("\n  COSTS ") == len(costing)
    assert not [group for group in groups() if group.name.startswith("dyno.doctor.")]
    assert not list(Path(tempfile.gettempdir()).glob("dyno-doctor-*"))


@pytest.mark.skipif(not can_be_sealed(), reason="no namespaces can be made here")
@pytest.mark.parametrize(
    ("shell", "name", "remedy"),
    [
        (
            "echo 0 > /proc/sys/user/max_net_namespaces",
            "wall net",
            "sudo sysctl -w user.max_net_namespaces=28633",
        ),
        (
            f"{FREEZE}true",
            "cgroup memory",
            "/sys/fs/cgroup",
        ),
    ],
)
def test_what_is_forbidden_is_named_with_what_mends_it(shell: str, name: str, remedy: str) -> None:
    done = doctor("--json", shell=shell)
    assert done.returncode == 1, done.stdout + done.stderr
    (area,) = json.loads(done.stdout)["areas"]
    (finding,) = [one for one in area["findings"] if one["name"] == name]
    assert finding["state"] == "costs"
    assert finding["found"] and finding["costs"]
    assert remedy in finding["remedy"]
