"""Proof that a call comes from our own Asterisk, and from which of its phones.

The service asks Asterisk for the hash of a new number and the shared secret. The secret itself is never asked for, so
neither a debug log of Asterisk nor a reader of the connection has it, and a reply cannot be used again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ivr.call.arguments import DIALPLAN_REQUESTS, Action

NONCE_BYTES = 16


def proof_of(secret: str, nonce: str) -> str:
    """Return what the dialplan function SHA1() returns for the nonce and the secret."""
    return hashlib.sha1(f"{nonce}{secret}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Proof:
    """What is proven of a call."""

    is_own_asterisk: bool = False
    """Whether it comes from our own Asterisk."""
    endpoint: str | None = None
    """The verified endpoint."""
    is_forwarded: bool = False


NOTHING_PROVEN = Proof()


@dataclass(frozen=True, slots=True)
class ProofRequest:
    """The request of one call for a proof. `endpoint`: "" for a call of no endpoint. `secrets`: those that our own
    Asterisk may have."""

    endpoint: str
    nonce: str
    secrets: Sequence[str]

    @property
    def expressions(self) -> tuple[str, ...]:
        """The dialplan expressions whose values `verify` needs."""
        own_asterisk = f"SHA1({self.nonce}${{GLOBAL(IVR_SECRET)}})"
        if not self.endpoint:
            return (own_asterisk,)
        return (own_asterisk, f"PJSIP_ENDPOINT({self.endpoint},auth)", "REDIRECTING(count)", "REDIRECTING(from-num)")

    def verify(self, values: Sequence[str]) -> Proof:
        """Return what is proven. `values`: those of `expressions`, in its order."""
        proof, *others = values
        expected = [proof_of(secret, self.nonce) for secret in self.secrets if secret]
        matches = [hmac.compare_digest(proof.encode(), one.encode()) for one in expected]
        is_own_asterisk = any(matches)
        if not self.endpoint:
            return Proof(is_own_asterisk)
        auth, forwards, forwarded_from = others
        is_forwarded = forwards not in ("", "0") or bool(forwarded_from)
        return Proof(is_own_asterisk, self.endpoint if is_own_asterisk and auth else None, is_forwarded)


class OwnerProof:
    """Makes the requests. `accepted_secrets()`: the secrets that our own Asterisk may have now."""

    def __init__(self, accepted_secrets: Callable[[], Sequence[str]], random_bytes: Callable[[int], bytes]) -> None:
        self._accepted_secrets = accepted_secrets
        self._random_bytes = random_bytes

    def request(self, endpoint: str | None, action: Action | None) -> ProofRequest | None:
        """Return the request for a call of this endpoint. None: there is no secret, or there is nothing to prove.

        What only the dialplan may ask for has to be proven over every channel, also one of no endpoint.
        """
        secrets = self._accepted_secrets()
        if not any(secrets) or (not endpoint and action not in DIALPLAN_REQUESTS):
            return None
        return ProofRequest(endpoint or "", self._random_bytes(NONCE_BYTES).hex(), secrets)


NO_PROOF = OwnerProof(tuple, bytes)
"""Without a secret: every mailbox asks for its PIN."""
