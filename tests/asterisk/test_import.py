"""Moving in from a real app_voicemail: what it recorded is imported, and heard by its owner, once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivr.audio import wav
from ivr.imports.verification import correlation
from ivr.imports.voicemail_conf import read_voicemail_conf
from tests.asterisk.conftest import PhoneUser, SpokenMessage, wait_until
from tests.asterisk.side_by_side import SAME_AUDIO, similarity
from tests.lab.lab import ROOT, LabInfo
from tests.lab.processes import ASTERISK_UID
from tests.lab.sip_phone import Clip
from tests.lab.sip_phone.speech import speech

PROMPTS = ROOT / "usr/share/asterisk/sounds/en_US_f_Allison"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it reads the spool of Asterisk's user")


async def test_message_of_app_voicemail_is_imported_and_heard_once(
    alice: PhoneUser, bob: PhoneUser, lab: LabInfo
) -> None:
    alice.create_user_and_box()
    spool = Path(lab.folder) / "spool" / "voicemail"
    inbox = spool / "pbx" / alice.number / "INBOX"
    call = await bob.dial(f"*40{alice.number}")
    await wait_until(lambda: [*inbox.parent.glob("tmp/*.wav")])
    await call.say(speech(int(bob.number), 4000))
    await call.hang_up()
    await wait_until(lambda: (inbox / "msg0000.txt").exists())
    report = await run_import(lab, alice)
    assert [box["imported"] for box in report["boxes"]] == [1]
    (message,) = alice.messages()
    recorded = np.frombuffer(wav.read_samples(inbox / "msg0000.wav"), np.int16)
    owner = await alice.dial("*97")
    await owner.expect("count/you-have", SpokenMessage(message["id"], recorded), within_s=25)
    await owner.press("1")
    await owner.expect("message/saved")
    await owner.hang_up()
    report = await run_import(lab, alice)
    assert [(box["imported"], box["already_imported"]) for box in report["boxes"]] == [(0, 1)]
    await wait_until(lambda: [one["folder"] for one in alice.messages()] == ["saved"])
    await ivr(lab, "import", "verify")


async def test_exported_message_is_heard_in_app_voicemail(alice: PhoneUser, lab: LabInfo) -> None:
    alice.create_user_and_box()
    message = alice.create_message(s=3)
    spool = Path(lab.folder) / "spool" / "voicemail"
    (spool / "pbx").mkdir(parents=True, exist_ok=True)
    os.chown(spool, ASTERISK_UID, ASTERISK_UID)
    conf = ("--conf", f"{lab.folder}/etc/voicemail.conf", "--context", "lab=pbx")
    await ivr(lab, "export", "app-voicemail", *conf, "--spool", str(spool), "--box", alice.number, codes=(0, 3))
    inbox = spool / "pbx" / alice.number / "INBOX"
    assert {path.stat().st_uid for path in inbox.iterdir()} == {spool.stat().st_uid}
    # Asterisk reads each of the files that were written, not only the one that it chooses.
    for suffix in ("wav", "WAV", "gsm"):
        converted = Path(lab.folder) / "spool" / f"{alice.number}-{suffix}.sln"
        await console(lab, f"file convert {inbox}/msg0000.{suffix} {converted}")
        least = 0.999 if suffix == "wav" else 0.9
        assert correlation(message.samples.tobytes(), converted.read_bytes()) > least, suffix
    owner = await alice.dial(f"*41{alice.number}")
    await owner.press("1")
    await owner.expect(message, within_s=25)
    await owner.hang_up()
    await wait_until(lambda: [path.name for path in inbox.parent.glob("Old/*.txt")] == ["msg0000.txt"])
    await wait_until(lambda: not [*inbox.glob("msg*")])  # It copies first, and removes then.


async def console(lab: LabInfo, command: str) -> None:
    words = [*lab.console_command, "-rx", command]
    await asyncio.to_thread(subprocess.run, words, capture_output=True, check=True)


async def run_import(lab: LabInfo, owner: PhoneUser) -> Any:
    source = ("--conf", f"{lab.folder}/etc/voicemail.conf", "--spool", f"{lab.folder}/spool/voicemail")
    box = ("--box", f"{owner.number}@pbx", "--context", "pbx=lab")
    return json.loads(await ivr(lab, "import", "app-voicemail", *source, *box, "--json", codes=(0, 3)))


async def ivr(lab: LabInfo, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    environment = {**os.environ, **lab.environments["0"], "IVR_LOG__LEVEL": "warning"}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "ivr", *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode in codes, done.stdout + done.stderr
    return str(done.stdout)


async def test_mailboxes_of_voicemail_conf_are_those_that_app_voicemail_reads(lab: LabInfo) -> None:
    command = [*lab.console_command, "-rx", "voicemail show users"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    shown = sorted([*line[:16].split(), line[17:42].strip()] for line in done.stdout.splitlines()[1:-1])
    conf = read_voicemail_conf(Path(lab.folder) / "etc" / "voicemail.conf", Path(lab.folder))
    ours = sorted([box.context, box.number, box.fullname] for box in conf.mailboxes.values())
    assert len(ours) > 100
    assert ours == shown


@pytest.mark.long
async def test_message_that_was_forwarded_with_an_introduction_is_imported_whole(
    alice: PhoneUser, bob: PhoneUser, lab: LabInfo
) -> None:
    for owner in (alice, bob):
        owner.create_user_and_box()
    spool = Path(lab.folder) / "spool" / "voicemail" / "pbx"
    original, introduction = speech(int(bob.number) * 10, 2000), speech(int(alice.number) * 10, 2000)
    call = await bob.dial(f"*40{alice.number}")
    await wait_until(lambda: [*(spool / alice.number).glob("tmp/*.wav")])
    await call.say(original)
    await call.hang_up()
    await wait_until(lambda: (spool / alice.number / "INBOX" / "msg0000.txt").exists())
    # Alice forwards it in app_voicemail: 8, the mailbox, 1 for an introduction, and # at its end.
    forwarding = await alice.dial(f"*41{alice.number}")
    await forwarding.press("1")
    recorded = np.frombuffer(wav.read_samples(spool / alice.number / "INBOX" / "msg0000.wav"), np.int16)
    await forwarding.expect(Clip("the message", recorded), within_s=25)
    await forwarding.press("8")
    await forwarding.expect(asterisk_prompt("vm-extension"), within_s=25)
    await forwarding.press(f"{bob.number}#")
    await forwarding.expect(asterisk_prompt("vm-forwardoptions"), within_s=25)
    await forwarding.press("1")
    await forwarding.expect(asterisk_prompt("beep"), within_s=25, whole=True)
    await forwarding.say(introduction)
    await forwarding.press("#")
    await forwarding.expect(asterisk_prompt("vm-msgforwarded"), within_s=25)
    await forwarding.hang_up()
    report = await run_import(lab, bob)
    assert [box["imported"] for box in report["boxes"]] == [1]
    (message,) = bob.messages()
    copy = np.frombuffer(wav.read_samples(spool / bob.number / "INBOX" / "msg0000.wav"), np.int16)
    assert len(copy) > 8 * 3500
    half = len(copy) - len(recorded)
    assert similarity(copy[:half], introduction) > SAME_AUDIO
    assert similarity(copy[half:], original) > SAME_AUDIO
    await ivr(lab, "import", "verify")
    shown = json.loads(await ivr(lab, "message", "show", bob.number, message["id"], "--json"))
    assert shown["forwarded_by"] == f"a box ({alice.number})"


def asterisk_prompt(name: str) -> Clip:
    """Return a prompt of Asterisk's own, as the lab's Asterisk plays it: Debian packages them as GSM."""
    decode = ["ffmpeg", "-v", "error", "-i", f"{PROMPTS}/{name}.gsm", "-f", "s16le", "-ar", "8000", "-"]
    return Clip(name, np.frombuffer(subprocess.run(decode, check=True, capture_output=True).stdout, np.int16))
