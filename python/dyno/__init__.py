"""The pytest side of dyno: fixtures that start servers, wait for them and end them.

PYTEST_DONT_REWRITE: under `dyno test` this package is there before pytest, which would
warn that it comes too late to rewrite its assertions.
"""

from dyno.fixtures.bench import Bench
from dyno.fixtures.errors import BenchError, NotReady, ProcessFailed, StillRunning
from dyno.fixtures.probes import Probe, http, log, tcp
from dyno.fixtures.process import Process

__all__ = [
    "Bench",
    "BenchError",
    "NotReady",
    "Probe",
    "Process",
    "ProcessFailed",
    "StillRunning",
    "http",
    "log",
    "tcp",
]
