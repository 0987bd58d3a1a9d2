"""The breakages: what each does to Dynamo, and which files of the suite are to notice.

A breakage acts where Dynamo itself is left as it is: on the options that a process is started with,
on what an engine is given to say, on what passes between a client and the frontend, or on the text
of one of Dynamo's Python modules when it is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import events
import replies

__all__ = ["BREAKAGES", "FRONTEND", "NONE", "Breakage", "Options", "Source"]


@dataclass(frozen=True)
class Options:
    """Options of one of Dynamo's modules that are changed.

    Attributes:
        module: as `python -m` has it.
        replaced: the option, and the value that it gets, whether it was given or not.
        added: options without a value that are added.
        removed: options that are taken away, with their value.
        only: a word that must be among the arguments for the breakage to act.
    """

    module: str
    replaced: dict[str, str] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    only: str | None = None

    def apply(self, module: str, arguments: Sequence[str]) -> list[str]:
        """The arguments that the module is started with."""
        if module != self.module or (self.only is not None and self.only not in arguments):
            return list(arguments)
        kept: list[str] = []
        words = iter(arguments)
        for word in words:
            if word in self.replaced or word in self.removed:
                next(words)
            else:
                kept.append(word)
        for option, value in self.replaced.items():
            kept += [option, value]
        return [*kept, *self.added]


@dataclass(frozen=True)
class Source:
    """A piece of a module's text, which must be there exactly once, and what stands instead."""

    module: str
    old: str
    new: str


@dataclass(frozen=True)
class Breakage:
    """One deliberate breakage.

    Attributes:
        what: in a few words, what is wrong with this Dynamo.
        tests: where in the suite it is to be noticed; what is run.
        reply: changes a whole reply on its way to the client, or its status.
        event: changes one event of a stream, into none, one or several.
        words: changes each scripted reply, as token ids.
        deaf: the frontend does not hear of clients that hang up.
    """

    name: str
    what: str
    tests: tuple[str, ...]
    options: Options | None = None
    source: Source | None = None
    reply: Callable[[replies.Reply], replies.Reply] | None = None
    event: Callable[[], Callable[[str], Sequence[str]]] | None = None
    words: Callable[[list[int]], list[int]] | None = None
    deaf: bool = False

    @property
    def at_the_door(self) -> bool:
        """Whether it acts between the client and the frontend."""
        return self.reply is not None or self.event is not None or self.deaf


# Nothing is broken, and everything goes through the door as it is.
NONE = Breakage("none", "nothing", (), reply=lambda reply: reply)

FRONTEND, MOCKER = "dynamo.frontend", "dynamo.mocker"
PLANNER = "dynamo.planner.core"

KV_ROUTING = ("tests/serve/test_kv_routing.py",)
ROUTER_MODES = ("tests/serve/test_router_modes.py",)
CHAT = ("tests/serve/test_chat.py",)
COMPLETIONS = ("tests/serve/test_completions.py",)
METRICS = ("tests/serve/test_metrics.py",)
MODELS = ("tests/serve/test_models.py",)
REFUSALS = ("tests/serve/test_bad_requests.py",)
TOPOLOGIES = ("tests/serve/test_topologies.py",)
STREAMS = ("tests/serve/test_streams.py",)
DISAGGREGATION = ("tests/serve/test_disaggregation.py",)
MIGRATION = ("tests/fault_tolerance/test_migration.py",)
OVERLOAD = ("tests/serve/test_overload.py",)
EVICTION = ("tests/kv_router/test_eviction.py",)
PREDICTED = ("tests/kv_router/test_predicted_index.py",)
REPLICAS = ("tests/kv_router/test_replicas.py",)
QUEUE = ("tests/kv_router/test_queue.py",)
CONTEXT = ("tests/serve/test_context_length.py",)
HEALTH = ("tests/frontend/test_health.py",)
MESSAGES = ("tests/frontend/test_messages.py",)
CANCELLATION = ("tests/serve/test_cancellation.py",)

