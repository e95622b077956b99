"""Networks of clients, by which requests and connections are counted."""

from __future__ import annotations

import ipaddress

IPV6_PREFIX_LENGTH = 64
"""What one subscriber has: a client can use any address of it."""


def client_network(address: str) -> str:
    """Return what a client is counted under: an IPv4 address as it is, the /64 network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address  # A name, as of a client in a test.
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, IPV6_PREFIX_LENGTH), strict=False))
