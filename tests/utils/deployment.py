"""A deployment and the official OpenAI clients of its frontend."""

from __future__ import annotations

from functools import cached_property

from dyno import dynamo
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from tests.utils.model import TinyModel

__all__ = ["Deployment"]

# How long the client waits for a reply or for the next chunk of a stream.
CLIENT_SECONDS = 30.0


class Deployment(dynamo.Deployment):
    """A deployment, and the official clients of its first frontend."""

    model: TinyModel

    @cached_property
    def openai(self) -> OpenAI:
        """A client that never retries: a failure is to be seen."""
        return OpenAI(
            base_url=f"{self.url}/v1",
            api_key="none",
            max_retries=0,
            timeout=CLIENT_SECONDS,
            http_client=DefaultHttpxClient(trust_env=False),
        )

    def async_openai(self) -> AsyncOpenAI:
        """The same for `asyncio`; a context manager, to be used in one event loop."""
        return AsyncOpenAI(
            base_url=f"{self.url}/v1",
            api_key="none",
            max_retries=0,
            timeout=CLIENT_SECONDS,
            http_client=DefaultAsyncHttpxClient(trust_env=False),
        )

    def close_clients(self) -> None:
        """Closes the connections of the client; the bench ends the processes."""
        client = self.__dict__.pop("openai", None)
        if client is not None:
            client.close()
