"""vLLM alone, without Dynamo: what the engine itself says to a prompt."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dyno
from dyno.dynamo import VllmSpec

__all__ = ["tokens_alone"]

# Runs where vLLM is, which the suite does not import. One prompt at a time, as the tests ask.
PROGRAM = """
import json, sys
from vllm import LLM, SamplingParams
if __name__ == "__main__":
    asked = json.load(open(sys.argv[1]))
    llm = LLM(**asked["engine"])
    prompt = {"prompt_token_ids": asked["prompt"]}
    told = {}
    for name, fields in asked["requests"].items():
        (reply,) = llm.generate(prompt, SamplingParams.from_optional(**fields))
        told[name] = list(reply.outputs[0].token_ids)
    with open(sys.argv[2], "w") as answer:
        json.dump(told, answer)
"""


def tokens_alone(
    bench: dyno.Bench,
    folder: Path,
    spec: VllmSpec,
    model: Path,
    prompt: list[int],
    requests: Mapping[str, Mapping[str, Any]],
) -> dict[str, list[int]]:
    """The token ids that vLLM, started as `spec` says, generates for each request, by its name.

    Args:
        folder: where it keeps its files.
        requests: the fields of vLLM's `SamplingParams`, as the API has them.
    """
    program, asked, answer = (folder / name for name in ("alone.py", "asked.json", "answer.json"))
    program.write_text(PROGRAM)
    engine = {
        "model": str(model),
        "max_model_len": spec.max_model_len,
        "block_size": spec.block_size,
        "enforce_eager": spec.eager,
    }
    asked.write_text(json.dumps({"engine": engine, "prompt": prompt, "requests": requests}))
    process = bench.process(
        [spec.python or sys.executable, str(program), str(asked), str(answer)],
        name="vllm-alone",
        env={**spec.environment(), "HOME": str(folder), "HF_HUB_OFFLINE": "1"},
        cwd=folder,
    )
    code = process.wait(spec.ready_seconds)
    assert code == 0, f"vLLM alone ended with exit code {code}"
    told: dict[str, list[int]] = json.loads(answer.read_text())
    return told
