"""The planner as a process, in an environment that it does not scale itself: it says how many
workers there should be, and whoever runs the deployment does it, or, as here, looks at it.

What it decides it writes into etcd, so the deployment's discovery must be etcd.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import dyno
from dyno.dynamo.client import Client, Refused

__all__ = ["Decision", "Planner", "PlannerSpec"]


@dataclass(frozen=True)
class PlannerSpec:
    """A planner of the environment `virtual`.

    Attributes:
        mode: `agg`, `disagg`, `prefill` or `decode`.
        backend: the engine of the workers; `mocker` is one.
        interval: seconds between two looks at the load.
        settings: further ones of Dynamo's `PlannerConfig`, by their names there.
    """

    mode: str = "agg"
    backend: str = "mocker"
    namespace: str = "dynamo"
    interval: int = 1
    settings: Mapping[str, object] = field(default_factory=dict)

    def arguments(self, model: str) -> list[str]:
        """The options of `dynamo.planner` that say the same, for a model of that name."""
        config = {
            "environment": "virtual",
            "mode": self.mode,
            "backend": self.backend,
            "namespace": self.namespace,
            "model_name": model,
            "load_adjustment_interval_seconds": self.interval,
            # What nobody can ask a GPU here.
            "prefill_engine_num_gpu": 1,
            "decode_engine_num_gpu": 1,
            **self.settings,
        }
        return ["--config", json.dumps(config)]


@dataclass(frozen=True)
class Decision:
    """How many workers the planner wants; `None`: it has not said."""

    number: int
    prefill: int | None
    decode: int | None


@dataclass(frozen=True)
class Planner:
    """A planner that was started, and the etcd that it writes into."""

    spec: PlannerSpec
    process: dyno.Process
    etcd: str

    def decision(self) -> Decision | None:
        """Its last decision, if it has come to one."""
        folder = f"v1/{self.spec.namespace}/planner/"
        told = self._values(folder)
        number, prefill, decode = (
            int(told[name]) if name in told else None
            for name in ("decision_id", "num_prefill_workers", "num_decode_workers")
        )
        return None if number is None else Decision(number, prefill, decode)

    def _values(self, folder: str) -> dict[str, str]:
        """What etcd holds under a folder, by the rest of the key."""
        # Its JSON gateway; the range ends before the first key that does not begin so.
        end = folder[:-1] + chr(ord(folder[-1]) + 1)
        asked = {"key": _base64(folder), "range_end": _base64(end)}
        reply = Client(self.etcd).post("/v3/kv/range", asked)
        if reply.status != 200:
            raise Refused("etcd tells no keys", reply)
        return {
            base64.b64decode(pair["key"]).decode().removeprefix(folder): base64.b64decode(
                pair.get("value", "")
            ).decode()
            for pair in reply.json().get("kvs", [])
        }


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
