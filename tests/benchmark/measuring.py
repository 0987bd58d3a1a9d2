"""What a load says of a deployment, in the terms of serving."""

from __future__ import annotations

from tests.benchmark.history import Better, Figure
from tests.utils.load import Answer, Load, percentile

__all__ = ["assert_valid", "first_tokens", "gaps", "latency", "throughput"]

# Of fewer the 99th percentile is the one worst.
ENOUGH_ANSWERS = 300

MILLISECONDS = 1000.0


def assert_valid(load: Load, tokens: int) -> None:
    """Every request was answered whole, and there are enough of them to say something."""
    unsound = [answer for answer in load.answers if not _is_sound(answer, tokens)]
    assert unsound == []
    assert len(load.answers) >= ENOUGH_ANSWERS


def throughput(load: Load) -> dict[str, Figure]:
    """Requests and tokens of replies a second."""
    tokens = sum(answer.tokens for answer in load.answers)
    return {
        "requests_per_second": Figure(len(load.answers) / load.seconds, Better.HIGHER),
        "output_tokens_per_second": Figure(tokens / load.seconds, Better.HIGHER),
    }


def latency(load: Load) -> dict[str, Figure]:
    """From a request to the end of its reply."""
    return _spread("latency", [answer.seconds for answer in load.answers])


def first_tokens(load: Load) -> dict[str, Figure]:
    """Time to first token (TTFT)."""
    return _spread("ttft", [answer.first for answer in load.answers])


def gaps(load: Load) -> dict[str, Figure]:
    """Inter-token latency (ITL). Where the client is behind, it sees tokens that have come since
    together: this is of use for streams that are much slower than their reader."""
    return _spread("itl", [gap for answer in load.answers for gap in answer.gaps])


def _spread(name: str, seconds: list[float]) -> dict[str, Figure]:
    return {
        f"{name}_p{percent}_ms": Figure(percentile(seconds, percent) * MILLISECONDS, Better.LOWER)
        for percent in (50, 99)
    }


def _is_sound(answer: Answer, tokens: int) -> bool:
    if answer.error is not None or answer.status != 200 or answer.tokens != tokens:
        return False
    # A chunk for each token: without that a gap between two chunks is no ITL.
    return not answer.ask.body.get("stream") or len(answer.arrivals) == tokens
