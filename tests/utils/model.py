"""The tiny model: enough of one for Dynamo to tokenize, template and detokenize."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

__all__ = ["TinyModel"]


@dataclass(frozen=True)
class TinyModel:
    """A model directory, the name it is served under, and the tokenizer it carries.

    The mocker ignores the weights and makes up token ids from 1000 to 1999, so its text means
    nothing. A test that looks at text scripts it (see `script`).
    """

    path: Path
    name: str
    tokenizer: Tokenizer

    @classmethod
    def load(cls, path: Path, *, name: str) -> TinyModel:
        """Reads the tokenizer of the directory."""
        return cls(path, name, Tokenizer.from_file(str(path / "tokenizer.json")))

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=False))

    def script(self, replies: Mapping[str, str]) -> dict[str, list[int]]:
        """What a mocker is to be given so that it can say these texts, each by its name."""
        script = {name: self.encode(text) for name, text in replies.items()}
        for name, ids in script.items():
            assert self.decode(ids) == replies[name], f"reply {name} does not survive the tokenizer"
        return script