_SERVED = (
    Breakage(
        "router-forced-to-random",
        "the frontend ignores that it is to route by what the workers hold",
        KV_ROUTING,
        options=Options(FRONTEND, {"--router-mode": "random"}),
    ),
    Breakage(
        "events-dropped",
        "the router never hears what the workers hold",
        (*EVICTION, *PREDICTED),
        options=Options(FRONTEND, added=("--no-router-kv-events",)),
    ),
    Breakage(
        "overlap-is-worth-nothing",
        "a prompt's blocks in a worker's cache have no weight",
        (*KV_ROUTING, *ROUTER_MODES),
        options=Options(FRONTEND, {"--router-kv-overlap-score-credit": "0"}),
    ),
    Breakage(
        "router-draws-lots",
        "the KV router chooses at random among all, however they score",
        KV_ROUTING,
        options=Options(FRONTEND, {"--router-temperature": "1000"}),
    ),
    Breakage(
        "turns-are-drawn",
        "round-robin is random",
        ROUTER_MODES,
        options=Options(FRONTEND, {"--router-mode": "random"}, only="round-robin"),
    ),
    Breakage(
        "draws-are-turns",
        "random goes round",
        ROUTER_MODES,
        options=Options(FRONTEND, {"--router-mode": "round-robin"}, only="random"),
    ),
    Breakage(
        "load-is-not-looked-at",
        "least-loaded goes round",
        ROUTER_MODES,
        options=Options(FRONTEND, {"--router-mode": "round-robin"}, only="least-loaded"),
    ),
    Breakage(
        "replicas-apart",
        "two frontends do not tell each other what they have under way",
        REPLICAS,
        options=Options(FRONTEND, added=("--no-router-replica-sync",)),
    ),
    Breakage(
        "namespaces-leak",
        "a frontend of one namespace sees all",
        TOPOLOGIES,
        options=Options(FRONTEND, removed=("--namespace",)),
    ),
    Breakage(
        "no-migration",
        "a stream whose worker is lost is lost",
        MIGRATION,
        options=Options(FRONTEND, {"--migration-limit": "0"}),
    ),
    Breakage(
        "prediction-never-ends",
        "what the router has predicted it believes for ever",
        PREDICTED,
        options=Options(FRONTEND, removed=("--router-ttl-secs",)),
    ),
    Breakage(
        "nobody-queues",
        "the router sends a worker more than it takes at a time",
        QUEUE,
        options=Options(FRONTEND, removed=("--router-queue-threshold",)),
    ),
    Breakage(
        "nobody-is-busy",
        "a worker above its threshold gets requests all the same",
        OVERLOAD,
        options=Options(
            FRONTEND,
            removed=("--active-decode-blocks-threshold", "--active-prefill-tokens-threshold"),
        ),
    ),
    Breakage(
        "context-one-longer",
        "a sequence may be one token longer than the context",
        CONTEXT,
        options=Options(MOCKER, {"--max-model-len": "1025"}),
    ),
    Breakage(
        "nothing-is-cached",
        "the engine keeps no block for a later request",
        (*KV_ROUTING, *EVICTION),
        options=Options(MOCKER, added=("--no-enable-prefix-caching",)),
    ),
    Breakage(
        "blocks-of-another-size",
        "the engine's blocks are twice as long as it was told",
        (*KV_ROUTING, *METRICS),
        options=Options(MOCKER, {"--block-size": "32"}),
    ),
    Breakage(
        "short-context",
        "the engine ends a sequence at half of its context",
        (*COMPLETIONS, *MODELS, *REFUSALS),
        options=Options(MOCKER, {"--max-model-len": "512"}),
    ),
    Breakage(
        "prefill-does-all",
        "a prefill worker takes whole requests",
        DISAGGREGATION,
        options=Options(MOCKER, {"--disaggregation-mode": "agg"}, only="prefill"),
    ),
    Breakage(
        "token-repeated",
        "the engine says one token twice",
        (*CHAT, *COMPLETIONS, *STREAMS),
        words=lambda ids: [*ids[:3], ids[2], *ids[3:]] if len(ids) > 3 else ids,
    ),
    Breakage(
        "last-token-lost",
        "the engine ends one token early",
        (*CHAT, *COMPLETIONS, *STREAMS),
        words=lambda ids: ids[:-1],
    ),
)

