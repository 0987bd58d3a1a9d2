"""The pytest side of dyno: fixtures that start servers, wait for them and end them."""

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
