#!/usr/bin/env python3
"""Fetches models through everything that goes wrong on the way, and looks at what came.

Each round makes a model of a few files and a Hub that cuts, fails and lies; `dyno models prefetch`
is killed, started twice at once, or started after another tool has left its half-written files.
Then the cache must hold every file as it is on the Hub, nothing else under a checksum's name, and
no byte of the token. `make downloads N=500` (docs/design/hub.md).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python" / "tests"))

from hub import Cut, Echo, Fault, Hub, IgnoreRange, Silence, Slow, Status, Wrong, rate_limit

__all__: list[str] = []

NAME = "org/name"
# A round takes a second at most; one that takes this long hangs.
HANGS_AFTER = 60.0
# How often a process is killed at most, before one is let through.
MOST_KILLS = 3
CHECKSUM = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
SERVERS = ["*", "hub", "storage"]
LARGEST = 400_000
# How a server is silent for longer than a client waits.
SILENT_FOR = "1"
KINDS = {
    "faults": 4,
    "killed": 4,
    "two at once": 2,
    "after another's half": 2,
    "after huggingface_hub": 1,
}
OTHER_TOOL = "import huggingface_hub, sys; huggingface_hub.snapshot_download(sys.argv[1])"


class Wronged(Exception):
    """What must not be, is."""


@dataclass
class Tally:
    """What all rounds together have seen."""

    kinds: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    interrupted: int = 0
    files: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass
class Round:
    """One model, one Hub, one cache."""

    dyno: str
    chance: random.Random
    home: Path
    hub: Hub
    kind: str
    kills: int = 0
    outputs: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.token = "hf_" + "".join(self.chance.choices("abcdefghjkmnpqrstuvwxyz", k=32))
        self.hub.tokens.add(self.token)
        readers = {self.token}
        self.model = self.hub.add(NAME, self.some_files(), gated=True, readers=readers)
        self.env = self.hub.environment(self.home, self.token) | {
            "HF_HUB_DOWNLOAD_TIMEOUT": SILENT_FOR,
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }

    def some_files(self) -> dict[str, bytes]:
        """Of a byte to some hundred kilobytes, some of the same bytes."""
        names = ["config.json", "tokenizer.json", "model.safetensors", "a/b.txt", "a/c d.bin"]
        files: dict[str, bytes] = {}
        for name in names[: self.chance.randint(2, len(names))]:
            if files and self.chance.random() < 0.1:
                files[name] = self.chance.choice(list(files.values()))
            else:
                size = int(LARGEST ** self.chance.random())
                files[name] = self.chance.randbytes(size if self.chance.random() < 0.95 else 0)
        return files

    def order_faults(self, harmless: bool) -> None:
        """A few for each file, and some for the listing. `harmless` ones cost no byte twice."""
        chance = self.chance
        for path, file in self.model.files.items():
            size = len(file.content)
            for _ in range(chance.choice([0, 1, 1, 2, 3])):
                cut = Cut(chance.randrange(size + 1))
                if harmless:
                    self.hub.order(f"*/{path}", cut, server="storage" if file.in_lfs else "hub")
                else:
                    self.hub.order(
                        f"*/{path}", self.some_fault(size), server=chance.choice(SERVERS)
                    )
            # Twice would be a reason to give up.
            if not harmless and chance.random() < 0.25:
                self.hub.order(f"*/{path}", self.some_lie(size))
        if not harmless and chance.random() < 0.5:
            self.hub.order(
                "/api/models/*", chance.choice([Status(500), Echo(), Cut(9), Slow(99, 0)])
            )

    def some_fault(self, size: int) -> Fault:
        chance, after = self.chance, self.chance.randrange(size + 1)
        return chance.choice(
            [
                Cut(after),
                Cut(after, reset=True),
                Cut(after),
                Cut(after, reset=True),
                Status(chance.choice([500, 502, 503, 504, 408])),
                Status(503, headers={"Retry-After": "0"}),
                rate_limit(0),
                IgnoreRange(),
                Echo(chance.choice([500, 503])),
                Slow(1 + size // 4, 0.002),
                *([Silence(after)] if chance.random() < 0.1 else []),
            ]
        )

    def some_lie(self, size: int) -> Fault:
        at = self.chance.randrange(size + 1)
        return self.chance.choice([Wrong(at), Wrong(at, more=b"more"), Wrong(at, less=1)])

    def start(self, command: list[str] | None = None) -> subprocess.Popen[bytes]:
        prefetch = [self.dyno, "models", "prefetch", NAME, "--pause=1"]
        return subprocess.Popen(
            command or prefetch, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def finish(self, process: subprocess.Popen[bytes]) -> int:
        try:
            output, _ = process.communicate(timeout=HANGS_AFTER)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            raise Wronged(f"it hangs\n{output.decode(errors='replace')}") from None
        self.outputs.append(output)
        return process.returncode

    def succeed(self, process: subprocess.Popen[bytes]) -> None:
        code = self.finish(process)
        if code != 0:
            raise Wronged(f"exit {code}\n{self.outputs[-1].decode(errors='replace')}")

    def kill_amid(self, process: subprocess.Popen[bytes]) -> None:
        """Kills it when so many more bytes were sent, or never where it ends before."""
        whole = sum(len(file.content) for file in self.model.files.values())
        enough = self.hub.sent() + self.chance.randrange(whole + 1)
        deadline = time.monotonic() + HANGS_AFTER
        while process.poll() is None and self.hub.sent() < enough:
            if time.monotonic() > deadline:
                break
            time.sleep(0.0005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        if self.finish(process) == -signal.SIGKILL:
            self.kills += 1

    def slow_down(self) -> None:
        """So that there is an amid."""
        self.hub.order("*/resolve/*", Slow(self.chance.choice([4096, 16384]), 0.001), times=None)

    def play(self) -> None:
        match self.kind:
            case "faults":
                self.order_faults(harmless=False)
            case "killed":
                self.order_faults(harmless=False)
                self.slow_down()
                for _ in range(self.chance.randint(1, MOST_KILLS)):
                    self.kill_amid(self.start())
                    self.look_at_blobs()
            case "two at once":
                self.order_faults(harmless=True)
                self.slow_down()
                both = [self.start(), self.start()]
                for process in both:
                    self.succeed(process)
                self.look_for_double()
            case "after another's half":
                self.order_faults(harmless=True)
                self.leave_halves()
            case _:
                self.slow_down()
                self.kill_amid(self.start([sys.executable, "-c", OTHER_TOOL, NAME]))
                self.hub.forget_orders()
                self.order_faults(harmless=True)
        self.succeed(self.start())

    def leave_halves(self) -> None:
        """As another tool may have left them: begun, garbled, too long, or named and wrong."""
        blobs = self.home / "hub" / "models--org--name" / "blobs"
        blobs.mkdir(parents=True)
        for file in self.model.files.values():
            begun = file.content[: self.chance.randrange(len(file.content) + 1)]
            garbled = self.chance.randbytes(len(begun))
            half = blobs / f"{file.etag}.incomplete"
            match self.chance.randrange(5):
                case 0:
                    half.write_bytes(begun)
                case 1:
                    half.write_bytes(garbled)
                case 2:
                    half.write_bytes(file.content + b"more")
                case 3:
                    (blobs / f"{file.etag}.0123abcd.incomplete").write_bytes(garbled)
                case _:
                    (blobs / file.etag).write_bytes(self.chance.randbytes(len(file.content)) + b"x")

    def look_for_double(self) -> None:
        for path, file in self.model.files.items():
            same = {of for of, other in self.model.files.items() if other.etag == file.etag}
            sent = sum(self.hub.sent(f"*/{one}") for one in same)
            if sent != len(file.content):
                raise Wronged(f"{path} has {len(file.content)} bytes, and {sent} were sent")

    def look(self) -> None:
        """At all that was left."""
        folder = self.home / "hub" / "models--org--name"
        snapshot = folder / "snapshots" / self.model.head
        for path, file in self.model.files.items():
            if (snapshot / path).read_bytes() != file.content:
                raise Wronged(f"{path} has other bytes than on the Hub")
        if (folder / "refs" / "main").read_text() != self.model.head:
            raise Wronged("the revision is another commit")
        self.look_at_blobs()
        halves = [
            one.name
            for one in (folder / "blobs").glob("*.incomplete")
            # Those of other tools are nobody's, and `dyno models gc` removes them.
            if one.name.count(".") == 1
        ]
        if halves:
            raise Wronged(f"half-written files are left: {halves}")
        self.look_for_token()

    def look_at_blobs(self) -> None:
        """What has a checksum's name has the checksum."""
        blobs = self.home / "hub" / "models--org--name" / "blobs"
        for blob in sorted(blobs.iterdir()) if blobs.is_dir() else []:
            # A killed huggingface_hub leaves others, such as `tmp_RANDOM`.
            if not CHECKSUM.fullmatch(blob.name):
                continue
            content = blob.read_bytes()
            git = b"blob %d\0" % len(content) + content
            if blob.name not in (
                hashlib.sha256(content).hexdigest(),
                hashlib.sha1(git).hexdigest(),
            ):
                raise Wronged(f"the blob {blob.name} holds other bytes")

    def look_for_token(self) -> None:
        token = self.token.encode()
        if any(token in output for output in self.outputs):
            raise Wronged("the token is in what was printed")
        for path in files_below(self.home):
            if token in path.read_bytes() or self.token in str(path):
                raise Wronged(f"the token is in {path}")
        at_storage = [one for one in self.hub.requests if one.server == "storage"]
        if any(one.token is not None for one in at_storage):
            raise Wronged("the storage was sent the token")


