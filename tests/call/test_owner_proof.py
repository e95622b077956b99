"""The proof that a call is of our own Asterisk does not give the secret away, and cannot be used again."""

from __future__ import annotations

import asyncio
import secrets

import structlog

from ivr.call.arguments import Action
from ivr.call.owner_proof import NOTHING_PROVEN, OwnerProof, Proof, proof_of
from tests.call.conftest import SECRET, FakePbx


async def ask(pbx: FakePbx, proof: str | None = None) -> tuple[str, str | None]:
    """Call from alice's phone and answer the service's question. Return its question, and whose phone it believes."""
    with structlog.testing.capture_logs() as logs:
        reader, writer = await asyncio.open_connection(*pbx.address)
        writer.write(b"agi_network_script: check\nagi_channel: PJSIP/alice-00000001\nagi_arg_1: account=demo\n")
        writer.write(b"agi_arg_2: number=1000\n\n")
        question = (await reader.readline()).decode()
        nonce = question.partition("SHA1(")[2].partition("$")[0]
        writer.write(f"200 result=1 ({proof or proof_of(SECRET, nonce)}:yes:0:)\n".encode())
        await reader.readline()  # The next command: the call has begun.
        writer.close()
    [started] = [entry for entry in logs if entry["event"] == "call.started"]
    return question, started["endpoint"]


async def test_secret_is_not_asked_for_and_each_call_has_a_question_of_its_own(pbx: FakePbx) -> None:
    await pbx.app.create_box(owner=pbx.app.alice)
    first, _ = await ask(pbx)
    second, _ = await ask(pbx)
    assert first != second
    for question in (first, second):
        assert question.count("IVR_SECRET") == 1
        assert "${SHA1(" in question.partition("GLOBAL(IVR_SECRET)")[0], "only its hash comes over the connection"


async def test_proof_of_another_call_is_no_proof(pbx: FakePbx) -> None:
    """What a stranger read of an earlier call does not open a mailbox."""
    await pbx.app.create_box(owner=pbx.app.alice)
    assert (await ask(pbx))[1] == "alice"
    assert (await ask(pbx, proof=proof_of(SECRET, "0" * 32)))[1] is None


def test_secret_itself_and_empty_secrets_are_no_proof() -> None:
    request = OwnerProof(lambda: (SECRET, "former"), secrets.token_bytes).request("alice", Action.CHECK)
    assert request
    right = proof_of("former", request.nonce)
    assert request.verify((right, "yes", "0", "")) == Proof(True, "alice", False)
    assert request.verify((right, "", "0", "")) == Proof(True, None, False)
    assert request.verify((right, "yes", "1", "")) == Proof(True, "alice", True)
    for wrong in (SECRET, "", proof_of("", request.nonce), request.nonce):
        assert request.verify((wrong, "yes", "0", "")) == Proof(False, None, False)
    assert OwnerProof(lambda: ("",), secrets.token_bytes).request("alice", Action.CHECK) is None


def test_request_of_dialplan_is_proven_over_channel_without_endpoint() -> None:
    """A call of a trunk needs no proof to leave a message, and each request of a dialplan does."""
    owner_proof = OwnerProof(lambda: (SECRET,), secrets.token_bytes)
    assert owner_proof.request(None, Action.LEAVE) is None
    request = owner_proof.request(None, Action.INFO)
    assert request
    assert len(request.expressions) == 1
    assert request.verify((proof_of(SECRET, request.nonce),)) == Proof(True)
    assert request.verify((proof_of("another", request.nonce),)) == NOTHING_PROVEN
    assert OwnerProof(lambda: ("",), secrets.token_bytes).request(None, Action.INFO) is None
