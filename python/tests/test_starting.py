"""Workers on their way: one that does not arrive costs no test, and harms nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dyno._children import Gate, NotStarted
from dyno._walls import Passage, Way, go

from hostile import run_accounted
from running import write_suite
from test_sealed import INI, can_be_sealed

NEW_HOSTNAME = 0x04000000


def ends_with(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("parent_does", ["opens", "shuts", "dies"])
def test_a_fork_goes_on_when_it_was_told_of_and_ends_otherwise(parent_does: str) -> None:
    reads, writes = os.pipe()
    parent = os.fork()
    if not parent:
        gate = Gate()
        if not os.fork():
            gate.wait()
            os.write(writes, b"goes on")
            os._exit(0)
        if parent_does == "opens":
            gate.open()
        elif parent_does == "shuts":
            gate.shut()
        os._exit(0)
    os.close(writes)
    with open(reads, "rb") as said:
        assert said.read() == (b"goes on" if parent_does == "opens" else b"")
    assert ends_with(parent) == 0


def test_who_does_not_arrive_is_told_with_how_it_ended() -> None:
    def start() -> int:
        child = os.fork()
        if not child:
            os._exit(9)
        return child

    passage = Passage(os.pidfd_open(os.getpid()), NEW_HOSTNAME)
    with pytest.raises(NotStarted, match="ended on its way") as caught:
        passage.through(start)
    assert os.waitstatus_to_exitcode(caught.value.status) == 9


def test_a_process_whose_template_died_on_its_way_ends() -> None:
    """It must not come back from there: it would go on as the template."""
    reads, arrival = os.pipe()
    child = os.fork()
    if not child:
        os.close(reads)
        try:
            go(Way(arrival, os.pidfd_open(os.getppid()), NEW_HOSTNAME))
            # The one that has arrived.
            os._exit(0)
        finally:
            os._exit(9)
    os.close(reads)
    os.close(arrival)
    # Who is not root may not enter, and says so to nobody.
    assert ends_with(child) == (1 if os.geteuid() else 0)


DOES_NOT_ARRIVE = """
import os
from dyno import _walls

go = _walls.go

def once(*way):
    try:
        os.close(os.open("failed", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return go(*way)
    os._exit(7)

_walls.go = once
"""


@pytest.mark.skipif(not can_be_sealed(), reason="no namespaces can be made here")
def test_another_takes_the_place_of_a_worker_that_does_not_arrive(tmp_path: Path) -> None:
    text = "import pytest\npytestmark = pytest.mark.e2e\ndef test_a(): pass\ndef test_b(): pass\n"
    files = {"pytest.ini": INI, "conftest.py": DOES_NOT_ARRIVE, "test_a.py": text}
    write_suite(tmp_path, files)
    got = run_accounted(tmp_path, "-n", "2")
    assert (got.code, got.closing_counts()) == (0, {"passed": 2}), got.text
    assert "it did not get into its sandbox: it ended on its way" in got.stdout
    assert "INTERNALERROR" not in got.stdout
