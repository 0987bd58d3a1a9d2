"""The pytest side of dyno: fixtures that start servers, wait for them and end them.

PYTEST_DONT_REWRITE: under `dyno test` this package is there before pytest, which would
warn that it comes too late to rewrite its assertions.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dyno.fixtures.bench import AsyncBench, AsyncToken, Bench, Token
    from dyno.fixtures.errors import BenchError, NotReady, ProcessFailed, StillRunning, TokenHeld
    from dyno.fixtures.models import model
    from dyno.fixtures.probes import HttpAnswer, Probe, command, grpc, http, log, tcp
    from dyno.fixtures.process import AsyncProcess, Process
    from dyno.fixtures.usage import Usage
    from dyno.managed_process import ManagedProcess

__all__ = [
    "AsyncBench",
    "AsyncProcess",
    "AsyncToken",
    "Bench",
    "BenchError",
    "HttpAnswer",
    "ManagedProcess",
    "NotReady",
    "Probe",
    "Process",
    "ProcessFailed",
    "StillRunning",
    "Token",
    "TokenHeld",
    "Usage",
    "command",
    "grpc",
    "http",
    "log",
    "model",
    "tcp",
]

_MODULES = {
    "fixtures.bench": ("AsyncBench", "AsyncToken", "Bench", "Token"),
    "fixtures.errors": ("BenchError", "NotReady", "ProcessFailed", "StillRunning", "TokenHeld"),
    "fixtures.models": ("model",),
    "fixtures.probes": ("HttpAnswer", "Probe", "command", "grpc", "http", "log", "tcp"),
    "fixtures.process": ("AsyncProcess", "Process"),
    "fixtures.usage": ("Usage",),
    "managed_process": ("ManagedProcess",),
}


def __getattr__(name: str) -> object:
    # Each run loads this package, and few of its tests use what it offers.
    import importlib

    for module, names in _MODULES.items():
        if name in names:
            value: object = getattr(importlib.import_module(f"dyno.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
