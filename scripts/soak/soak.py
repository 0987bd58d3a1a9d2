#!/usr/bin/env python3
"""Runs a suite again and again and kills whatever is there at a random moment.

After each run nothing may be left, its journal must account for every test, and where the runner
itself was killed the run must be resumable to a whole one. `make soak N=1000` (docs/design/run.md).
"""

from __future__ import annotations

import argparse
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crowd import Crowd, Process, adopt_orphans, bury, environment, strike, wait_for_one
from grounds import MODES, Grounds, command_for, hidden, needed_by_runs, settle
from suite import expected_outcome, write_suite
from verdict import Kill, Outcomes, Recording, judge, judge_resumed, phase_of

__all__: list[str] = []

ROOT = Path(__file__).resolve().parents[2]
# A run of two seconds that takes this long hangs. A process that idles is given ten seconds to
# end, twice at most (`crates/dyno-runner/src/grace.rs`).
HANGS_AFTER = 60.0
# What takes so much longer than undisturbed is shown, for somebody to look at.
SLOW = 8.0
# What a run that ended by itself may leave for the kernel to finish, and a killed one for the
# keeper to kill.
GONE_AFTER = {"ended": 1.0, "killed": 10.0}
SIGNALS = [signal.SIGKILL] * 5 + [signal.SIGTERM, signal.SIGINT, signal.SIGSEGV]
# A quarter of the signals are sent to what was stopped before.
STOPPED = 1 / 4
# Of the runs; they take twice as long.
WIDE = 1 / 8
KILLS = [1, 1, 2, 2, 3]
STRATA = 8
MARKER = "DYNO_SOAK"


@dataclass
class Suite:
    """A suite as it runs undisturbed."""

    folder: Path
    expected: Outcomes = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Round:
    """One disturbed run."""

    number: int
    suite: Suite
    kills: list[Kill] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    code: int = 0
    seconds: float = 0.0


