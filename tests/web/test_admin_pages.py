"""The administrator's page: who sees it, what it shows, and that it changes what the commands change."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ivr.directory.models import Account, User
from ivr.directory.pin_lockout import PinAttempt
from ivr.mailbox.mailbox import Mailbox
from ivr.storage.records import AuditQuery, CallRecord
from ivr.web.doctor_process import DoctorProcess
from tests.support.app_fixture import NOON, AppFixture
from tests.web.conftest import Browser

XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
async def box(app: AppFixture) -> Mailbox:
    return await app.create_box("1000", app.alice)


async def sign_in(app: AppFixture, browser: Browser, rights: str) -> str:
    """Sign alice in with these rights; return the address of the administrator's page of her account."""
    user = (await app.container.directory.user(app.alice.id)).model_copy(update={"settings": {"administrator": rights}})
    await app.container.directory.update_user(user)
    await browser.sign_in_by_password()
    return f"/page/admin/{app.account.id}"


async def audit_entries(app: AppFixture) -> list[tuple[str, str, str, str | None]]:
    """Return action, subject, user and mailbox of what was done after the sign-in, oldest first."""
    await app.container.audit_log.flush()
    entries = await app.container.audit_store.find(AuditQuery(), 50)
    return [
        (entry.action, entry.subject, entry.actor.user, entry.box_id)
        for entry in reversed(entries)
        if entry.action != "signed-in"
    ]


async def add_call(app: AppFixture, id_: str, account_id: str | None, box_id: str | None = None) -> None:
    steps = [{"at_ms": 3250, "what": "key", "key": "7"}, {"at_ms": 4000, "what": "heard", "text": XSS}]
    call = CallRecord("PJSIP/x", "5550100", "leave", "DONE", NOON - 60, NOON - 50, account_id, box_id, steps, id_)
    await app.container.call_store.finish(call)


@pytest.mark.parametrize("rights", ["", "account", "system"])
async def test_only_administrators_reach_what_is_theirs(app: AppFixture, browser: Browser, rights: str) -> None:
    await app.create_box("1000", app.alice)
    path = await sign_in(app, browser, rights)
    other = await app.container.directory.create_account(Account(name="other", realm="other.example"))
    others = await app.container.boxes.create(other, {"mailbox": "3000", "name": "theirs", "pin": "1379"})
    own = {"/page/admin", path, f"{path}/users", f"{path}/calls", f"{path}/outbox"}
    foreign = {f"/page/admin/{other.id}{rest}" for rest in ("", "/users", "/calls", "/outbox", f"/box/{others.id}")}
    reached = set()
    for address in own | foreign:
        await browser.open(address)
        assert browser.page.status_code in (200, 404)
        reached |= {address} if browser.page.status_code == 200 else set()
    assert reached == {"account": own, "system": own | foreign}.get(rights, set())
    await browser.open("/")
    assert ("/page/admin" in browser.page.text) == bool(reached)
    for address in (f"{path}/box/{others.id}", f"{path}/call/unknown", "/page/admin/nonsense"):
        await browser.open(address)
        assert browser.page.status_code == 404, "a mailbox of another account"
    await browser.send(f"/page/admin/{other.id}/box/{others.id}/pin")
    assert browser.page.status_code == (200 if rights == "system" else 404)
    assert await app.container.pins.is_set_to(others, "1379") == (rights != "system")


