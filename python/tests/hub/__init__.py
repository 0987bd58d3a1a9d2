"""A Hugging Face Hub on this machine, for tests: the real protocol, and faults on order.

    with Hub() as hub:
        hub.add("org/name", {"config.json": b"{}", "model.safetensors": weights})
        hub.order("*/model.safetensors", Cut(after=1000))
        subprocess.run([DYNO, "models", "prefetch", "org/name"], env=hub.environment(home))

It needs the standard library alone. `huggingface_hub` itself is tested against it
(`test_models_hub.py`), so that it is known to speak what the real one speaks.
"""

from .faults import (
    Cut,
    Echo,
    Fault,
    Hold,
    IgnoreRange,
    Redirect,
    Silence,
    Slow,
    Status,
    Wrong,
    gated,
    rate_limit,
)
from .models import File, Model
from .server import Hub, Request

__all__ = [
    "Cut",
    "Echo",
    "Fault",
    "File",
    "Hold",
    "Hub",
    "IgnoreRange",
    "Model",
    "Redirect",
    "Request",
    "Silence",
    "Slow",
    "Status",
    "Wrong",
    "gated",
    "rate_limit",
]
