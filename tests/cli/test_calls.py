"""`ivr calls`: records of calls."""

from __future__ import annotations

import ast
import asyncio
import importlib
import json
import pkgutil
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ivr import menus, translations
from ivr.cli.calls import COLUMNS
from ivr.menus.menu import Menu
from ivr.storage.records import SIGNED_IN, CallQuery, Folder, LiveCall
from ivr.storage.sqlite.calls import INTERRUPTED_STEP
from tests.cli.conftest import Ivr, parse_json
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Meanwhile, Press, Speak

DAY_S = 86_400


class CallHistory:
    """Runs calls on the data folder that `ivr` reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, scenario: Any, now: float | None = None) -> None:
        async def run_scenario() -> None:
            app = AppFixture(self._folder)
            app.clock._now = now if now is not None else time.time()
            try:
                if await app.container.directory.accounts():
                    app.account = await app.container.directory.find_account_by_name("demo")
                else:
                    await app.open()
                await scenario(app)
            finally:
                app.container.close()

        asyncio.run(run_scenario())


@pytest.fixture
def call_history(tmp_path: Path) -> CallHistory:
    return CallHistory(tmp_path / "data")


async def delete_message_call(app: AppFixture) -> None:
    box = await app.create_box("1000", owner=app.alice, pin="1379", require_pin=True, new_messages_at_once=False)
    await app.create_message(box)
    await app.run_call(
        [Press("1379#"), Press("1", after_ms=500), Press("7", after_ms=600), Press("#")],
        endpoint="alice",
        number="1000",
    )


def test_a_whole_call_is_read_afterwards(ivr: Ivr, call_history: CallHistory) -> None:
    call_history(delete_message_call)
    [listed] = parse_json(ivr("calls", "list", "--json"))
    assert (listed["caller"], listed["action"], listed["box"], listed["status"]) == ("5550100", "check", "1000", "DONE")
    shown = ivr("calls", "show", listed["id"][:8]).stdout
    columns = [re.split(r" {2,}", line.strip(), maxsplit=2)[1:] for line in shown.split("\n\n", 1)[1].splitlines()]
    lines = [" ".join(words) for words in columns]
    wanted = [
        "menu sign in", "key •", "signed in", "menu main menu", "heard “You have one new message”", "key 1",
        "menu message menu", "message id=", "key 7", "folder message=", "heard “Deleted.”", "menu main menu",
        "key #", "heard “Goodbye",
    ]  # fmt: skip
    at = 0
    for want in wanted:
        at = next((n + 1 for n in range(at, len(lines)) if lines[n].startswith(want)), 0)
        assert at, f"{want!r} is not there, or not in this place: {lines}"


@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        ("de", ("Mailbox ", "(Koordinierte Weltzeit)", "Menü           Anmeldung", "Ordner         Nachricht=")),
        ("es", ("buzón ", "(tiempo universal coordinado)", "menú           acceso al buzón", "carpeta=borrado")),
        ("fr", ("boîte ", "(temps universel coordonné)", "menu           connexion", "touche         #")),
        (
            "it",
            ("casella ", "(Tempo coordinato universale)", "menù           accesso", "tasto          7"),
        ),
        ("pt_BR", ("caixa ", "(Horário Universal Coordenado)", "menu           acesso à caixa", "pasta=apagada")),
    ],
)
def test_call_is_shown_in_a_language(
    ivr: Ivr, call_history: CallHistory, monkeypatch: pytest.MonkeyPatch, language: str, wanted: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    call_history(delete_message_call)
    [listed] = parse_json(ivr("calls", "list", "--json"))
    shown = ivr("calls", "show", listed["id"], "--language", language).stdout
    for text in (*wanted, "“You have one new message”"):
        assert text in shown
    record = ivr("calls", "show", listed["id"], "--language", language, "--json").stdout
    assert record == ivr("calls", "show", listed["id"], "--json").stdout


def test_call_in_a_language_without_texts_is_not_shown(ivr: Ivr, call_history: CallHistory) -> None:
    call_history(delete_message_call)
    assert "'xx': use one of de, en, es, fr, it, pt" in ivr("calls", "show", "1", "--language", "xx", fails=2).stderr


def test_each_language_has_the_texts_of_all_steps_and_menus() -> None:
    """The journal's entries are found in the code: their names, those of their details, and the menus."""
    for module in pkgutil.iter_modules(menus.__path__):
        importlib.import_module(f"ivr.menus.{module.name}")
    sources = {path: ast.parse(path.read_text()) for path in Path(translations.FOLDER).parent.rglob("*.py")}
    notes = [
        node
        for path, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "note"
        if path.name == "journal.py" or "journal" in ast.unparse(node.func.value)
    ]
    events = {ast.literal_eval(node.args[0]) for node in notes if isinstance(node.args[0], ast.Constant)}
    details = {keyword.arg for node in notes for keyword in node.keywords if keyword.arg} - {"at_ms", "from_ms"}
    menu_names = {re.sub(r"(?<!^)(?=[A-Z])", " ", menu.__name__).lower() for menu in _subclasses(Menu)}
    texts = {
        *events,
        SIGNED_IN,
        *details,
        *menu_names,
        *COLUMNS,
        *Folder,
        INTERRUPTED_STEP,
        "channel",
        "from",
        "yes",
        "no",
    }
    assert len(texts) > 60
    for language in set(translations.LANGUAGES) - {translations.ENGLISH}:
        catalogue = (translations.FOLDER / f"{language}.po").read_text()
        assert [text for text in sorted(texts) if f'msgid "{text}"\nmsgstr "' not in catalogue] == [], language
        assert 'msgstr ""\n\nmsgid' not in catalogue, language


