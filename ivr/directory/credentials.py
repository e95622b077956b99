"""API credentials and tokens."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from itertools import product

import bcrypt

from ivr.clock import Clock
from ivr.directory.models import User
from ivr.directory.password_strength import MIN_PASSWORD_LENGTH, find_password_weakness
from ivr.directory.peppers import Pepper, PepperSource
from ivr.directory.token_use import TokenUse
from ivr.errors import BadInput, InvalidFields, NotFound
from ivr.storage.protocols import SecretHashStore, TokenRecordStore
from ivr.storage.records import Token, TokenKind
from ivr.validation.names import api_username

BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BCRYPT_ALPHABET = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
USER_REF_PREFIX = "user:"


class CredentialStore:
    """Usernames and passwords; `peppers` and `cost` are those of `SecretStore`."""

    def __init__(self, store: SecretHashStore, peppers: PepperSource, cost: int) -> None:
        self._store = store
        self._peppers = peppers
        self._cost = cost

    async def set(self, user: User, username: str, password: str) -> None:
        """Set the username and password of a user.

        Raises `InvalidFields`; `Conflict` if the username is in use in the account.
        """
        try:
            username = api_username(username)
        except BadInput as error:
            raise InvalidFields({"username": {"wrong_format": {"message": str(error)}}}) from error
        if len(password) < MIN_PASSWORD_LENGTH:
            message = f"String must be at least {MIN_PASSWORD_LENGTH} characters"
            raise InvalidFields({"password": {"minLength": {"message": message, "target": MIN_PASSWORD_LENGTH}}})
        if weakness := find_password_weakness(password, [username, user.name, user.email or "", "ivr"]):
            raise InvalidFields({"password": {"tooCommon": {"message": weakness}}})
        pepper = self._peppers.current()
        hashes = {
            f"{_secret_ref(user.id)}{suffix}": pepper.tag(
                await _hash(pepper, user.account_id, digest(username, password), self._cost)
            )
            for suffix, digest in CREDENTIALS_DIGESTS.items()
        }
        await self._store.set_credentials(user.account_id, user.id, username, hashes)

    async def authenticate(self, account_id: str | None, credentials: str) -> str | None:
        """Return the id of the user that the credentials belong to. Takes as long for an unknown account (None)."""
        costs = await self._store.bcrypt_costs(account_id or "", USER_REF_PREFIX) or [self._cost]
        current = self._peppers.current()
        # More than one only after pins.bcrypt_cost was changed, and after a rotation of the pepper.
        for cost, pepper in product(costs, [current, *self._peppers.earlier()]):
            bcrypt_hash = await _hash(pepper, account_id or "", credentials.lower(), cost)
            # Hashes of earlier versions do not name their pepper, the current one.
            candidates = [pepper.tag(bcrypt_hash), *([bcrypt_hash.decode()] if pepper == current else [])]
            for stored_hash in candidates:
                ref = await self._store.find_ref(account_id or "", stored_hash)
                if not ref or not account_id:
                    continue
                if pepper != current:
                    new = current.tag(await _hash(current, account_id, credentials.lower(), self._cost))
                    await self._store.replace_hash(account_id, ref, stored_hash, new)
                return ref.split(":")[1]
        return None


async def _hash(pepper: Pepper, account_id: str, credentials: str, cost: int) -> bytes:
    mixed = hmac.digest(pepper.key, f"credentials\0{account_id}\0{credentials}".encode(), hashlib.sha256)
    salt = hmac.digest(pepper.key, f"salt\0{account_id}".encode(), hashlib.sha256)[:16]
    letters = base64.b64encode(salt).rstrip(b"=").translate(bytes.maketrans(BASE64_ALPHABET, BCRYPT_ALPHABET))
    return await asyncio.to_thread(bcrypt.hashpw, base64.b64encode(mixed), b"$2b$%02d$%s" % (cost, letters))


def kazoo_credentials_md5(username: str, password: str) -> str:
    """Return what a client sends instead of the username and the password."""
    return hashlib.md5(f"{username}:{password}".encode(), usedforsecurity=False).hexdigest()


def kazoo_credentials_sha1(username: str, password: str) -> str:
    """Return what a client sends instead, if it signs in with the method `sha`."""
    return hashlib.sha1(f"{username}:{password}".encode(), usedforsecurity=False).hexdigest()


CREDENTIALS_DIGESTS: dict[str, Callable[[str, str], str]] = {"": kazoo_credentials_md5, ":sha": kazoo_credentials_sha1}
"""Digests that clients may send, by the end of the reference under which they are stored."""
CREDENTIALS_DIGITS = {"md5": 32, "sha": 40}
"""Hexadecimal digits of `credentials`, by method."""


def _secret_ref(user_id: str) -> str:
    return f"{USER_REF_PREFIX}{user_id}:credentials"


TOKEN_BYTES = 32
DAY_S = 86_400


class TokenStore:
    """Creates, finds and revokes tokens. `random_bytes(n)` returns n random bytes."""

    def __init__(self, store: TokenRecordStore, clock: Clock, random_bytes: Callable[[int], bytes]) -> None:
        self._store = store
        self._clock = clock
        self._random_bytes = random_bytes
        self.use = TokenUse(store, clock)

    async def create(
        self,
        account_id: str,
        user_id: str | None = None,
        label: str = "",
        *,
        lifetime_s: int | None = None,
        kind: TokenKind = TokenKind.API_KEY,
        parent: Token | None = None,
        max_sessions: int | None = None,
        box_id: str | None = None,
        proof: str = "",
    ) -> tuple[str, Token]:
        """Create a token; return its text, which is shown only once, and its record.

        `lifetime_s` None: it does not expire, unless `parent` does. Of the valid tokens of that kind, user and parent
        only the newest `max_sessions` remain (None: all). `box_id` and `proof` are those of a session of the page.
        """
        text = base64.urlsafe_b64encode(self._random_bytes(TOKEN_BYTES)).decode().rstrip("=")
        now = int(self._clock.now())
        ends = [now + lifetime_s] if lifetime_s is not None else []
        ends += [parent.expires_at] if parent and parent.expires_at is not None else []
        token = Token(
            hash=hash_token(text),
            account_id=account_id,
            user_id=user_id,
            label=label,
            kind=kind,
            created_at=now,
            expires_at=min(ends, default=None),
            box_id=box_id,
            proof=proof,
        )
        await self._store.add(token, parent_hash=parent.hash if parent else None, max_sessions=max_sessions)
        return text, token

    async def find(self, text: str) -> Token | None:
        """Return the token with that text, if it is valid and its account and user exist.

        A session of the page is none: it may be limited to one mailbox, which the REST API does not know. The secret of
        a desk phone is none either.
        """
        token = await self._find_valid(text)
        return token if token and token.kind not in (TokenKind.PAGE, TokenKind.PHONE) else None

    async def find_page_session(self, text: str) -> Token | None:
        """Return the session of the page with that text, if it is valid and its account and user exist."""
        token = await self._find_valid(text)
        return token if token and token.kind is TokenKind.PAGE else None

    async def find_phone_secret(self, text: str) -> Token | None:
        """Return the secret of a desk phone with that text, if it is valid and its account and user exist."""
        token = await self._find_valid(text)
        return token if token and token.kind is TokenKind.PHONE else None

    async def create_phone_secret(self, account_id: str, user_id: str, endpoint: str) -> tuple[str, Token]:
        """Create the secret of a desk phone, in place of its earlier one; return its text and its record."""
        earlier = [
            token
            for token in await self._store.of_account(account_id)
            if token.kind is TokenKind.PHONE and token.label == endpoint and token.revoked_at is None
        ]
        created = await self.create(account_id, user_id, endpoint, kind=TokenKind.PHONE)
        for token in earlier:
            await self._store.revoke(token.hash)
        return created

    async def is_known(self, text: str) -> bool:
        """Return whether there has been a token with that text, valid or not."""
        return await self._store.contains(hash_token(text))

    async def list_valid(self, account_id: str, *, with_sessions: bool = True) -> list[Token]:
        """Return the valid tokens, oldest first: those that an administrator created, and sessions."""
        return [
            token
            for token in await self._store.of_account(account_id)
            if self._is_valid(token) and (with_sessions or token.kind in (TokenKind.API_KEY, TokenKind.PHONE))
        ]

    async def list_api_keys(self, account_id: str) -> list[Token]:
        """Return the tokens that an administrator created and did not revoke, expired ones too, oldest first."""
        tokens = await self._store.of_account(account_id)
        return [token for token in tokens if token.kind is TokenKind.API_KEY and token.revoked_at is None]

    async def revoke(self, account_id: str, id_prefix: str) -> Token:
        """Revoke the token whose id begins like this, and the sessions of an API key. Raises `NotFound`, `BadInput`.

        An expired API key can be revoked, too: it is no longer reported then.
        """
        tokens = {token.hash: token for token in await self.list_api_keys(account_id)}
        tokens |= {token.hash: token for token in await self.list_valid(account_id)}
        found = [token for token in tokens.values() if id_prefix and token.hash.startswith(id_prefix.lower())]
        if not found:
            raise NotFound(f"there is no token {id_prefix!r} in this account: see 'ivr token list'")
        if len(found) > 1:
            raise BadInput(f"{len(found)} tokens begin with {id_prefix!r}: give more of it")
        await self._store.revoke(found[0].hash)
        return found[0]

    async def end_session(self, token: Token) -> None:
        """Revoke one token, as at a sign-out."""
        await self._store.revoke(token.hash)

    async def revoke_logins(self, account_id: str, user_id: str) -> None:
        """Revoke the tokens that a user obtained by signing in, as after a new password."""
        for kind in (TokenKind.LOGIN, TokenKind.PAGE):
            await self._store.revoke_of_user(account_id, user_id, kind)

    async def revoke_pin_sessions(self, account_id: str, box_ids: Sequence[str]) -> None:
        """Revoke the sessions of the page that PINs of these mailboxes have opened."""
        await self._store.revoke_of_boxes(account_id, box_ids)

    async def _find_valid(self, text: str) -> Token | None:
        token = await self._store.find(hash_token(text))
        return token if token and self._is_valid(token) else None

    def _is_valid(self, token: Token) -> bool:
        return token.revoked_at is None and (token.expires_at is None or token.expires_at > self._clock.now())


def hash_token(text: str) -> str:
    """Return the hash that is stored of a token; plain SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
