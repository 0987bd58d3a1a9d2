"""Frames between dyno's processes: a big-endian length and so many bytes of JSON.

The Rust side is the crate ``dyno-wire``, which describes every message.

A worker asks for its next test while the last one's fixtures, and with them whatever they have
patched (``json.loads``, ``socket.socket``, ``builtins.len``), are still in force. So nothing here
is looked up in another module once a connection stands: what it needs is held from the start.
"""

from __future__ import annotations

import builtins
import codecs
import json
import os
import re
import socket
import struct
from array import array as _integers
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["PROTOCOL", "Connection", "Disconnected", "as_sent"]

# Functions take their builtins from here, so those of this module are its own.
globals()["__builtins__"] = {**vars(builtins)}

PROTOCOL = 10

_LENGTH = struct.Struct(">I")
_CHUNK = 1 << 16
# The runner sends at most one descriptor a frame, and few frames are ever in flight.
_MOST_DESCRIPTORS = 16
_ANCILLARY = socket.CMSG_LEN(_MOST_DESCRIPTORS * _integers("i").itemsize)
_RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)
_CLOSE_ON_EXEC = socket.MSG_CMSG_CLOEXEC
_LOOK = socket.MSG_PEEK | socket.MSG_DONTWAIT
_stat = os.fstat


def _coders() -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    """`json`'s encoder and decoder, without the methods that can be patched on its classes."""
    encoder = json.JSONEncoder(default=repr, ensure_ascii=False, separators=(",", ":"))
    decoder = json.JSONDecoder()
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode, decoder.decode
    write = json.encoder.encode_basestring
    chunks = make(None, repr, write, None, ":", ",", False, False, True)
    scan: Any = decoder.scan_once  # type: ignore[attr-defined]
    return lambda value: "".join(chunks(value, 0)), lambda text: scan(text, 0)[0]


_encode, _decode = _coders()

_SURROGATE = re.compile("[\ud800-\udfff]")


def as_sent(text: str) -> str:
    """The text as the other side has it.

    A lone surrogate, of which Python makes the bytes of a file name that are no text, is none
    of Unicode's characters and of no use to Rust. It is written out, as Python shows it.
    """
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape_surrogates(error: UnicodeError) -> tuple[str, int]:
    """`as_sent` within JSON, where a backslash is written twice."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return as_sent(wrong).replace("\\", "\\\\"), error.end


codecs.register_error("dyno-surrogates", _escape_surrogates)


class Disconnected(Exception):
    """The other side is gone."""


class Connection:
    """One end of a conversation. Not thread-safe, and of use to one process only."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sendall, self._recv, self._recvmsg = end.sendall, end.recv, end.recvmsg
        self._inode = _stat(end.fileno()).st_ino
        self._buffer = bytearray()
        self._held = bytearray()
        self._descriptors: deque[int] = deque()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def forget(self) -> None:
        """Let go of the other side in a child that was forked, which is not to be heard.

        Only of what is still the connection's: a test may have closed it, and opened
        something else by that number.
        """
        if self.is_intact():
            self._socket.close()
        else:
            self._socket.detach()

    def is_intact(self) -> bool:
        """Whether nobody else has closed the connection, or put something else in its place."""
        try:
            return _stat(self._socket.fileno()).st_ino == self._inode
        except OSError:
            return False

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message, after what is held. Raises `Disconnected` where nobody reads it
        any more."""
        self.hold(kind, **fields)
        self.flush()

    def hold(self, kind: str, **fields: Any) -> None:
        """Send one message with the next that is sent, or before anything is waited for: a
        call of the system costs more than most tests."""
        fields["type"] = kind
        body = _encode(fields).encode(errors="dyno-surrogates")
        self._held += _LENGTH.pack(len(body))
        self._held += body

    def flush(self) -> None:
        """Send what is held."""
        if not self._held:
            return
        # A signal's handler may hold more while this is sent.
        held, self._held = self._held, bytearray()
        try:
            self._sendall(held)
        except OSError as error:
            raise Disconnected(str(error)) from error

    def receive(self) -> dict[str, Any]:
        """Wait for one message. Raises `Disconnected` at the end of the stream."""
        self.flush()
        while (message := self._take()) is None:
            self._fill()
        return message

    def poll(self) -> dict[str, Any] | None:
        """One message if it is here already."""
        message = self._take()
        while message is None and self._readable():
            self._fill()
            message = self._take()
        return message

    def take_descriptor(self) -> int:
        """The file descriptor that came with the message just read."""
        return self._descriptors.popleft()

    def _readable(self) -> bool:
        """Whether something can be read now. Raises `Disconnected` at the end of the stream."""
        try:
            if self._recv(1, _LOOK):
                return True
        except BlockingIOError:
            return False
        except OSError as error:
            raise Disconnected(str(error)) from error
        raise Disconnected("end of stream")

    def _fill(self) -> None:
        try:
            data, ancillary, _, _ = self._recvmsg(_CHUNK, _ANCILLARY, _CLOSE_ON_EXEC)
        except OSError as error:
            raise Disconnected(str(error)) from error
        for level, kind, rights in ancillary:
            if (level, kind) == _RIGHTS:
                descriptors = _integers("i")
                descriptors.frombytes(rights[: len(rights) - len(rights) % descriptors.itemsize])
                self._descriptors.extend(descriptors)
        if not data:
            raise Disconnected("end of stream")
        self._buffer += data

    def _take(self) -> dict[str, Any] | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        end = _LENGTH.size + int(_LENGTH.unpack_from(self._buffer)[0])
        if len(self._buffer) < end:
            return None
        message: dict[str, Any] = _decode(self._buffer[_LENGTH.size : end].decode())
        del self._buffer[:end]
        return message