def _subclasses(parent: type[Menu]) -> set[type[Menu]]:
    found = {child for child in parent.__subclasses__() if child.__module__.startswith("ivr.")}
    return {child for child in found if "run" in child.__dict__} | {more for one in found for more in _subclasses(one)}


def test_digits_of_a_pin_are_masked(ivr: Ivr, call_history: CallHistory) -> None:
    call_history(delete_message_call)
    [listed] = parse_json(ivr("calls", "list", "--json"))
    record = parse_json(ivr("calls", "show", listed["id"], "--json"))
    keys = [step["key"] for step in record["steps"] if step["what"] == "key"]
    assert keys == ["•", "•", "•", "•", "•", "1", "7", "#"]
    assert "1379" not in json.dumps(record)


def test_steps_have_the_time_since_the_call_began(ivr: Ivr, call_history: CallHistory) -> None:
    call_history(delete_message_call)
    [listed] = parse_json(ivr("calls", "list", "--json"))
    times = re.findall(r"^ +(\d+:\d\d\.\d{3})  ", ivr("calls", "show", listed["id"]).stdout, re.MULTILINE)
    assert len(times) > 10
    assert times[0] == "0:00.000"
    assert times == sorted(times)
    assert times[-1] > "0:01.000"


def test_left_message_is_in_call_record(ivr: Ivr, call_history: CallHistory) -> None:
    async def leaving(app: AppFixture) -> None:
        await app.create_box("1000", owner=app.alice)
        await app.run_call([Speak(3000, "hang-up")], path="leave", number="1000", caller="2001")

    call_history(leaving)
    [listed] = parse_json(ivr("calls", "list", "--json"))
    assert (listed["action"], listed["status"], listed["caller"]) == ("leave", "HANGUP", "2001")
    steps = parse_json(ivr("calls", "show", listed["id"], "--json"))["steps"]
    assert {"menu", "recording", "message left"} <= {step["what"] for step in steps}


def test_autosave_on_hangup_is_in_call_record(ivr: Ivr, call_history: CallHistory) -> None:
    async def hearing(app: AppFixture) -> None:
        box = await app.create_box("1000", owner=app.alice)
        await app.create_message(box, s=1)
        await app.run_call([HangUp(during="received")], endpoint="alice", number="1000")

    call_history(hearing)
    [listed] = parse_json(ivr("calls", "list", "--json"))
    steps = parse_json(ivr("calls", "show", listed["id"], "--json"))["steps"]
    assert [step["folder"] for step in steps if step["what"] == "folder"] == ["saved"]


def test_calls_older_than_30_days_are_not_shown(ivr: Ivr, call_history: CallHistory) -> None:
    call_history(delete_message_call, now=time.time() - 31 * DAY_S)
    assert parse_json(ivr("calls", "list", "--json")) == []

    async def looking(app: AppFixture) -> None:
        [old] = await app.container.call_store.recent_calls(CallQuery(since=0), 10)
        ids.append(old.id)

    ids: list[str] = []
    call_history(looking)
    assert "there is no call" in ivr("calls", "show", ids[0], fails=3).stderr


def test_calls_are_listed_newest_first_up_to_limit(ivr: Ivr, call_history: CallHistory) -> None:
    async def three(app: AppFixture) -> None:
        for caller in ("2001", "2002", "2003"):
            await app.run_call([HangUp()], path="leave", number="1999", caller=caller)
            app.clock.advance(s=10)

    call_history(three, now=time.time() - 3600)
    assert [call["caller"] for call in parse_json(ivr("calls", "list", "-n", "2", "--json"))] == ["2003", "2002"]