async def test_a_pin_gives_no_rights_and_rights_end_at_once(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    path = await sign_in(app, browser, "account")
    await browser.open(path)
    assert browser.page.status_code == 200
    user = await app.container.directory.user(app.alice.id)
    await app.container.directory.update_user(user.model_copy(update={"settings": {}}))
    await browser.open(path)
    assert browser.page.status_code == 404
    browser.http.cookies.clear()
    await sign_in(app, browser, "system")
    browser.http.cookies.clear()
    await browser.sign_in_by_pin()
    assert browser.is_signed_in
    await browser.open(path)
    assert browser.page.status_code == 404
    browser.http.cookies.clear()
    await browser.open(path)
    assert not browser.is_signed_in, "the sign-in"


async def test_mailboxes_show_counts_quota_light_and_lock(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    path = await sign_in(app, browser, "account")
    await app.container.boxes.patch(box, {"quota_mb": 1, "name": XSS})
    await app.create_message(box, s=10)
    await app.create_message(box, folder="saved")
    for _ in range(5):
        attempt = PinAttempt(account_id=box.account_id, box_id=box.id, source="x")
        await app.container.pins.verify(box, "0000", attempt)
    await browser.open(path)
    assert re.search(r"alice 1 1 0\.2 MB 24% is on yes until ", browser.text), browser.text
    assert "<img" not in browser.page.text
    await browser.open(f"{path}/box/{box.id}")
    assert "Quota used 24%" in browser.text
    await browser.send(f"{path}/box/{box.id}/unlock")
    assert "Mailbox 1000 is unlocked" in browser.text
    assert await app.container.pin_lockout.locked_until(box.account_id, box.id) == 0
    assert await audit_entries(app) == [("unlocked", "", app.alice.id, box.id)]
    await app.container.boxes.patch(await app.container.boxes.get(box.id), {"enabled": False})
    await browser.open(path)
    assert "24% is off no" in browser.text


async def test_new_pin_is_shown_once_opens_the_mailbox_and_has_to_be_changed(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    path = await sign_in(app, browser, "account")
    await browser.open(f"{path}/box/{box.id}")
    await browser.send(f"{path}/box/{box.id}/pin")
    [pin] = re.findall(r"PIN of mailbox 1000 is (\d+)", browser.text)
    assert await app.container.pins.is_set_to(box, pin)
    assert (await app.container.boxes.get(box.id)).settings.pin_must_change
    assert browser.page.headers["cache-control"] == "no-store"
    assert pin not in await browser.open(f"{path}/box/{box.id}")
    assert await audit_entries(app) == [("pin-set", "", app.alice.id, box.id)]


async def test_mailbox_and_user_are_created_by_the_rules_of_the_commands(app: AppFixture, browser: Browser) -> None:
    path = await sign_in(app, browser, "account")
    await browser.open(path)
    await browser.send(f"{path}/users", name="carol", email="carol@demo.example")
    assert "User carol is created." in browser.text
    carol = await app.container.directory.find_user_by_name(app.account.id, "carol")
    await browser.send(f"{path}/boxes", number="1005", name="", owner="carol")
    [pin] = re.findall(r"first PIN is (\d+)", browser.text)
    box = await app.container.boxes.find_by_number(app.account.id, "1005")
    assert box
    for name in ("Jos\u00e9", "an na"):
        await app.container.directory.create_user(User(name=name, account_id=app.account.id))
    assert (box.owner, box.settings.name) == (carol, "carol")
    assert await app.container.pins.is_set_to(box, pin)
    refused: list[tuple[str, dict[str, Any]]] = [
        ("boxes", {"number": "1005"}),
        ("boxes", {"number": "12<b>"}),
        ("boxes", {"number": ""}),
        ("boxes", {"number": "1006", "owner": XSS}),
        ("users", {"name": "carol"}),
        ("users", {"name": "an  na"}),
        ("users", {"name": "Jose\u0301"}),
        ("users", {"name": ""}),
        ("users", {"name": "dave", "email": "no address"}),
    ]
    for what, form in refused:
        await browser.send(f"{path}/{what}", **form)
        assert browser.page.status_code == 400, form
        assert "Nothing was changed" in browser.text
        assert "<img" not in browser.page.text
        assert what == "users" or ": Name" not in browser.text, "a name that was not typed"
    assert len(await app.container.directory.users(app.account.id)) == 5
    assert await audit_entries(app) == [
        ("settings-changed", f"user {carol.id}: created", app.alice.id, None),
        ("settings-changed", "mailbox, name, owner_id, pin_must_change", app.alice.id, box.id),
        ("pin-set", "", app.alice.id, box.id),
    ]


async def test_forms_of_other_sites_and_sessions_change_nothing(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    path = await sign_in(app, browser, "system")
    await browser.open(path)
    for options in ({"csrf": "0" * 32}, {"origin": "https://evil.example"}):
        for form in (f"{path}/boxes", f"{path}/users", f"{path}/box/{box.id}/pin", f"{path}/box/{box.id}/unlock",
                     f"{path}/outbox"):  # fmt: skip
            await browser.open(path)
            await browser.send(form, number="1009", name="eve", id="1", **options)
            assert browser.page.status_code == 403, form
    assert await app.container.pins.is_set_to(box, "1379")
    assert await audit_entries(app) == []


async def test_form_that_is_sent_again_after_a_lost_answer_gets_it_and_changes_nothing_twice(
    app: AppFixture, browser: Browser, box: Mailbox
) -> None:
    path, pins, boxes = await sign_in(app, browser, "account"), app.container.pins, app.container.boxes

    async def attempt(page: str, what: str, **form: Any) -> Callable[[], Awaitable[str]]:
        """Fill in a form; what it returns sends it, and returns the notice."""
        await browser.open(f"{path}{page}")
        [name, *_] = re.findall(r'name="attempt" value="(\w+)"', browser.page.text)

        async def send() -> str:
            fields = {"csrf": browser.csrf, "attempt": name, **form}
            answer = await browser.http.post(f"{path}/{what}", data=fields, headers={"Origin": browser.url})
            [notice] = re.findall(r'class="(?:notice|problem)"[^>]*>([^<]*)<', answer.text)
            return " ".join(notice.split())

        return send

    create = await attempt("", "boxes", number="1005")
    first, second = await asyncio.gather(create(), create())
    browser.http.cookies.clear()
    await browser.sign_in_by_password()
    assert first == second == await create(), "also after another sign-in"
    [pin] = re.findall(r"first PIN is (\d+)", first)
    created = await boxes.find_by_number(app.account.id, "1005")
    assert created
    assert await pins.is_set_to(created, pin)
    await pins.set_by_administrator(created, "8341")
    assert "Nothing was changed" in await create(), "the PIN that was shown is another one by now"
    assert await pins.is_set_to(created, "8341")
    create = await attempt("", "boxes", number="1007")
    first = await create()
    deleted = await boxes.find_by_number(app.account.id, "1007")
    assert deleted
    await boxes.delete(deleted)
    second, third = await create(), await create()
    assert "first PIN is" in second, "a mailbox that was deleted since is created again"
    assert second == third != first
    one, other = [await attempt("", "boxes", number="1006") for _ in range(2)]
    notices = await asyncio.gather(one(), other())
    assert sorted("first PIN is" in text for text in notices) == [False, True], "two administrators at once"
    add_user = await attempt("/users", "users", name="carol")
    assert [await add_user() for _ in range(2)] == ["User carol is created."] * 2
    one, other = [await attempt(f"/box/{box.id}", f"box/{box.id}/pin") for _ in range(2)]
    pins_shown = [re.findall(r"is (\d+)", await send())[0] for send in (one, one, other, one)]
    assert pins_shown[0] == pins_shown[1] != pins_shown[2] != pins_shown[3] != pins_shown[0], (
        "a PIN that is shown is the one that is set"
    )
    assert await pins.is_set_to(box, pins_shown[3])
    sql = (
        "INSERT INTO outbox (account_id, box_id, kind, payload, created_at, due_at, attempts, target)"
        " VALUES (?, ?, 'mail', '{}', 0, ?, 9, 'a@x')"
    )
    await app.container.database.write(lambda c: c.execute(sql, (app.account.id, box.id, 2**62)).rowcount)
    [task] = await app.container.outbox.list_tasks(given_up_only=True)
    retry = await attempt("/outbox", "outbox", id=[str(task.id)])
    assert await retry() == "Tasks that are due now: 1."
    await app.container.database.write(lambda c: c.execute("DELETE FROM outbox").rowcount)
    assert await retry() == "Tasks that are due now: 1."


async def test_calls_are_told_as_the_command_tells_them(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    path = await sign_in(app, browser, "account")
    other = await app.container.directory.create_account(Account(name="other", realm="other.example"))
    for id_, account_id in (("own1", app.account.id), ("other1", other.id), ("none1", None)):
        await add_call(app, id_, account_id, box.id if id_ == "own1" else None)
    await browser.open(f"{path}/calls")
    assert browser.page.text.count("5550100") == 1
    await browser.open(f"{path}/calls?caller=0100&box={box.id}")
    assert browser.page.text.count("5550100") == 1
    await browser.open(f"{path}/calls?caller=999")
    assert "5550100" not in browser.page.text
    await browser.open(f"{path}/call/own1")
    call = await app.container.call_store.get("own1", 0)
    assert all(" ".join(line.split()) in browser.text for line in call.format_steps())
    assert "0:03.250 key 7" in browser.text
    assert "<img" not in browser.page.text
    for id_ in ("other1", "none1", "unknown", "%25"):
        await browser.open(f"{path}/call/{id_}")
        assert browser.page.status_code == 404


async def test_tasks_of_the_account_are_retried_and_no_others(app: AppFixture, browser: Browser, box: Mailbox) -> None:
    path = await sign_in(app, browser, "account")
    sql = (
        "INSERT INTO outbox (account_id, box_id, kind, payload, created_at, due_at, attempts, target, error)"
        " VALUES (?, ?, 'mail', '{}', 0, ?, 9, ?, ?)"
    )
    rows = [(app.account.id, box.id, 2**62, "a@x", XSS), ("other", "b", 2**62, "b@x", "")]
    await app.container.database.write(lambda c: c.executemany(sql, rows).rowcount)
    tasks = {task.target: task.id for task in await app.container.outbox.list_tasks(given_up_only=True)}
    assert {"a@x", "b@x"} <= tasks.keys()
    await browser.open(f"{path}/outbox")
    assert "a@x" in browser.text
    assert "given up" in browser.text
    assert "b@x" not in browser.text
    assert "<img" not in browser.page.text
    await browser.send(f"{path}/outbox", id=[tasks["a@x"], tasks["b@x"], "x", ""])
    assert "Tasks that are due now: 1." in browser.text
    assert [task.target for task in await app.container.outbox.list_tasks(given_up_only=True)] == ["b@x"]
    assert await audit_entries(app) == [("maintained", f"tasks retried: {tasks['a@x']}", app.alice.id, None)]


async def test_findings_of_the_doctor_are_shown_to_administrators_of_the_system(
    app: AppFixture, browser: Browser, tmp_path: Path
) -> None:
    doctor = tmp_path / "doctor.py"
    doctor.write_text(
        'print(\'[{"check": "host", "level": "ok", "what": "fine", "remedy": "", "prevents_storing": false,'
        ' "command": ""}, {"check": "mail", "level": "problem", "what": "<b>no</b>", "remedy": "mend it",'
        ' "prevents_storing": false, "command": ""}]\')\nraise SystemExit(1)'
    )
    found = await DoctorProcess((sys.executable, str(doctor))).run()
    assert found is not None
    assert [(finding.check, finding.level, finding.what) for finding in found] == [
        ("host", "ok", "fine"),
        ("mail", "problem", "<b>no</b>"),
    ]
    assert await DoctorProcess((sys.executable, "-c", "print('no findings')")).run() is None
    assert await DoctorProcess((sys.executable, "-c", "input()"), timeout_s=0).run() is None
    await sign_in(app, browser, "account")
    await browser.open("/page/admin/findings")
    assert browser.page.status_code == 404
    browser.http.cookies.clear()
    await sign_in(app, browser, "system")
    shown_at_once = await browser.open("/page/admin/findings")
    assert "problem mail" not in browser.text, "the checks take seconds"
    [follows] = re.findall(r'href="([^"]+)" data-follows', shown_at_once)
    await browser.open(follows)
    assert "problem mail <b>no</b> server mend it ok host enough space" in browser.text


async def test_of_two_administrators_who_set_a_pin_the_second_is_told_before_it_is_replaced(
    app: AppFixture, browser: Browser, other_browser: Browser, box: Mailbox
) -> None:
    """The first one had told the owner a PIN that opened nothing a moment later."""
    path = f"{await sign_in(app, browser, 'account')}/box/{box.id}"
    await other_browser.sign_in_by_password()

    async def press(one: Browser) -> str:
        seen = re.findall(r'name="seen" value="(\w+)"', one.page.text)
        found = re.findall(r"The new PIN of mailbox 1000 is (\d+)", await one.send(f"{path}/pin", seen=seen[0]))
        return found[0] if found else str(one.page.status_code)

    for one in (browser, other_browser):
        await one.open(path)
    outcomes = await asyncio.gather(press(browser), press(other_browser))
    pin, refused = sorted(outcomes, key=len, reverse=True)
    assert refused == "409"
    assert await app.container.pins.is_set_to(box, pin)
    second = other_browser if outcomes[1] == "409" else browser
    assert "has another PIN than when you opened this view" in second.text
    assert await app.container.pins.is_set_to(box, await press(second)), "who was told goes on"


async def test_administrators_who_ask_while_the_checks_run_share_the_next_run(tmp_path: Path) -> None:
    """Each of them waited for the runs of all before, of 20 s each on a busy machine."""
    doctor, runs, gate = tmp_path / "doctor.py", tmp_path / "runs", tmp_path / "gate"
    os.mkfifo(gate)
    doctor.write_text(f"open({str(runs)!r}, 'a').write('run ')\nopen({str(gate)!r}).read()\nprint('[]')\n")
    process = DoctorProcess((sys.executable, str(doctor)))
    first = asyncio.create_task(process.run())
    with await asyncio.to_thread(gate.open, "w"):  # The first run has begun.
        others = [asyncio.create_task(process.run()) for _ in range(3)]
        await asyncio.sleep(0)
        others[0].cancel()  # Who leaves the page takes nothing from the others.
        await asyncio.gather(others[0], return_exceptions=True)
    assert await first == []
    with await asyncio.to_thread(gate.open, "w"):
        pass
    assert await asyncio.wait_for(asyncio.gather(*others[1:]), 30) == [[], []]
    assert runs.read_text() == "run run "
