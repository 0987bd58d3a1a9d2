"""Whether this process can be forked and the child still be used: what is there that cannot.

A fork copies one thread. What the others held (locks, event loops, contexts of a device) is
in the child as they left it, with nobody to go on. A pool of threads that only computes and
has fork handlers, or starts again when it is needed, does no harm. Which is which is told by
tables of what was measured, because nothing in the kernel tells it.

Measured on Linux in November 2026: threads by ``/proc/self/task/*/comm`` (15
characters), then a fork, and in the child another use of the same thing.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

__all__ = ["NATIVE_THREADS", "SAFE_PYTHON_THREADS", "SAFE_THREADS", "hazards"]

# Beginnings of names of threads that a child cannot do without.
NATIVE_THREADS = {
    # ai-dynamo-runtime 1.4.2, after `DistributedRuntime(...)`: two of them, beside `compute-0`
    # and `compute-1`. A call in the child waited until it was given up after 2 s.
    "tokio-runtime-w": "a tokio runtime, which does not run in a fork",
    # grpcio 1.85.1, after a channel was used: `grpc_global_tim`, four `event_engine`, `lifeguard`.
    # A new channel in the child worked, but gRPC said that it skipped its fork handlers.
    "grpc_global_tim": "gRPC, whose fork handlers need it to be idle",
    "event_engine": "gRPC, whose fork handlers need it to be idle",
    # torch 2.11 on an H100, driver 580: `cuda00001800007` after `device_count()`, then
    # `cuda-EvtHandlr`. In the child: "Cannot re-initialize CUDA in forked subprocess".
    "cuda": "a CUDA context, which does not survive a fork",
}

# Let through. Threads that bear the name of their process are too: OpenBLAS's pool after
# `import numpy` (2.4.6) does, and products and inverses were computed in a child; so does
# torch's after `import torch` (2.11), which was not tried in a child. What is
# not known is let through as well.
SAFE_THREADS = {
    # pyarrow 26.0.1, after its import: frees memory in the background. Tables were made and
    # grouped in a child.
    "jemalloc_bg_thd",
}

# Modules whose threads serve the controller of a run and that no worker uses.
SAFE_PYTHON_THREADS = {
    # pytest-rerunfailures 16.7 with pytest-xdist: it waits for workers to connect, and counts
    # their reruns. Workers that were forked while it waited have connected, and were counted.
    "pytest_rerunfailures",
}

# Devices whose open descriptors are a context's. On an H100: `/dev/nvidia0`, `/dev/nvidiactl`,
# `/dev/nvidia-uvm` and `/dev/nvidia-caps/*` after `torch.cuda.device_count()`, none after
# `import torch`.
_DEVICES = "/dev/nvidia"


def hazards(process: Path = Path("/proc/self")) -> list[dict[str, str]]:
    """What makes a fork unsafe now, each as `dyno_model::Hazard`."""
    found = {**dict(_native_threads(process)), **dict(_devices(process)), **dict(_python_threads())}
    return [{"what": what, "why": why} for what, why in sorted(found.items())]


def _native_threads(process: Path) -> Iterator[tuple[str, str]]:
    for task in _entries(process / "task"):
        try:
            name = (task / "comm").read_text(errors="replace").strip()
        except OSError:
            continue  # It has just ended.
        for beginning, why in NATIVE_THREADS.items():
            if name.startswith(beginning) and name not in SAFE_THREADS:
                yield f"thread {name}", why


def _devices(process: Path) -> Iterator[tuple[str, str]]:
    for descriptor in _entries(process / "fd"):
        try:
            path = os.readlink(descriptor)
        except OSError:
            continue
        if path.startswith(_DEVICES):
            yield path, "an open GPU, whose context does not survive a fork"


def _python_threads() -> Iterator[tuple[str, str]]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident() and not SAFE_PYTHON_THREADS & {*_modules(frame)}:
            name = names.get(ident, str(ident))
            yield f"Python thread {name}", "it is in no fork, and may hold a lock for ever"


def _modules(frame: FrameType | None) -> Iterator[str]:
    """Whose code a thread runs, the innermost first."""
    while frame is not None:
        yield str(frame.f_globals.get("__name__"))
        frame = frame.f_back


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
