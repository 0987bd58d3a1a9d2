"""Dynamo with vLLM: real, on the CPU, and as the mocker plays it."""
