"""Dynamo with SGLang, as the mocker plays it."""