def files_below(folder: Path) -> Iterator[Path]:
    for path, _, names in os.walk(folder):
        yield from (Path(path) / name for name in names if (Path(path) / name).is_file())


def play(dyno: str, seed: int, number: int, tally: Tally) -> None:
    chance = random.Random(f"{seed} {number}")
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    with tempfile.TemporaryDirectory(prefix="dyno-downloads-") as home, Hub() as hub:
        a_round = Round(dyno, chance, Path(home), hub, kind)
        try:
            a_round.play()
            a_round.look()
        except (Wronged, OSError) as wrong:
            tally.failures.append(f"round {number} ({kind}): {wrong}")
        faults = [fault for fault in hub.made if not isinstance(fault, (Slow, IgnoreRange))]
        tally.kinds[kind] += 1
        tally.kills += a_round.kills
        tally.faults.update(type(fault).__name__ for fault in hub.made)
        tally.interrupted += bool(faults or a_round.kills or kind == "after another's half")
        tally.files += len(a_round.model.files)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dyno", default="dyno", help="the command")
    parser.add_argument("--interrupted", type=int, default=500, metavar="N", help="how many")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--round", type=int, help="this round alone")
    args = parser.parse_args()
    tally, began, number = Tally(), time.monotonic(), 0
    if args.round is not None:
        play(args.dyno, args.seed, args.round, tally)
    while args.round is None and tally.interrupted < args.interrupted:
        play(args.dyno, args.seed, number, tally)
        number += 1
        if len(tally.failures) >= 10:
            break
    for failure in tally.failures:
        print(failure)
    kinds = ", ".join(f"{count} {kind}" for kind, count in tally.kinds.most_common())
    faults = ", ".join(f"{count} {kind}" for kind, count in tally.faults.most_common())
    print(f"rounds: {kinds}\nfaults: {faults}; {tally.kills} kills")
    print(
        f"{tally.interrupted} interrupted downloads of {tally.files} files, "
        f"{len(tally.failures)} failures, seed {args.seed}, {time.monotonic() - began:.0f} s"
    )
    return bool(tally.failures)


if __name__ == "__main__":
    sys.exit(main())
