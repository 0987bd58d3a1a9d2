"""A real Dynamo deployment on the bench: started, asked, looked at, broken.

`Deployment` starts frontends, routers and workers as their `...Spec` says, over the planes that
`Planes` names, with real etcd and NATS where those need them. It is ready when a request has been
answered through it. `payloads`, `client` and `replies` are what a test sends, with what, and how it
reads the answer. Payloads are plain dictionaries, and nothing here imports Dynamo or a client
library: Dynamo runs in processes of its own, under whatever interpreter has it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dyno.dynamo.client import Client, EventStream, Refused, Reply, StreamCut
    from dyno.dynamo.deployment import Deployment
    from dyno.dynamo.engines import SglangSpec, TrtllmSpec, VllmSpec
    from dyno.dynamo.events import SseEvent, sse_events
    from dyno.dynamo.frontend import BusyThresholds, Frontend, FrontendSpec, RouterMode, Tls
    from dyno.dynamo.payloads import (
        chat,
        completion,
        embedding,
        message,
        nvext,
        response,
        streamed,
        tool,
    )
    from dyno.dynamo.planes import Discovery, EventPlane, Planes, RequestPlane
    from dyno.dynamo.planner import Decision, Planner, PlannerSpec
    from dyno.dynamo.prometheus import Exposition, InvalidExposition, Sample
    from dyno.dynamo.replies import (
        ApiError,
        InvalidReply,
        Route,
        StreamedReply,
        Usage,
        error_of,
        finish_of,
        route_of,
        text_of,
        tokens_of,
        usage_of,
    )
    from dyno.dynamo.router import KvRouterSpec, Router, RouterSpec
    from dyno.dynamo.services import Etcd, Nats, Service, Services, etcd, missing, nats
    from dyno.dynamo.streams import read_chat_stream, read_completion_stream
    from dyno.dynamo.waiting import Overdue, eventually
    from dyno.dynamo.workers import Engine, MockerSpec, Model, Role, Worker, WorkerSpec

__all__ = [
    "ApiError",
    "BusyThresholds",
    "Client",
    "Decision",
    "Deployment",
    "Discovery",
    "Engine",
    "Etcd",
    "EventPlane",
    "EventStream",
    "Exposition",
    "Frontend",
    "FrontendSpec",
    "InvalidExposition",
    "InvalidReply",
    "KvRouterSpec",
    "MockerSpec",
    "Model",
    "Nats",
    "Overdue",
    "Planes",
    "Planner",
    "PlannerSpec",
    "Refused",
    "Reply",
    "RequestPlane",
    "Role",
    "Route",
    "Router",
    "RouterMode",
    "RouterSpec",
    "Sample",
    "Service",
    "Services",
    "SglangSpec",
    "SseEvent",
    "StreamCut",
    "StreamedReply",
    "Tls",
    "TrtllmSpec",
    "Usage",
    "VllmSpec",
    "Worker",
    "WorkerSpec",
    "chat",
    "completion",
    "embedding",
    "error_of",
    "etcd",
    "eventually",
    "finish_of",
    "message",
    "missing",
    "nats",
    "nvext",
    "read_chat_stream",
    "read_completion_stream",
    "response",
    "route_of",
    "sse_events",
    "streamed",
    "text_of",
    "tokens_of",
    "tool",
    "usage_of",
]

_MODULES = {
    "client": ("Client", "EventStream", "Refused", "Reply", "StreamCut"),
    "deployment": ("Deployment",),
    "engines": ("SglangSpec", "TrtllmSpec", "VllmSpec"),
    "events": ("SseEvent", "sse_events"),
    "frontend": ("BusyThresholds", "Frontend", "FrontendSpec", "RouterMode", "Tls"),
    "payloads": (
        "chat",
        "completion",
        "embedding",
        "message",
        "nvext",
        "response",
        "streamed",
        "tool",
    ),
    "planes": ("Discovery", "EventPlane", "Planes", "RequestPlane"),
    "planner": ("Decision", "Planner", "PlannerSpec"),
    "prometheus": ("Exposition", "InvalidExposition", "Sample"),
    "replies": (
        "ApiError",
        "InvalidReply",
        "Route",
        "StreamedReply",
        "Usage",
        "error_of",
        "finish_of",
        "route_of",
        "text_of",
        "tokens_of",
        "usage_of",
    ),
    "router": ("KvRouterSpec", "Router", "RouterSpec"),
    "services": ("Etcd", "Nats", "Service", "Services", "etcd", "missing", "nats"),
    "streams": ("read_chat_stream", "read_completion_stream"),
    "waiting": ("Overdue", "eventually"),
    "workers": ("Engine", "MockerSpec", "Model", "Role", "Worker", "WorkerSpec"),
}


def __getattr__(name: str) -> object:
    import importlib

    for module, names in _MODULES.items():
        if name in names:
            value: object = getattr(importlib.import_module(f"dyno.dynamo.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
