"""Proof that a call comes from our own Asterisk, and from which of its phones.

The service asks Asterisk for the hash of a new number and the shared secret. The secret itself is never asked for, so
neither a debug log of Asterisk nor a reader of the connection has it, and a reply cannot be used again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

NONCE_BYTES = 16


def proof_of(secret: str, nonce: str) -> str:
    """Return what the dialplan function SHA1() returns for the nonce and the secret."""
    return hashlib.sha1(f"{nonce}{secret}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ProofRequest:
    """The request of one call for a proof. `secrets`: those that our own Asterisk may have."""

    endpoint: str
    nonce: str
    secrets: Sequence[str]

    @property
    def expressions(self) -> tuple[str, ...]:
        """The dialplan expressions whose values `verify` needs."""
        return (
            f"SHA1({self.nonce}${{GLOBAL(IVR_SECRET)}})",
            f"PJSIP_ENDPOINT({self.endpoint},auth)",
            "REDIRECTING(count)",
            "REDIRECTING(from-num)",
        )

    def verify(self, values: Sequence[str]) -> tuple[str | None, bool]:
        """Return the verified endpoint of a call, or None; and whether the call was forwarded.

        `values`: those of `expressions`, in its order.
        """
        proof, auth, forwards, forwarded_from = values
        expected = [proof_of(secret, self.nonce) for secret in self.secrets if secret]
        matches = [hmac.compare_digest(proof.encode(), one.encode()) for one in expected]
        is_trusted = any(matches)
        is_forwarded = forwards not in ("", "0") or bool(forwarded_from)
        return (self.endpoint if is_trusted and auth else None), is_forwarded


class OwnerProof:
    """Makes the requests. `accepted_secrets()`: the secrets that our own Asterisk may have now."""

    def __init__(self, accepted_secrets: Callable[[], Sequence[str]], random_bytes: Callable[[int], bytes]) -> None:
        self._accepted_secrets = accepted_secrets
        self._random_bytes = random_bytes

    def request(self, endpoint: str | None) -> ProofRequest | None:
        """Return the request for a call of this endpoint. None: it is of no endpoint, or there is no secret."""
        secrets = self._accepted_secrets()
        if not endpoint or not any(secrets):
            return None
        return ProofRequest(endpoint, self._random_bytes(NONCE_BYTES).hex(), secrets)


NO_PROOF = OwnerProof(tuple, bytes)
"""Without a secret: every mailbox asks for its PIN."""
