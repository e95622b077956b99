"""Tokens: 256 random bits that authenticate a program. Only their SHA-256 is stored.

The scope of a token is an account, or the mailboxes of one user. Revoking a token revokes the sessions that were opened
with it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from ivr.clock import Clock
from ivr.errors import BadInput, NotFound
from ivr.storage.protocols import TokenRecordStore
from ivr.storage.records import Token, TokenKind

TOKEN_BYTES = 32
DAY_S = 86_400


class TokenStore:
    """Creates, finds and revokes tokens. `random_bytes(n)` returns n random bytes."""

    def __init__(self, store: TokenRecordStore, clock: Clock, random_bytes: Callable[[int], bytes]) -> None:
        self._store = store
        self._clock = clock
        self._random_bytes = random_bytes

    async def create(
        self,
        account_id: str,
        user_id: str | None = None,
        label: str = "",
        *,
        lifetime_s: int | None = None,
        kind: TokenKind = TokenKind.API_KEY,
        parent: Token | None = None,
    ) -> tuple[str, Token]:
        """Create a token; return its text, which is shown only once, and its record.

        `lifetime_s` None: it does not expire, unless `parent` does.
        """
        text = base64.urlsafe_b64encode(self._random_bytes(TOKEN_BYTES)).decode().rstrip("=")
        now = int(self._clock.now())
        ends = [now + lifetime_s] if lifetime_s is not None else []
        ends += [parent.expires_at] if parent and parent.expires_at is not None else []
        token = Token(hash_token(text), account_id, user_id, label, kind, now, min(ends, default=None))
        await self._store.add(token, parent_hash=parent.hash if parent else None)
        return text, token

    async def find(self, text: str) -> Token | None:
        """Return the token with that text, if it is valid and its account and user exist."""
        token = await self._store.find(hash_token(text))
        return token if token and self._is_valid(token) else None

    async def list_api_keys(self, account_id: str) -> list[Token]:
        """Return the valid tokens that an administrator created, oldest first."""
        tokens = await self._store.of_account(account_id)
        return [token for token in tokens if token.kind is TokenKind.API_KEY and self._is_valid(token)]

    async def revoke(self, account_id: str, id_prefix: str) -> Token:
        """Revoke the API key whose id begins like this, and its sessions. Raises `NotFound`, `BadInput`."""
        found = [
            token
            for token in await self.list_api_keys(account_id)
            if id_prefix and token.hash.startswith(id_prefix.lower())
        ]
        if not found:
            raise NotFound(f"there is no token {id_prefix!r} in this account: see 'ivr token list'")
        if len(found) > 1:
            raise BadInput(f"{len(found)} tokens begin with {id_prefix!r}: give more of it")
        await self._store.revoke(found[0].hash)
        return found[0]

    async def revoke_logins(self, account_id: str, user_id: str) -> None:
        """Revoke the tokens that a user obtained by signing in, as after a new password."""
        await self._store.revoke_of_user(account_id, user_id, TokenKind.LOGIN)

    def _is_valid(self, token: Token) -> bool:
        return token.revoked_at is None and (token.expires_at is None or token.expires_at > self._clock.now())


def hash_token(text: str) -> str:
    """Return the hash that is stored of a token; plain SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