_AT_THE_DOOR = (
    Breakage(
        "usage-one-too-many",
        "one token more is billed than was generated",
        (*COMPLETIONS, *CHAT),
        reply=replies.in_json(replies.one_more_completion_token),
    ),
    Breakage(
        "prompt-miscounted",
        "the prompt is counted one token short",
        COMPLETIONS,
        reply=replies.in_json(replies.one_prompt_token_fewer),
    ),
    Breakage(
        "hit-rate-is-always-whole",
        "the router claims that every prompt is cached",
        KV_ROUTING,
        reply=replies.in_json(replies.whole_hit_rate),
    ),
    Breakage(
        "wrong-finish-reason",
        "a reply that was cut says that it ended by itself",
        (*COMPLETIONS, *CHAT),
        reply=replies.in_json(replies.finished_by_itself),
    ),
    Breakage(
        "choices-out-of-order",
        "the choices of a batch come in another order",
        COMPLETIONS,
        reply=replies.in_json(replies.choices_reversed),
    ),
    Breakage(
        "metric-renamed",
        "the counter of requests has another name",
        METRICS,
        reply=replies.in_metrics(b"dynamo_frontend_requests_total", b"dynamo_frontend_requests"),
    ),
    Breakage(
        "success-counts-as-error",
        "requests that succeed are counted as failed",
        METRICS,
        reply=replies.in_metrics(b'status="success"', b'status="error"'),
    ),
    Breakage(
        "gauge-is-a-counter",
        "the gauge of requests under way has the type of a counter",
        METRICS,
        reply=replies.in_metrics(
            b"# TYPE dynamo_frontend_inflight_requests gauge",
            b"# TYPE dynamo_frontend_inflight_requests counter",
        ),
    ),
    Breakage(
        "unknown-model-is-500",
        "a model that is not served is a server error",
        (*REFUSALS, *MODELS),
        reply=replies.other_status(404, 500),
    ),
    Breakage(
        "refusals-are-422",
        "what validation refuses has another status",
        (*REFUSALS, *METRICS),
        reply=replies.other_status(400, 422),
    ),
    Breakage(
        "error-without-a-cause",
        "an error does not say what was wrong",
        REFUSALS,
        reply=replies.in_json(replies.error_without_cause),
    ),
    Breakage(
        "model-listed-twice",
        "the list of models names each twice",
        MODELS,
        reply=replies.in_json(replies.models_twice),
    ),
    Breakage(
        "workers-hidden",
        "the page of health does not list the workers",
        (*MODELS, *HEALTH),
        reply=replies.in_json(replies.without_instances),
    ),
    Breakage(
        "wrong-stop-reason",
        "an Anthropic message that was cut says that it ended by itself",
        MESSAGES,
        reply=replies.in_json(replies.ended_its_turn),
    ),
    Breakage(
        "stream-without-an-end",
        "a stream ends without [DONE]",
        CHAT,
        event=events.without_done,
    ),
    Breakage(
        "chunk-repeated",
        "a chunk of a stream comes twice",
        (*CHAT, *COMPLETIONS),
        event=events.one_chunk_twice,
    ),
    Breakage(
        "chunk-lost",
        "a chunk of a stream does not come",
        (*CHAT, *COMPLETIONS),
        event=events.one_chunk_lost,
    ),
    Breakage(
        "two-finish-reasons",
        "a stream finishes twice",
        (*CHAT, *COMPLETIONS),
        event=events.finish_twice,
    ),
    Breakage(
        "usage-withheld",
        "a stream does not tell the usage that was asked for",
        (*CHAT, *COMPLETIONS),
        event=events.without_usage,
    ),
    Breakage(
        "id-changes",
        "each chunk of a stream has an id of its own",
        CHAT,
        event=events.id_for_each_chunk,
    ),
    Breakage(
        "character-cut",
        "a stream shows half of a character",
        CHAT,
        event=events.characters_cut,
    ),
    Breakage(
        "hang-up-unheard",
        "a request whose client has hung up goes on",
        (*STREAMS, *CANCELLATION),
        deaf=True,
    ),
)

