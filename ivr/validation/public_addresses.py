"""Which addresses the service may send requests to: the public internet, and networks that the site lists."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from ivr.errors import BadInput

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

GLOBAL_UNICAST = ip_network("2000::/3")
"""All of IPv6 that is assigned to the public internet (RFC 4291). Older and local forms are outside."""
UNKNOWN_TO_PYTHON = (ip_network("192.88.99.0/24"), ip_network("3fff::/20"))
"""Not public, and `is_global` in Python's library: relays for 6to4 (RFC 7526), documentation (RFC 9637)."""
NAT64 = ip_network("64:ff9b::/96")
"""Addresses that a gateway translates to the IPv4 address in their last 32 bits (RFC 6052)."""


def is_public(address: Address) -> bool:
    """Return whether an address is of the public internet, as is each IPv4 address that it stands for."""
    if not address.is_global or address.is_multicast or any(address in network for network in UNKNOWN_TO_PYTHON):
        return False
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST and address not in NAT64:
        return False
    return all(is_public(inner) for inner in _embedded_addresses(address))


def _embedded_addresses(address: Address) -> Iterable[IPv4Address]:
    if isinstance(address, IPv6Address):
        if address in NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
        yield from filter(None, (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())))


def resolve_now(host: str) -> list[str]:
    """Return the addresses of a host by the system's resolver. Raises OSError, UnicodeError."""
    return [str(address[0]) for *_, address in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)]


@dataclass(frozen=True, slots=True)
class AllowedAddresses:
    """Public addresses, and those of `networks`."""

    networks: Sequence[Network] = ()
    resolver: Callable[[str], Sequence[str]] = resolve_now

    def permit(self, address: str) -> bool:
        """Return whether a request may go to an IP address. Its zone (`%eth0`) does not matter."""
        parsed = ip_address(address.partition("%")[0])
        return is_public(parsed) or any(parsed in network for network in self.networks)

    def reject_private_url(self, url: str) -> None:
        """Raise `BadInput` for a URL whose host has no permitted address.

        A host that cannot be resolved now is accepted: the sender checks each request anyway.
        """
        host = urlsplit(url).hostname
        if not host:
            return
        try:
            addresses = self.resolver(host)
        except (OSError, UnicodeError):
            return
        if not any(map(self.permit, addresses)):
            shown = "" if host in addresses else f" ({', '.join(sorted(set(addresses)))})"
            raise BadInput(
                f"{host}{shown} is not a public address: webhooks go there only if webhook_networks in [notifications]"
                " of ivr.toml lists its network"
            )