class Soak:
    """Kills until enough have been made."""

    def __init__(self, options: argparse.Namespace, own_grounds: bool) -> None:
        self.options = options
        self.work: Path = options.work
        self.own_grounds = own_grounds
        self.rounds: list[Round] = []
        self.resumed = 0
        self.suites: list[Suite] = []
        for name, files in (("small", 0), ("wide", 24)):
            suite = Suite(self.work / name)
            write_suite(suite.folder, files, walls=options.mode != "forbidden")
            self.suites.append(suite)
        self.grounds: Grounds

    def measure(self) -> None:
        """Run each suite undisturbed: what it comes to, and how long it takes."""
        for suite in self.suites:
            for _ in range(2):
                began = time.monotonic()
                process, said = self.start(suite)
                code = process.wait(timeout=HANGS_AFTER)
                suite.seconds = time.monotonic() - began
            recording = Recording(suite.folder / ".dyno/latest/journal.jsonl")
            suite.expected = {test: expected_outcome(test) for test in recording.tests()}
            if code != 1 or recording.outcomes() != suite.expected:
                differ = set(recording.outcomes().items()) ^ set(suite.expected.items())
                sys.exit(f"undisturbed it ends with {code}: {differ}\n{said.read_text()}")
            print(f"{suite.folder.name}: {len(suite.expected)} tests, {suite.seconds:.1f} s")
        self.grounds = Grounds(self.own_grounds)

    def start(self, suite: Suite, *args: str) -> tuple[subprocess.Popen[bytes], Path]:
        said = self.work / "said"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "CI"))}
        env = {
            **kept,
            MARKER: str(uuid.uuid4()),
            # What is installed here is none of the soak's business.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "XDG_CACHE_HOME": str(self.work / "cache"),
        }
        self.marker = f"{MARKER}={env[MARKER]}"
        command = [self.options.dyno, "test", "--python", sys.executable, "-p", "dyno.plugin"]
        with said.open("wb") as output:
            process = subprocess.Popen(
                [*command, *(args or ("-n", "auto"))],
                cwd=suite.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return process, said

    def play(self, number: int) -> Round:
        """One run, and the kills in it."""
        draw = random.Random(f"{self.options.seed}:{number}")
        suite = self.suites[draw.random() < WIDE]
        this = Round(number, suite)
        runs = suite.folder / ".dyno" / "runs"
        known = set(os.listdir(runs))
        instants = [
            suite.seconds * 1.1 * ((number + draw.random()) % STRATA + draw.random()) / STRATA
            for _ in range(draw.choice(KILLS))
        ]
        began = time.monotonic()
        process, said = self.start(suite)
        end = os.pidfd_open(process.pid)
        try:
            for instant in sorted(instants):
                select.select([end], [], [], max(0.0, began + instant - time.monotonic()))
                folder = newest(runs, known)
                kill = self.kill(draw, process.pid, end, folder)
                if kill:
                    this.kills.append(kill)
            if not select.select([end], [], [], HANGS_AFTER)[0]:
                there = "\n  ".join(map(str, Crowd.look().below(os.getpid())))
                this.wrong.append(f"it hangs:\n  {there}")
                process.kill()
        finally:
            os.close(end)
        this.code = process.wait()
        this.seconds = time.monotonic() - began
        folder = newest(runs, known)
        this.wrong += self.leftovers("ended" if this.code >= 0 else "killed", folder, this.kills)
        text = said.read_text(errors="replace")
        if folder:
            recording = Recording(folder / "journal.jsonl")
            this.wrong += judge(recording, this.code, this.kills, suite.expected, text)
            this.wrong += self.look_back(suite, folder, recording)
            if this.code not in (0, 1) and recording.of("run_started"):
                this.wrong += self.resume(suite, folder, this.kills, recording)
        elif this.code >= 0:
            this.wrong.append("it has no journal")
        if this.wrong or this.seconds > suite.seconds + SLOW:
            self.keep(this, folder, text)
        return this

    def kill(self, draw: random.Random, runner: int, end: int, folder: Path | None) -> Kill | None:
        """Send a signal to some process of the run, if it is still there."""
        recording = Recording(folder / "journal.jsonl" if folder else Path("/nowhere"))
        crowd = Crowd.look()
        kinds = crowd.kinds(runner, recording.workers())
        if not kinds:
            return None
        kind = draw.choice(sorted(kinds))
        process = draw.choice(sorted(kinds[kind], key=lambda one: one.pid))
        number = draw.choice(SIGNALS)
        stops = draw.random() < STOPPED
        kill = Kill(kind, number, process.pid, len(recording.events) + 1, stopped=stops)
        kill.phase = phase_of(recording)
        kill.ancestors = crowd.ancestors(process)
        if kind in ("holder", "first"):
            kill.worker = crowd.sandbox_of(process)
        elif kind in ("agent", "server", "fork"):
            kill.worker = crowd.worker_of(process) or self.by_sandbox(crowd, process)
        if stops:
            if not strike(process, signal.SIGSTOP):
                return None
            select.select([end], [], [], draw.uniform(0.0, 0.4))
            strike(process, number)
            # Whoever is stopped hears of no other signal.
            strike(process, signal.SIGCONT)
            return kill
        return kill if strike(process, number) else None

    def by_sandbox(self, crowd: Crowd, process: Process) -> str | None:
        """The worker behind whose walls a process is."""
        for pid in crowd.ancestors(process):
            found = crowd.sandbox_of(crowd.members[pid])
            if found:
                return found
        return None

    def leftovers(self, how: str, run: Path | None, kills: Sequence[Kill] = ()) -> list[str]:
        """What is still there, once it has had its time to go."""
        began = time.monotonic()
        deadline = began + GONE_AFTER[how]
        while True:
            bury()
            found = self.processes()
            if not found or time.monotonic() > deadline:
                break
            wait_for_one(found, deadline)
        wrong = [f"process left: {process}" for process in found]
        if {"keeper", "runner"} <= {kill.kind for kill in kills if kill.is_deadly}:
            # Nobody was there any more to kill them.
            wrong = []
        for process in found:
            strike(process, signal.SIGKILL)
        name = run.name if run else "no run"
        while self.grounds.left(name) and time.monotonic() < deadline:
            os.sched_yield()
        wrong += [f"left: {what}" for what in self.grounds.left(name)]
        self.grounds.clear()
        return wrong

    def processes(self) -> list[Process]:
        """Those that the run started: they are below this one, whatever became of their
        parents, or have its mark."""
        crowd = Crowd.look()
        below = crowd.below(os.getpid())
        marked = [one for one in crowd.members.values() if self.marker in environment(one.pid)]
        found = {one.pid: one for one in [*below, *marked] if not one.is_dead}
        return list(found.values())

    def look_back(self, suite: Suite, folder: Path, recording: Recording) -> list[str]:
        """`dyno report` and `dyno runs` read what is there."""
        wrong = []
        ends = recording.of("run_finished")
        code = ends[-1]["exit"] if ends else 2
        for args in (["report", folder.name], ["runs"]):
            done = subprocess.run(
                [self.options.dyno, *args],
                cwd=suite.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=HANGS_AFTER,
                check=False,
            )
            right = 0 if args == ["runs"] else code
            if done.returncode != right or b"damaged" in done.stderr:
                said = done.stderr.decode(errors="replace")
                wrong.append(f"dyno {args[0]} ends with {done.returncode}: {said}")
        return wrong

    def resume(self, suite: Suite, folder: Path, kills: list[Kill], first: Recording) -> list[str]:
        """Go on where the run was cut off, undisturbed."""
        self.resumed += 1
        known = set(os.listdir(folder.parent))
        process, said = self.start(suite, f"--resume={folder.name}")
        try:
            code = process.wait(timeout=HANGS_AFTER)
        except subprocess.TimeoutExpired:
            process.kill()
            return [f"resumed: it hangs: {said.read_text(errors='replace')}"]
        latest = newest(folder.parent, known)
        wrong = [f"resumed: {what}" for what in self.leftovers("ended", latest)]
        if latest is None:
            return [*wrong, f"resumed: no run: {said.read_text(errors='replace')}"]
        recording = Recording(latest / "journal.jsonl")
        wrong += judge_resumed(recording, code, kills, first, suite.expected)
        if wrong:
            wrong.append(f"resumed as {latest.name}: {said.read_text(errors='replace')[-3000:]}")
        return wrong

    def keep(self, this: Round, folder: Path | None, said: str) -> None:
        """Keep what a post-mortem needs."""
        place = self.work / "kept" / str(this.number)
        place.mkdir(parents=True)
        (place / "said").write_text(said)
        lines = [*map(str, this.kills), f"exit code {this.code}, {this.seconds:.1f} s", *this.wrong]
        (place / "wrong").write_text("\n".join(lines) + "\n")
        if folder:
            shutil.copytree(folder, place / "run", symlinks=True, ignore=sockets)
        print(f"round {this.number} ({place}):", *lines, sep="\n  ", flush=True)

    def run(self) -> int:
        self.measure()
        kills = 0
        only = self.options.round
        while kills < self.options.kills:
            this = self.play(len(self.rounds) if only is None else only)
            self.rounds.append(this)
            if (kills + len(this.kills)) // 50 > kills // 50:
                self.tell(kills + len(this.kills))
            kills += len(this.kills)
            if only is not None:
                break
        return self.close()

    def tell(self, kills: int) -> None:
        bad = sum(bool(this.wrong) for this in self.rounds)
        spent = time.monotonic() - BEGAN
        print(f"{kills} kills, {len(self.rounds)} runs, {bad} bad, {spent:.0f} s", flush=True)

    def close(self) -> int:
        kills = [kill for this in self.rounds for kill in this.kills]
        bad = [this for this in self.rounds if this.wrong]
        table = Counter((kill.kind, kill.name) for kill in kills)
        names = sorted({name for _, name in table})
        print(f"\n{'':10}" + "".join(f"{name:>17}" for name in names))
        for kind in sorted({kind for kind, _ in table}):
            print(f"{kind:10}" + "".join(f"{table[kind, name] or '':>17}" for name in names))
        phases = Counter(kill.phase for kill in kills)
        slowest = max(self.rounds, key=lambda this: this.seconds)
        print(
            "by phase: " + ", ".join(f"{phase} {count}" for phase, count in phases.items()),
            f"{len(kills)} kills in {len(self.rounds)} runs, {self.resumed} of them resumed; the "
            f"slowest, {slowest.number}, took {slowest.seconds:.1f} s",
            f"violations: {len(bad)}; seconds: {time.monotonic() - BEGAN:.0f}; mode "
            f"{self.options.mode}; seed {self.options.seed}",
            sep="\n",
        )
        again = f"MODE={self.options.mode} SEED={self.options.seed}"
        for this in bad:
            print(f"again: make soak {again} ROUND={this.number}")
        return 1 if bad else 0


def newest(runs: Path, known: set[str]) -> Path | None:
    """The run that has come to be since ``known``."""
    names = sorted(name for name in set(os.listdir(runs)) - known if name[0] != ".")
    return runs / names[-1] if names else None


def sockets(folder: str, names: list[str]) -> list[str]:
    """What of a folder cannot be copied."""
    return [name for name in names if Path(folder, name).is_socket()]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    here = "root" if os.geteuid() == 0 else "user"
    parser.add_argument("--dyno", default=os.environ.get("DYNO_BINARY") or shutil.which("dyno"))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--mode", choices=MODES, default=here)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--round", type=int, help="play this round alone")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.dyno:
        parser.error("no dyno command is found: name it by --dyno")
    options.dyno = os.path.abspath(options.dyno)
    return options


def main() -> int:
    options = parse()
    needed = needed_by_runs(os.path.dirname(options.dyno))
    if options.work:
        own = settle(options.mode, options.work, needed)
        adopt_orphans()
        return Soak(options, own).run()
    missing = hidden(options.mode, [Path(options.dyno), *needed])
    if missing:
        these = "".join(f"\n  {path}" for path in missing)
        sys.exit(
            f"a soak has a /tmp and a /dev/shm of its own, in which these are not there:{these}\n"
            "hint: use a checkout, a virtual environment and a dyno command in another place"
        )
    # Not below /tmp either.
    work = tempfile.mkdtemp(prefix="dyno-soak-", dir="/var/tmp")
    given = [f"--{name}={getattr(options, name)}" for name in ("dyno", "kills", "mode", "seed")]
    only = [] if options.round is None else [f"--round={options.round}"]
    command = [sys.executable, str(Path(__file__).resolve()), *given, *only, f"--work={work}"]
    print(f"mode {options.mode}, seed {options.seed}", flush=True)
    code = subprocess.run(command_for(options.mode, command), check=False).returncode
    if code == 0:
        shutil.rmtree(work, ignore_errors=True)
    return code


BEGAN = time.monotonic()

if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
