"""Rotation of the pepper: PINs and passwords stay valid, and the former pepper goes when no hash needs it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import pytest

from ivr.app import App
from ivr.directory.credentials import kazoo_credentials_md5
from ivr.directory.peppers import TAG_SEPARATOR, Pepper
from ivr.directory.secret_store import PEPPER_REF
from ivr.errors import PepperChanged
from ivr.mailbox.mailbox import Mailbox
from ivr.pepper_files import PepperFiles
from ivr.storage.data_folder import state_folder
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import Press

NEW_KEY = b"f" * 64
HOUR_S = 3600


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice, pin="1379")


@pytest.fixture
def command(app: AppFixture) -> Iterator[App]:
    """A second process on the same data folder, as an administrator's command is."""
    container = App(app.settings, clock=app.clock).open()
    yield container
    container.close()


def pepper_files(app: AppFixture) -> set[str]:
    return {path.name for path in app.settings.data.folder.glob("state/pepper*")}


def age_earlier_peppers(app: AppFixture) -> None:
    """Let an hour pass since the rotation."""
    for path in app.settings.data.folder.glob("state/pepper.*"):
        old = path.stat().st_mtime - HOUR_S - 1
        os.utime(path, (old, old))


async def signs_in(app: AppFixture, pin: str) -> bool:
    phone = await app.run_call([Press(f"{pin}#", during="pin")], endpoint="bob", number="1000")
    await app.container.secret_store.finish_rehashing()
    return any(text.startswith("You have") for text in phone.texts)


async def usage(app: AppFixture) -> list[tuple[bool, int]]:
    return [(one.is_current, one.hash_count) for one in await app.container.secret_store.pepper_usage()]


async def test_owner_signs_in_after_rotation_by_another_process(app: AppFixture, box: Mailbox, command: App) -> None:
    former = PepperFiles(state_folder(app.settings.data.folder) / "pepper", may_create=True).current()
    await command.secret_store.rotate_pepper(NEW_KEY)
    assert pepper_files(app) == {"pepper", f"pepper.{former.id}"}
    assert await usage(app) == [(True, 0), (False, 1)]
    assert not await signs_in(app, "2849")
    assert await usage(app) == [(True, 0), (False, 1)], "a wrong PIN changes nothing"
    assert await signs_in(app, "1379")
    assert await usage(app) == [(True, 1), (False, 0)]
    assert await signs_in(app, "1379")
    assert not await signs_in(app, "2849")


async def test_former_pepper_is_removed_when_no_hash_needs_it(app: AppFixture, box: Mailbox) -> None:
    store = app.container.secret_store
    await app.create_box("1001", app.bob, pin="2849")
    await store.rotate_pepper(NEW_KEY)
    age_earlier_peppers(app)
    assert await signs_in(app, "1379")
    assert len(pepper_files(app)) == 2, "box 1001 needs it"
    other = await app.container.boxes.find_by_number(app.account.id, "1001")
    assert other
    await app.container.pins.set_by_administrator(other, "9573")
    await store.forget_unused_peppers()
    assert pepper_files(app) == {"pepper"}
    assert await signs_in(app, "1379")


async def test_pepper_of_the_last_hour_is_not_removed(app: AppFixture) -> None:
    """A hash that another process has computed with it may be on its way to the database."""
    await app.container.secret_store.rotate_pepper(NEW_KEY)
    await app.container.secret_store.forget_unused_peppers()
    assert len(pepper_files(app)) == 2


async def test_hashes_of_earlier_versions_stay_valid(app: AppFixture, box: Mailbox) -> None:
    """They do not name their pepper."""
    sql = f"UPDATE secrets SET hash = substr(hash, 1, instr(hash, '{TAG_SEPARATOR}') - 1) WHERE ref <> 'pepper'"
    assert await app.container.database.write(lambda c: c.execute(sql).rowcount) == 1
    assert await signs_in(app, "1379")
    assert await usage(app) == [(True, 1)]
    await app.container.secret_store.rotate_pepper(NEW_KEY)
    assert await signs_in(app, "1379")
    await app.container.secret_store.rotate_pepper(b"e" * 64)
    assert await signs_in(app, "1379")


