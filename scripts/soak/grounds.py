"""Where a soak takes place: namespaces of its own, who it runs as, and what is left there.

In a network and a mount namespace of its own, with a `/tmp` and a `/dev/shm` of its own, what a
run leaves is told from what others on the machine do.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import stat
import struct
import sys
from pathlib import Path

__all__ = ["MODES", "Grounds", "command_for", "hidden", "needed_by_runs", "settle"]

MODES = ("root", "user", "forbidden")

NOBODY = 65534

# On grounds of one's own these are other ones.
_OWN_FOLDERS = (Path("/tmp"), Path("/dev/shm"))

_KINDS = ("user", "net", "mnt", "pid", "ipc", "uts", "cgroup")
_MS_BIND, _MS_REC = 4096, 16384
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def command_for(mode: str, command: list[str]) -> list[str]:
    """The command that takes ``command`` to the grounds of a mode."""
    if mode == "forbidden":
        forbid = "".join(f"echo 0 > /proc/sys/user/max_{kind}_namespaces; " for kind in _KINDS)
        shell = ["sh", "-ec", f'{forbid}exec "$@"', "sh"]
        return ["unshare", "--user", "--map-root-user", "--net", "--mount", *shell, *command]
    # Who is not root has no namespaces without one of users, in which he would be another.
    return ["unshare", "--net", "--mount", *command] if os.geteuid() == 0 else command


def hidden(mode: str, needed: list[Path]) -> list[Path]:
    """What of ``needed`` is not there on the grounds of a mode."""
    if mode != "forbidden" and os.geteuid():
        return []
    covered = {place for folder in _OWN_FOLDERS for place in (folder, folder.resolve())}
    return [
        path
        for path in needed
        # A link may be covered, or what it leads to.
        if any(place in each.parents for place in covered for each in (path, path.resolve()))
    ]


def settle(mode: str, work: Path, needed: list[Path]) -> bool:
    """Arrange the grounds, called behind `command_for`, and become who the mode says. Whether
    the grounds are this process's own. ``needed`` is what must be readable."""
    if os.geteuid():
        return False
    _bring_loopback_up()
    for place in _OWN_FOLDERS:
        _mount("tmpfs", str(place), "tmpfs", 0, "mode=1777")
    if mode == "user":
        for path in (work, *work.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        _lay_open(needed)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.environ.update(HOME=str(work), USER="nobody", LOGNAME="nobody")
    return True


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16xH14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[0]
        request = struct.pack("16sH14x", b"lo", flags | _IFF_UP)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def _mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [word.encode() or None for word in (source, target, kind)]
    if libc.mount(*words, ctypes.c_ulong(flags), data.encode() or None):
        error = ctypes.get_errno()
        raise OSError(error, f"mount {target}: {os.strerror(error)}")


def _lay_open(paths: list[Path]) -> None:
    """Make folders readable for everybody, here: one above them through which only its owner
    may go is covered by one that holds them alone."""
    closed: dict[Path, int] = {}
    covers: set[Path] = set()
    for path in {path.resolve() for path in paths}:
        for above in reversed(path.parents):
            if not above.stat().st_mode & stat.S_IXOTH:
                closed[path] = os.open(path, os.O_PATH)
                covers.add(above)
                break
    for above in covers:
        _mount("tmpfs", str(above), "tmpfs", 0, "mode=0755")
    for path, opened in closed.items():
        path.mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{opened}", str(path), "", _MS_BIND | _MS_REC, "")
        os.close(opened)


class Grounds:
    """What there is beside processes, to be compared before and after a run."""

    def __init__(self, own: bool) -> None:
        self._own = own
        self._before = self._look()

    def left(self, run: str) -> list[str]:
        """What has come to be since the beginning. cgroups are the whole machine's: those of
        this run have its name in theirs."""
        now = self._look() - self._before
        return sorted(what for what in now if not what.startswith("cgroup ") or run in what)

    def clear(self) -> None:
        """Forget what is left, so that it is not told of the next run too."""
        self._before |= self._look()

    def _look(self) -> set[str]:
        found = {f"mount {line.split()[4]}" for line in _lines("/proc/self/mountinfo")}
        found |= {f"device {line.partition(':')[0].strip()}" for line in _lines("/proc/net/dev")}
        for line in _lines("/proc/net/unix"):
            words = line.split()
            if words[-1].startswith("@dyno/port/"):
                # Others' leases come and go on grounds that are shared.
                found.add(f"lease {words[-1]}" if self._own else f"lease {words[-1]} {words[-2]}")
        found |= {f"cgroup {path}" for path in _cgroups()}
        for folder in _OWN_FOLDERS if self._own else ():
            found |= {f"file {folder}/{name}" for name in os.listdir(folder)}
        # pytest's own, kept on purpose.
        return {what for what in found if not what.startswith("file /tmp/pytest-of-")}


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _cgroups() -> list[str]:
    found = []
    with contextlib.suppress(OSError):
        for folder, below, _ in os.walk("/sys/fs/cgroup"):
            found += [os.path.join(folder, name) for name in below if "dyno" in name]
    return found


def needed_by_runs(*paths: str) -> list[Path]:
    """What a run needs of this machine: the interpreter and what it imports, and ``paths``."""
    places = {sys.prefix, sys.base_prefix, *paths, *os.environ.get("PYTHONPATH", "").split(":")}
    there = {os.path.abspath(place) for place in places if place and os.path.exists(place)}
    return [Path(place) for place in sorted(there)]
