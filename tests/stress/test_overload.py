"""More than a deployment takes, and more connections than it keeps: what is refused is said to be,
and what is taken is served.
"""

from __future__ import annotations

from collections import Counter

import pytest
from dyno.dynamo import (
    BusyThresholds,
    FrontendSpec,
    MockerSpec,
    RouterMode,
    completion,
    nvext,
    streamed,
)

from tests.stress.ledger import counted, held, let_go
from tests.utils.deploying import Deploy
from tests.utils.load import Answer, Ask, put_load

pytestmark = [
    pytest.mark.post_merge,
    pytest.mark.stress,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.frontend,
    pytest.mark.router,
    pytest.mark.mocker,
]

TEXT = "/v1/completions"

# Of 256 blocks at two workers a request takes some 19, so 48 at once are more than half of them.
FEW_BLOCKS = MockerSpec(blocks=256, max_model_len=2048)
HALF = FrontendSpec(busy=BusyThresholds(decode_blocks=0.5))
CROWD = 48
PROMPT_TOKENS = 100
TOKENS = 200
OVERLOADED = 529

FOX = "the quick brown fox jumps over the lazy dog."


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(RouterMode.ROUND_ROBIN, id="round-robin"),
        pytest.param(RouterMode.KV, id="kv", marks=pytest.mark.kv_router),
    ],
)
def test_requests_above_the_threshold_are_refused_and_the_others_served(
    deploy: Deploy, mode: RouterMode
) -> None:
    deployment = deploy(FEW_BLOCKS, FEW_BLOCKS, frontend=FrontendSpec(router=mode, busy=HALF.busy))
    counts = counted(deployment)
    served = sum(worker.served() for worker in deployment.workers)

    def ask(number: int) -> Ask:
        prompt = [number % 400] * PROMPT_TOKENS
        return Ask(TEXT, streamed(completion("tiny", prompt, max_tokens=TOKENS)))

    load = put_load(deployment.url, ask, clients=CROWD, until=lambda sent, _: sent >= 400)

    def is_as_expected(answer: Answer) -> bool:
        if answer.status == OVERLOADED:
            return not answer.arrivals
        return answer.error is None and (answer.status, answer.tokens) == (200, TOKENS)

    assert [answer for answer in load.answers if not is_as_expected(answer)] == []
    statuses = Counter(answer.status for answer in load.answers)
    # Both happened.
    assert set(statuses) == {200, OVERLOADED}
    assert counted(deployment, counts.total() + 400) - counts == Counter(
        success=statuses[200], overload=statuses[OVERLOADED]
    )
    # Who was refused was no worker's work.
    taken = sum(worker.served() for worker in deployment.workers) - served
    assert taken == statuses[200]
    let_go(deployment, held(deployment))
    after = deployment.client.post(TEXT, completion("tiny", [7] * 10))
    assert after.status == 200, after.text


def test_connections_that_come_and_go_leave_nothing_open(deploy: Deploy) -> None:
    deployment = deploy(replies={"fox": FOX})
    ask = Ask(TEXT, completion("tiny", "go", **nvext(reply="fox")), expected=FOX)
    put_load(deployment.url, lambda _: ask, clients=16, until=lambda sent, _: sent >= 100)
    before = let_go(deployment, held(deployment))

    load = put_load(
        deployment.url,
        lambda _: ask,
        clients=16,
        until=lambda sent, _: sent >= 2000,
        reconnect=True,
    )

    assert [answer for answer in load.answers if answer.text != FOX or answer.error] == []
    assert len(load.answers) == 2000
    let_go(deployment, before)
