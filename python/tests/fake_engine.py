"""A program that answers as docker and podman do, and takes down what it was asked.

It is put on ``PATH`` under their names. What it does is told by files in its folder: a test
writes ``info``, the exit code of ``run`` or ``build``, or what the engine complains about. A
container's id is its label.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from running import environment

DOCKER_INFO = {"SecurityOptions": ["name=seccomp,profile=default"], "ServerVersion": "20.10.24"}
PODMAN_INFO = {"host": {"security": {"rootless": False, "seccompEnabled": True}}}

_PROGRAM = """#!{python}
import json, os, pathlib, signal, sys, time

folder = pathlib.Path({folder!r})
words = sys.argv[1:]
private = {{}}
kept = [word for word in words if word.startswith("--mount=") and word.endswith(",readonly")]
for word in kept:
    source = pathlib.Path(word.split("source=")[1].split(",target=")[0])
    private["folder"] = str(source.parent)
    private["modes"] = {{}}
    private["files"] = {{}}
    for path in [source.parent, *source.parent.rglob("*")]:
        private["modes"][path.name] = oct(path.stat().st_mode & 0o777)
        if path.is_file():
            private["files"][path.name] = path.read_text()
if words[:1] == ["build"]:
    context = pathlib.Path(words[-1])
    private["folder"] = str(context.parent)
    private["files"] = {{
        str(path.relative_to(context.parent)): path.read_bytes().decode("utf-8", "replace")
        for path in context.parent.rglob("*") if path.is_file()
    }}
asked = {{"engine": pathlib.Path(sys.argv[0]).name, "words": words, "private": private,
          "buildkit": os.environ.get("DOCKER_BUILDKIT"), "environment": dict(os.environ)}}
with open(folder / "asked", "a") as file:
    file.write(json.dumps(asked) + "\\n")


def told(name, default=""):
    path = folder / name
    return path.read_text() if path.exists() else default


if words[0] == "info":
    if (folder / "refusal").exists():
        sys.stderr.write(told("refusal"))
        sys.exit(1)
    print(told("info-" + asked["engine"]))
elif words[:2] == ["buildx", "version"]:
    sys.exit(int(told("buildx", "1")))
elif words[0] == "version":
    print(told("client", "28.2.2"))
elif words[:2] == ["image", "inspect"]:
    sys.exit(0 if words[-1] in told("images").split() else 1)
elif words[:2] == ["container", "inspect"]:
    sys.exit(0 if words[-1] in told("names").split() else 1)
elif words[0] == "ps":
    label = words[-1].removeprefix("--filter=label=")
    print("\\n".join(name for name in told("labels").split() if name == label))
elif words[0] == "run" and told("conflict"):
    sys.exit(125)
elif words[0] in ("run", "build"):
    with open(folder / "labels", "a") as file:
        file.writelines(word.removeprefix("--label=") + "\\n"
                        for word in words if word.startswith("--label="))
    (folder / "pid").write_text(str(os.getpid()))
    if told("lasts"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN if told("deaf") else lambda *_: sys.exit(143))
        (folder / "started").touch()
        time.sleep(60)
    sys.exit(int(told("code", "0")))
elif words[0] == "kill" and not told("deaf"):
    os.kill(int(told("pid")), signal.SIGTERM)
"""


@dataclass
class Asked:
    """One call of the engine."""

    engine: str
    words: list[str]
    private: dict[str, object]
    buildkit: str | None
    environment: dict[str, str]

    @property
    def files(self) -> dict[str, str]:
        """What its private folder held."""
        files: dict[str, str] = self.private["files"]  # type: ignore[assignment]
        return files

    @property
    def folder(self) -> Path:
        """The private folder."""
        return Path(str(self.private["folder"]))

    def has(self, *words: str) -> bool:
        """Whether these words stand in it, in this order and together."""
        count = len(words)
        return any(
            tuple(self.words[at : at + count]) == words for at in range(len(self.words) - count + 1)
        )


class FakeEngine:
    """The folder of such a program."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir(parents=True)
        self.tell("info-docker", json.dumps(DOCKER_INFO))
        self.tell("info-podman", json.dumps(PODMAN_INFO))
        self.tell("images", "dyno:latest dyno:none-runtime")
        for name in names:
            program = self.programs / name
            program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder)))
            program.chmod(0o755)

    def tell(self, name: str, text: str) -> None:
        """Set what the engine does."""
        (self.folder / name).write_text(text)

    def asked(self, word: str) -> list[Asked]:
        """Its calls with this first word, in order."""
        file = self.folder / "asked"
        lines = file.read_text().splitlines() if file.exists() else []
        calls = [Asked(**json.loads(line)) for line in lines]
        return [call for call in calls if call.words[0] == word]

    def environment(self, **more: str) -> dict[str, str]:
        """In which it is the only engine."""
        kept = environment()
        settings = ("HF_", "PIP_", "UV_", "HUGGING", "TRANSFORMERS_", "DOCKER_", "SSL_", "CURL_")
        for name in list(kept):
            if name.startswith(settings) or name.lower().endswith(("_proxy", "_ca_bundle")):
                del kept[name]
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        # Programs of the system, but for real engines.
        system = self.folder / "system"
        if not system.exists():
            system.mkdir()
            for name in ("bash", "dirname", "env", "sh"):
                (system / name).symlink_to(shutil.which(name) or "/bin/sh")
        own = {
            "HOME": str(home),
            "PATH": os.pathsep.join([str(self.programs), str(system)]),
            "TMPDIR": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
        }
        return {**kept, **own, **more}