def test_call_times_are_of_this_machine_and_name_their_offset(
    ivr: Ivr, call_history: CallHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time() - 3600
    call_history(delete_message_call, now=now)
    call_history(leave_with_unknown_account, now=now)
    ivr("account", "set", "demo", "timezone=Europe/Berlin")
    with monkeypatch.context() as context:
        context.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        listed = parse_json(ivr("calls", "list", "--json"))
    time.tzset()
    expected = datetime.fromtimestamp(int(now), ZoneInfo("Asia/Tokyo")).isoformat(sep=" ")
    assert expected.endswith("+09:00")
    assert [call["time"] for call in listed] == [expected, expected], "a call without an account has the same zone"


async def leave_with_unknown_account(app: AppFixture) -> None:
    await app.run_call([HangUp()], path="leave", number="1000", account="unknown")


def test_unknown_call_id_is_an_error(ivr: Ivr) -> None:
    ivr("account", "create", "demo")
    assert "see 'ivr calls list'" in ivr("calls", "show", "4711", fails=3).stderr
    assert "see 'ivr calls list'" in ivr("calls", "show", "'; --", fails=3).stderr


async def test_live_call_is_listed_until_it_ends(app: AppFixture) -> None:
    seen: list[str] = []

    async def look() -> None:
        seen.extend(live.number for live in await app.container.call_store.live_calls())

    await app.create_box("1000", owner=app.alice)
    await app.run_call([Meanwhile("You have", look), HangUp()], endpoint="alice", number="1000")
    assert seen == ["1000"]
    assert await app.container.call_store.live_calls() == []


async def test_call_interrupted_by_crash_has_record(app: AppFixture) -> None:
    await app.container.call_store.begin(LiveCall("PJSIP/alice-1", "1000", "check", "1000", 1000))
    assert await app.container.call_store.close_unfinished(2000) == 1
    [record] = await app.container.call_store.recent_calls(CallQuery(since=0), 10)
    assert (record.status, record.channel, record.ended_at) == ("ERROR", "PJSIP/alice-1", 2000)
    assert record.steps[0]["what"] == INTERRUPTED_STEP
    assert await app.container.call_store.live_calls() == []


async def calls_of_two_callers(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice, pin="1379")
    await app.create_box("1001", owner=app.bob)
    await app.run_call([Speak(2000, then="hang-up")], path="leave", number="1000", caller="4930123456")
    app.clock.advance(s=3600)
    await app.run_call([Speak(2000, then="hang-up")], path="leave", number="1001", caller="4930999999")
    await app.run_call([Press("#", during="You have")], endpoint="alice", number="1000")


def test_calls_are_listed_by_box_caller_status_and_time(ivr: Ivr, call_history: CallHistory) -> None:
    now = time.time()
    call_history(calls_of_two_callers, now - 7200)

    def boxes(*options: str) -> list[str]:
        return [call["box"] for call in parse_json(ivr("calls", "list", "--json", *options))]

    assert boxes() == ["1000", "1001", "1000"]
    assert boxes("--box", "1001") == ["1001"]
    assert boxes("--caller", "3456") == ["1000"]
    assert boxes("--status", "done") == ["1000"]
    assert boxes("--since", "90m") == ["1000", "1001"]
    assert boxes("--until", "90m") == ["1000"]
    assert boxes("--since", "90m", "--box", "1000") == ["1000"]
    since = datetime.fromtimestamp(now - 5400).astimezone().isoformat(sep=" ", timespec="seconds")
    assert boxes("--since", since) == ["1000", "1001"]
    today = datetime.fromtimestamp(now).date().isoformat()
    assert boxes("--until", today) == boxes()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--status", "DOEN", "did you mean DONE"),
        ("--since", "yesterday", "is not a time: write YYYY-MM-DD"),
        ("--until", "2026-13-01", "is not a time"),
        ("--box", "4711", "no box '4711'"),
    ],
)
def test_wrong_filter_of_calls_is_explained(
    ivr: Ivr, call_history: CallHistory, option: str, value: str, message: str
) -> None:
    call_history(calls_of_two_callers)
    exit_code = 3 if option == "--box" else 2
    assert message in " ".join(ivr("calls", "list", option, value, fails=exit_code).stderr.split())


async def sign_in_and_be_left_a_message(app: AppFixture) -> None:
    await app.create_box("1000", owner=app.alice, pin="1379", quota_mb=1)
    await app.run_call([Press("#", during="You have")], endpoint="alice", number="1000")
    await app.run_call([Speak(30_000, then="hang-up")], path="leave", number="1000", caller="4930123456")


def test_box_list_shows_size_quota_oldest_message_and_last_sign_in(ivr: Ivr, call_history: CallHistory) -> None:
    now = time.time()
    call_history(sign_in_and_be_left_a_message, now)
    [box] = parse_json(ivr("box", "list", "--json"))
    assert (box["new"], box["size"], box["quota"]) == (1, "0.5 MB", "48 %")
    assert box["locked"] is None
    for member in ("oldest", "last_sign_in"):
        assert abs(datetime.fromisoformat(box[member]).timestamp() - now) < 120, member


def test_light_show_tells_why_a_light_is_on(ivr: Ivr, call_history: CallHistory) -> None:
    call_history(sign_in_and_be_left_a_message)
    shown = parse_json(ivr("light", "show", "1000", "--json"))
    [light] = [light for light in shown["lights"] if light["of"] == "box 1000"]
    assert (light["state"], light["new"]) == ("on", 1)
    assert "1 new, the newest from 4930123456" in light["why"]
    assert shown["last_set"] is None, "no Asterisk has accepted it"
    assert "box 1000" in [task["target"] for task in shown["pending"]]
    text = ivr("light", "show", "1000").stdout
    assert "pending updates" in text
    assert "the newest from 4930123456" in " ".join(text.split())
    assert "4711" in ivr("light", "show", "4711", fails=3).stderr
