"""Addresses of ports, and networks of clients, by which requests and connections are counted."""

from __future__ import annotations

import ipaddress

IPV6_PREFIX_LENGTH = 64
"""What one subscriber has: a client can use any address of it."""
_LOOPBACK_OF = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def format_address(host: str, port: int | str) -> str:
    """Return an address as URLs, systemd and Asterisk have it: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def local_host(host: str) -> str:
    """Return the host by which a program of this machine reaches who listens at `host`, also at all addresses."""
    return _LOOPBACK_OF.get(host, host)


def parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a host is; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def client_network(address: str) -> str:
    """Return what a client is counted under: an IPv4 address as it is, the /64 network of an IPv6 address."""
    if not (parsed := parse_address(address)):
        return address  # A name, as of a client in a test.
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, IPV6_PREFIX_LENGTH), strict=False))
