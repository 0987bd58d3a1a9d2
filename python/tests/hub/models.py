"""The models of a local Hub: commits of files, with git's ids and SHA-256 sums."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from typing import Any

__all__ = ["LFS", "File", "Model"]

# What a repository on the real Hub keeps in large-file storage.
LFS = ("*.safetensors", "*.bin", "*.gguf", "*.onnx", "*tokenizer.json")


def git_id(content: bytes) -> str:
    """git's id of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class File:
    """A file of a commit."""

    content: bytes
    in_lfs: bool

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pointer(self) -> bytes:
        """What git itself holds of a file in large-file storage."""
        lines = ["version https://git-lfs.github.com/spec/v1", f"oid sha256:{self.sha256}"]
        return "\n".join([*lines, f"size {len(self.content)}", ""]).encode()

    @cached_property
    def blob(self) -> str:
        """git's id of what is in the repository."""
        return git_id(self.pointer if self.in_lfs else self.content)

    @property
    def etag(self) -> str:
        """The name of its blob in a cache."""
        return self.sha256 if self.in_lfs else self.blob

    def sibling(self, path: str, blobs: bool) -> dict[str, Any]:
        """As `/api/models/NAME` lists it."""
        listed: dict[str, Any] = {"rfilename": path}
        if blobs:
            listed |= {"size": len(self.content), "blobId": self.blob}
            if self.in_lfs:
                size = len(self.content)
                pointer_size = len(self.pointer)
                listed["lfs"] = {"sha256": self.sha256, "size": size, "pointerSize": pointer_size}
        return listed

    def entry(self, path: str) -> dict[str, Any]:
        """As `/api/models/NAME/tree/COMMIT` lists it."""
        size = len(self.content)
        listed: dict[str, Any] = {"type": "file", "oid": self.blob, "size": size, "path": path}
        if self.in_lfs:
            pointer_size = len(self.pointer)
            listed["lfs"] = {"oid": self.sha256, "size": size, "pointerSize": pointer_size}
        return listed


@dataclass
class Model:
    """A repository: branches and tags that name commits, and commits that hold files."""

    name: str
    lfs: tuple[str, ...] = LFS
    gated: bool = False
    private: bool = False
    # The tokens that may read it where it is gated or private.
    readers: set[str] = field(default_factory=set)
    # Whether `?blobs=true` is answered with sizes and checksums.
    tells_blobs: bool = True
    revisions: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, File]] = field(default_factory=dict)

    def commit(self, files: Mapping[str, bytes], revision: str = "main") -> str:
        """Adds a commit and lets a revision name it."""
        content = {path: File(data, self.is_in_lfs(path)) for path, data in files.items()}
        seed = f"{self.name} {len(self.commits)} {revision}"
        commit = hashlib.sha1(seed.encode()).hexdigest()
        self.commits[commit] = content
        self.revisions[revision] = commit
        return commit

    def is_in_lfs(self, path: str) -> bool:
        return any(fnmatch(path, pattern) for pattern in self.lfs)

    def at(self, revision: str) -> str | None:
        """The commit that a revision names."""
        commit = self.revisions.get(revision, revision)
        return commit if commit in self.commits else None

    @property
    def head(self) -> str:
        return self.revisions["main"]

    @property
    def files(self) -> dict[str, File]:
        """Those of `main`."""
        return self.commits[self.head]

    def info(self, commit: str, blobs: bool) -> dict[str, Any]:
        blobs = blobs and self.tells_blobs
        files = self.commits[commit].items()
        return {
            "_id": "0" * 24,
            "id": self.name,
            "modelId": self.name,
            "sha": commit,
            "private": self.private,
            "gated": "manual" if self.gated else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": [file.sibling(path, blobs) for path, file in files],
        }

    def tree(self, commit: str) -> list[dict[str, Any]]:
        return [file.entry(path) for path, file in self.commits[commit].items()]