_PLANNER = (
    Breakage(
        "queue-counts-against-the-load",
        "the sign of the queued tokens is flipped in the load of a worker",
        ("tests/planner/test_replay.py", "tests/planner/test_scaling.py"),
        source=Source(
            f"{PLANNER}.load_scaling",
            "util = (sched_kv + queued_kv + queued_prefill) / max_kv",
            "util = (sched_kv - queued_kv - queued_prefill) / max_kv",
        ),
    ),
    Breakage(
        "cache-taken-for-empty",
        "the sign of the tokens in use is flipped in the load of a decode worker",
        ("tests/planner/test_replay.py", "tests/planner/test_scaling.py"),
        source=Source(
            f"{PLANNER}.load_scaling",
            "            util = (sched_kv + queued_kv) / max_kv",
            "            util = (queued_kv - sched_kv) / max_kv",
        ),
    ),
    Breakage(
        "latency-target-upside-down",
        "workers are added when all are faster than the target",
        ("tests/planner/test_latency_targets.py",),
        source=Source(
            f"{PLANNER}.load_scaling",
            "if all(t > sla for t in estimates):",
            "if all(t < sla for t in estimates):",
        ),
    ),
    Breakage(
        "fewest-workers-forgotten",
        "throughput scaling goes below the least number of workers",
        ("tests/planner/test_throughput.py",),
        source=Source(
            f"{PLANNER}.throughput_scaling",
            "        result = max(math.ceil(demand_rps / engine_rps), self._config.min_endpoint)\n"
            "        logger.info(\n"
            '            f"Prefill:',
            "        result = math.ceil(demand_rps / engine_rps)\n"
            "        logger.info(\n"
            '            f"Prefill:',
        ),
    ),
    Breakage(
        "demand-rounded-down",
        "the last part of a worker that the demand needs is not started",
        ("tests/planner/test_throughput.py",),
        source=Source(
            f"{PLANNER}.throughput_scaling",
            "        result = max(math.ceil(demand_rps / engine_rps), self._config.min_endpoint)\n"
            "        logger.info(\n"
            '            f"Decode:',
            "        result = max(math.floor(demand_rps / engine_rps), self._config.min_endpoint)\n"
            "        logger.info(\n"
            '            f"Decode:',
        ),
    ),
    Breakage(
        "budget-rounded-up",
        "the budget of GPUs is exceeded by a part of a worker",
        ("tests/planner/test_budget.py",),
        source=Source(
            f"{PLANNER}.budget",
            "return max(min_endpoint, math.floor(max_gpus / engine_gpu))",
            "return max(min_endpoint, math.ceil(max_gpus / engine_gpu))",
        ),
    ),
    Breakage(
        "leading-silence-counts",
        "the time before the first request is taken for a load of nothing",
        ("tests/planner/test_predictors.py",),
        source=Source(
            f"{PLANNER}.load.predictors",
            # The constant predictor's, and those of the predictors that inherit it.
            "reset:\n            # Skip the beginning",
            "reset and False:\n            # Skip the beginning",
        ),
    ),
    Breakage(
        "one-fewer-is-one-more",
        "the connector adds a decode worker where one was to go",
        ("tests/planner/test_connector.py",),
        source=Source(
            "dynamo.planner.connectors.virtual",
            "await self._update_scaling_decision(num_decode=new_count)",
            "await self._update_scaling_decision(num_decode=current + 1)",
        ),
    ),
)

BREAKAGES: dict[str, Breakage] = {
    breakage.name: breakage for breakage in (*_SERVED, *_AT_THE_DOOR, *_PLANNER)
}
