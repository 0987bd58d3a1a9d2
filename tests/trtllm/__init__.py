"""Dynamo with TensorRT-LLM, as the mocker plays it."""