async def test_several_rotations_without_a_sign_in(app: AppFixture, box: Mailbox) -> None:
    for letter in (b"a", b"b", b"c"):
        await app.container.secret_store.rotate_pepper(letter * 64)
    assert await signs_in(app, "1379")
    assert (await usage(app))[0] == (True, 1)


async def test_password_is_accepted_and_hashed_again(app: AppFixture) -> None:
    credentials = app.container.credentials
    await credentials.set(app.alice, "alice", "correct horse")
    await app.container.secret_store.rotate_pepper(NEW_KEY)
    md5 = kazoo_credentials_md5("alice", "correct horse")
    before = await usage(app)
    assert await credentials.authenticate(app.account.id, md5) == app.alice.id
    assert (await usage(app))[0][1] == before[0][1] + 1
    assert await credentials.authenticate(app.account.id, md5) == app.alice.id
    assert await credentials.authenticate(app.account.id, kazoo_credentials_md5("alice", "wrong")) is None


@pytest.mark.parametrize("is_file_replaced", [False, True])
async def test_interrupted_rotation_can_be_repeated(app: AppFixture, box: Mailbox, is_file_replaced: bool) -> None:
    """Killed before or after the new pepper is in place: every PIN is valid, and the service starts."""
    files = PepperFiles(state_folder(app.settings.data.folder) / "pepper", may_create=True)
    former = files.current()
    if is_file_replaced:
        await app.container.secret_store.rotate_pepper(NEW_KEY)
        await app.container.database.write(
            lambda c: c.execute("UPDATE secrets SET hash = ? WHERE ref = ?", (former.check_value, PEPPER_REF)).rowcount
        )
    else:
        (app.settings.data.folder / "state" / f"pepper.{former.id}").write_bytes(former.key)
    await app.container.secret_store.verify_pepper()
    assert await signs_in(app, "1379")
    await app.container.secret_store.rotate_pepper(b"d" * 64)
    assert await signs_in(app, "1379")


async def test_lost_current_pepper_is_noticed_although_an_earlier_one_is_there(app: AppFixture, box: Mailbox) -> None:
    await app.container.secret_store.rotate_pepper(NEW_KEY)
    (app.settings.data.folder / "state" / "pepper").write_bytes(b"0" * 64)
    with pytest.raises(PepperChanged):
        await app.container.secret_store.verify_pepper()


async def test_lost_earlier_pepper_is_shown_and_its_pins_are_wrong(app: AppFixture, box: Mailbox) -> None:
    former = PepperFiles(state_folder(app.settings.data.folder) / "pepper", may_create=True).current()
    await app.container.secret_store.rotate_pepper(NEW_KEY)
    (app.settings.data.folder / "state" / f"pepper.{former.id}").unlink()
    assert not await signs_in(app, "1379")
    lost = [one for one in await app.container.secret_store.pepper_usage() if one.is_lost]
    assert [(one.id, one.hash_count) for one in lost] == [(former.id, 1)]


async def test_pin_set_during_the_sign_in_is_not_overwritten(app: AppFixture, box: Mailbox) -> None:
    store = app.container.secret_store
    await store.rotate_pepper(NEW_KEY)
    assert await store.verify(app.account.id, box.pin_secret_ref, "1379")  # Hashed again from now on.
    await app.container.pins.set_by_administrator(box, "9573")
    await store.finish_rehashing()
    assert await store.verify(app.account.id, box.pin_secret_ref, "9573")
    assert not await store.verify(app.account.id, box.pin_secret_ref, "1379")


async def test_pepper_files_are_private(app: AppFixture) -> None:
    await app.container.secret_store.rotate_pepper(NEW_KEY)
    modes = {stat.S_IMODE((app.settings.data.folder / "state" / name).stat().st_mode) for name in pepper_files(app)}
    assert modes == {0o600}


def test_id_does_not_reveal_the_pepper() -> None:
    pepper = Pepper(NEW_KEY)
    assert pepper.id not in NEW_KEY.decode()
    assert pepper.id == Pepper(NEW_KEY).id != Pepper(b"e" * 64).id
