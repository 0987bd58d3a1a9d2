"""`nvext`, Dynamo's extension of the OpenAI API: what a request may ask and a reply may tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tests.utils.replies import replay

__all__ = ["Route", "nvext", "route_of"]


def nvext(
    *, tell_route: bool = False, reply: str | None = None, worker: int | None = None
) -> dict[str, Any]:
    """The `extra_body` of a request.

    Args:
        tell_route: ask which workers served the request.
        reply: the scripted reply to give.
        worker: the id of the worker to use, whatever the router thinks.
    """
    fields: dict[str, Any] = {}
    if tell_route:
        fields["extra_fields"] = ["worker_id", "timing"]
    if reply is not None:
        fields["annotations"] = [replay(reply)]
    if worker is not None:
        fields["backend_instance_id"] = worker
    return {"nvext": fields}


@dataclass(frozen=True)
class Route:
    """Who served a request.

    `kv_hit_rate` is the share of the prompt's blocks, partial ones included, that the chosen
    worker was known to hold. Workers are ids; one that does both is named twice, or for decoding
    alone.
    """

    prefill_worker: int | None
    decode_worker: int
    kv_hit_rate: float

    @property
    def disaggregated(self) -> bool:
        """Whether two workers shared the work."""
        return self.prefill_worker not in (None, self.decode_worker)


def route_of(reply: BaseModel) -> Route:
    """The route of a reply that was asked to tell it."""
    told = (reply.model_extra or {})["nvext"]
    workers = told["worker_id"]
    return Route(
        prefill_worker=workers.get("prefill_worker_id"),
        decode_worker=workers["decode_worker_id"],
        kv_hit_rate=told["timing"]["kv_hit_rate"],
    )
