"""Whether an address of this machine can be bound, for a port that the system chooses."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, NamedTuple

__all__ = ["Place", "can_be_bound", "free_place"]

_KINDS = {socket.SOCK_STREAM: "stream", socket.SOCK_DGRAM: "datagram"}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Place(NamedTuple):
    address: str
    #: "stream" or "datagram".
    kind: str


def free_place(bound: socket.socket, address: Any) -> Place | None:
    """The place, if ``address`` is a literal one and the port any; else nothing."""
    kind = _KINDS.get(bound.type)
    if kind is None or not isinstance(address, tuple) or len(address) < 2:
        return None
    host, port, *rest = address
    if type(host) is not str or type(port) is not int or port != 0 or any(rest):
        return None
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return None
    if bound.family != _FAMILIES[parsed.version] or "%" in host:
        return None
    return Place(host, kind)


def can_be_bound(place: Place) -> bool:
    family = _FAMILIES[ipaddress.ip_address(place.address).version]
    kind = next(number for number, name in _KINDS.items() if name == place.kind)
    try:
        with socket.socket(family, kind) as probe:
            probe.bind((place.address, 0))
    except OSError:
        return False
    return True
