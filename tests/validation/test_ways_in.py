"""One rule, whatever the way in: REST, page, command, people file and import accept the same values, and store them.

An import differs in one thing: it creates the mailbox all the same, without what is refused, and says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpcore
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ivr.directory.models import Account
from ivr.errors import BadInput, InvalidFields
from ivr.imports import box_import
from ivr.imports.box_mapping import map_box
from ivr.imports.pin_mapping import PinRules
from ivr.imports.report import BoxReport
from ivr.imports.source import ImportOptions, Source, SourceBox
from ivr.imports.system import DefinedMailbox
from ivr.imports.voicemail_conf import ConfMailbox, VoicemailConf
from ivr.mailbox.boxes import to_document
from ivr.mailbox.mailbox import Mailbox
from ivr.mailbox.text_values import parse_assignments
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.notifications.mail.subscriber import resolve_recipients
from ivr.provisioning.people import PeopleFile
from ivr.provisioning.people_csv import parse_csv
from ivr.provisioning.people_plan import Plan
from ivr.provisioning.people_yaml import parse_yaml
from ivr.provisioning.planner import PlanOptions
from ivr.storage.records import TaskKind
from ivr.validation import numbers
from tests.api.conftest import RestClient
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptStep
from tests.web.conftest import Browser, page_url
from tests.web.test_settings_page import form_of, settings_path

REJECTED = "rejected"
PRINTABLE = st.characters(codec="utf-8", exclude_categories=("C", "Z"))
"""Commands and files cannot have all others, and blanks around a value mean nothing."""
VALUES = {
    "timezone": st.sampled_from(["UTC", "Europe/Berlin", "europe/berlin", "Mars/Base", "inherit", "no", "+1"]),
    "notify_email": st.sampled_from(["a@x.example", "a@x", "a@", "A<a@x.example>", "büro@bücher.example", "1"]),
    "notify_email_addresses": st.lists(
        st.sampled_from(["a@x.example", "B@X.example", "b@x.example", "a", "@"]), min_size=1, max_size=3
    ).map(",".join),
    "aliases": st.lists(
        st.from_regex(r"[+*]?[0-9a-z]{1,5}", fullmatch=True).filter(lambda alias: alias != "1000")
        | st.sampled_from(["0042", "_X", "1e5", "a/b"]),
        min_size=1, max_size=3,
    ).map(";".join),
    "numbers": st.sampled_from(["0042", "1000@office", "1@", "a b@c", "12,0013", "x;y@z"]),
    "operator_number": st.from_regex(r"[+_*]?[0-9]{1,5}", fullmatch=True) | st.sampled_from(["0x1", "true", "a&b"]),
    "name": st.text(PRINTABLE, min_size=1, max_size=12) | st.sampled_from(["0042", "1.5", "yes", "12:30", "~", "[5]"]),
    "media_extension": st.sampled_from(["mp3", "wav", "ogg", "MP3", "m4a"]),
    "hunt_allow": st.sampled_from(["^2[0-9]{3}$", "(", "[5]", "5", "^(a|b)$"]),
    "min_speech_ms": st.sampled_from(["0", "200", "-1", "1.5", "many", "1e3"]),
    "quota_mb": st.sampled_from(["0", "10", "1000001", "-1", "1.5", "5MB", "1e400", "05"]),
    "max_message_length": st.sampled_from(["1", "500", "0", "8:20", "500s", "1000001", "nan"]),
    "min_pin_length": st.sampled_from(["4", "0", "31", "four", "4.5"]),
    "skip_greeting": st.sampled_from(["true", "false", "maybe", "2"]),
    "language": st.sampled_from(["de", "DE", "pt-BR", "pt_BR", "xx", "deutsch", "en;q=1"]),
    "callback_context": st.sampled_from(["from-ivr", " a ", "a b", "a;b", "a,b"]),
    "copy_to": st.sampled_from(["1001", "0042, 0043", "1001;x", "+491", "1001@acme"]),
    "clock": st.sampled_from(["12h", "24h", "24", "24H"]),
    "media.temporary_until": st.sampled_from(
        ["0", "1798761600", "253370764800", "-1", "2027-01-01", "31.12.2026", "tomorrow", "1.5", "1e9"]
    ),
    "notify.callback.number": st.sampled_from(["2001", "20.12.34.56", "10.0.0.1", "+49 30 123456", "alice", "000"]),
    "distribution_lists.800": st.sampled_from(["1001,1002", "0042", "1001;x", "1001@acme"]),
    "notify.callback.schedule": st.sampled_from(["60,300", "60;x", "-1", "10000001", "5m"]),
}  # fmt: skip
HOW_TO_WRITE = re.compile(r"write|use |at most|at least|true or false|shows|did you mean|looks like a range")
NO_TEXTS = ("min_speech_ms", "quota_mb", "max_message_length", "min_pin_length", "skip_greeting")


assert page_url  # A fixture.


@pytest.fixture
async def clients(app: AppFixture, page_url: str) -> AsyncIterator[tuple[RestClient, Browser]]:
    """Clients of one server: of REST with a token for the whole account, and of the page."""
    token, _ = await app.container.tokens.create(app.account.id)
    rest, browser = RestClient(app, page_url, token), Browser(page_url)
    yield rest, browser
    await rest.http.aclose()
    await browser.http.aclose()


def reset(key: str) -> dict[str, Any]:
    return parse_assignments([f"{key}={'box' if key == 'name' else 'null'}"])


def value_of(box: Mailbox, key: str) -> Any:
    """Return a setting of a mailbox; the keys of a nested one have dots between them."""
    value: Any = to_document(box.settings)
    for name in key.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


async def stored_by_document(app: AppFixture, box: Mailbox, document: Mapping[str, Any], key: str) -> Any:
    await app.container.boxes.patch(await app.container.boxes.get(box.id), reset(key))
    try:
        changed = await app.container.boxes.patch(await app.container.boxes.get(box.id), document)
    except (BadInput, InvalidFields) as error:
        assert HOW_TO_WRITE.search(str(error)), f"{document} is refused without how to write it: {error}"
        return REJECTED
    return value_of(changed, key)


async def patch_by_command(app: AppFixture, box: Mailbox, assignment: str) -> bool:
    """Return whether `ivr box set` takes an assignment; what it says otherwise tells how to write it."""
    try:
        await app.container.boxes.patch(await app.container.boxes.get(box.id), parse_assignments([assignment]))
    except (BadInput, InvalidFields) as error:
        assert re.search(f"{HOW_TO_WRITE.pattern}|At most|more than|choose another", str(error))
        return False
    return True


async def plan_of(app: AppFixture, people: PeopleFile) -> Plan:
    return await app.container.provisioning.plan(people, PlanOptions("asterisk", "demo"))


async def stored_by_file(app: AppFixture, box: Mailbox, key: str, people: PeopleFile) -> Any:
    await app.container.boxes.patch(await app.container.boxes.get(box.id), reset(key))
    plan = await plan_of(app, people)
    if people.errors or plan.errors:
        return REJECTED
    await app.container.provisioning.apply(plan)
    return value_of(await app.container.boxes.get(box.id), key)


async def stored_by_import(app: AppFixture, box: Mailbox, key: str, value: object) -> Any:
    """Import the mailbox as another system defines it that has no passwords; its owner stays."""
    await app.container.boxes.patch(await app.container.boxes.get(box.id), reset(key))
    aliases = tuple(value) if key == "aliases" and isinstance(value, list) else ()
    defined = DefinedMailbox("1000", "acme", "", fields={"name": "box", key: value}, aliases=aliases)
    mapped = map_box(defined, VoicemailConf(), "demo", PinRules(short="none", weak="keep", min_length=4, max_length=6))
    assert mapped.row.box
    row = replace(mapped.row, user=None, box=replace(mapped.row.box, owner=None))
    stored = await stored_by_file(app, box, key, PeopleFile(rows=[row]))
    assert stored != REJECTED
    return REJECTED if any(note.text.startswith(key) for note in mapped.notes) else stored


def nested(key: str, value: object) -> dict[str, Any]:
    """Return a document with `value` at `key`, whose parts have dots between them."""
    for name in reversed(key.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def in_quotes(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), key=st.sampled_from(sorted(VALUES)))
async def test_value_of_a_mailbox_is_stored_alike_by_every_way_in(
    app: AppFixture, data: st.DataObject, key: str
) -> None:
    text = data.draw(VALUES[key])
    box = await app.container.boxes.find_by_number(app.account.id, "1000") or await app.create_box(owner=app.alice)
    if text.startswith('"') or text == "null":
        return  # With these a command says that it means JSON.
    by_command = await stored_by_document(app, box, parse_assignments([f"{key}={text}"]), key)
    is_text = key not in NO_TEXTS  # Numbers and switches are no texts in JSON and YAML.
    if is_text:
        assert await stored_by_document(app, box, nested(key, text), key) == by_command
    *parents, name = key.split(".")
    value = f"{name}: {json.dumps(text, ensure_ascii=False) if is_text else text}"
    for parent in reversed(parents):
        value = f"{parent}: {{{value}}}"
    yaml = f"boxes: [{{mailbox: '1000', {value}}}]"
    assert await stored_by_file(app, box, key, parse_yaml(yaml)) == by_command
    assert await stored_by_file(app, box, key, parse_csv(f"mailbox,box.{key}\n1000,{in_quotes(text)}\n")) == by_command
    if key != "name" and not parents:  # An import makes a name of whatever there is, and leaves out what does not fit.
        document = parse_assignments([f"{key}={text}"])
        assert await stored_by_import(app, box, key, document[key]) == by_command
    if by_command != REJECTED:
        await check_that_it_works(app, box, key)


async def check_that_it_works(app: AppFixture, box: Mailbox, key: str) -> None:
    """What was accepted is usable by phone, in mail and as a light."""
    mailbox = await app.container.boxes.get(box.id)
    for alias in mailbox.settings.aliases if key == "aliases" else ():
        found = await app.container.boxes.find_by_number(app.account.id, alias)
        assert found
        assert found.id == box.id
    if key == "notify_email_addresses":
        assert set(mailbox.settings.notify_email_addresses) <= set(resolve_recipients(mailbox, TaskKind.MAIL))
    for light in mailbox.settings.numbers if key == "numbers" else ():
        assert numbers.is_mwi_mailbox(light if "@" in light else f"{light}@ivr")
    if key == "timezone":
        assert str(mailbox.zone_info)


@pytest.mark.parametrize(
    ("path", "text", "items"),
    [
        ("aliases", "0043, 0044", ["0043", "0044"]),
        ("settings.webhook.events", "message.new;message.saved", ["message.new", "message.saved"]),
        ("settings.callback_forms", "plus national", ["plus", "national"]),
        ("notify.callback.schedule", "60,300", ["60", "300"]),
        ("settings.voicemail.notify.callback.schedule", "[60, 300]", [60, 300]),
        ("settings.webhook.secret", "a,b", "a,b"),
        ("settings.callback_forms", '"plus, national"', ["plus", "national"]),
        ("settings.folder_labels", "'Invoices'", ["Invoices"]),
    ],
)
def test_list_inside_a_document_is_split_wherever_it_is_written(path: str, text: str, items: object) -> None:
    """And an item of a list in YAML is not split once more."""
    quoted = text[0] in "'\""  # In YAML, where quotation marks are no part of the value.
    document: Any = parse_assignments([f"{path}={text.strip(text[0]) if quoted else text}"])
    keys = path.split(".")
    lines = [f"{'  ' * (depth + 1)}{key}:" for depth, key in enumerate(keys)]
    kind = "accounts:\n- name: demo\n" if keys[0] == "settings" else "boxes:\n- mailbox: 1000\n"
    people = parse_yaml(kind + "\n".join(lines) + f" {text}\n")
    written: Any = people.accounts[0].fields if people.accounts else people.rows[0].box and people.rows[0].box.fields
    for key in keys:
        document, written = document[key], written[key]
    assert document == items
    assert list(map(str, written)) == list(map(str, document))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("accounts:\n- name: demo\n  settings: {max_pin_lenght: 8}\n", "settings.max_pin_length"),
        ("accounts:\n- name: demo\n  settings: {webhook: {urll: 'https://x.example'}}\n", "settings.webhook.url"),
        ("users:\n- name: ben\n  settings: {vm_to_email_enable: false}\n", "settings.vm_to_email_enabled"),
        ("users:\n- name: ben\n  settings: {firstName: Ben}\n", "settings.first_name"),
        ("boxes:\n- mailbox: 1000\n  notify: {callback: {nubmer: 2001}}\n", "notify.callback.number"),
        ("mailbox,box.notify.callback.nubmer\n1000,2001\n", "notify.callback.number"),
        ("user,user.settings.vm_to_email_enable\nben,no\n", "settings.vm_to_email_enabled"),
    ],
)
def test_key_inside_a_document_that_is_one_letter_off_is_rejected_in_people_files(text: str, meant: str) -> None:
    parse = parse_yaml if ":\n" in text else parse_csv
    try:
        errors = [error.message for error in parse(text).errors]
    except BadInput as error:  # A column counts for the whole file.
        errors = [str(error)]
    assert len(errors) == 1
    assert f"did you mean {meant}?" in errors[0]
    assert parse(text, allow_unknown_keys=True).errors == []


VALUES_OF_EACH_KIND: list[tuple[str, str, object]] = [
    ("timezone", "America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
    ("timezone", "America/New York", REJECTED),
    ("timezone", "Etc/GMT+5", "Etc/GMT+5"),
    ("notify_email", "\u00fc@x.example", "\u00fc@x.example"),
    ("notify_email", "mailto:a@x.example", REJECTED),
    ("notify_email", "a@x.example.", REJECTED),
    ("notify_email_addresses", "a@x.example;;b@x.example", ["a@x.example", "b@x.example"]),
    ("notify_email_addresses", "a@x.example and b@x.example", REJECTED),
    ("short_mail_addresses", "a@x.example (Ann)", REJECTED),
    ("min_pin_length", "5.0", 5),
    ("min_pin_length", "five", REJECTED),
    ("media.temporary_until", "253370764799", 253370764799),
    ("media.temporary_until", "01/02/2027", REJECTED),
    ("skip_greeting", "off", False),
    ("skip_greeting", "ja", REJECTED),
    ("max_message_length", "1m", REJECTED),
    ("quota_mb", "10 MB", REJECTED),
    ("quota_mb", "010", 10),
    ("language", "deu", "de"),
    ("language", "Deutsch", REJECTED),
    ("notify.callback.number", "22.123.45.67", "221234567"),
    ("notify.callback.number", "1-800-FLOWERS", REJECTED),
    ("operator_number", "(030) 123456", "030123456"),
    ("operator_number", "100-200", REJECTED),
    ("aliases", "042;;043", ["042", "043"]),
    ("aliases", "${EXTEN}", REJECTED),
    ("copy_to", "1001-1003", REJECTED),
    ("distribution_lists.800", "1001 1001;1002", ["1001", "1002"]),
    ("distribution_lists.800", "true", REJECTED),
    ("hunt_allow", "(?=2)", REJECTED),
    ("clock", " 24h ", "24h"),
    ("media_extension", "audio/mpeg", REJECTED),
    ("exit_context", "a:b", REJECTED),
    ("name", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
    ("name", "\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
]


async def test_value_of_each_kind_is_taken_or_refused_alike(
    app: AppFixture, clients: tuple[RestClient, Browser]
) -> None:
    """By command, REST, people files, also such as a program writes as JSON, and import."""
    rest, _ = clients
    box = await app.create_box(owner=app.alice)
    for key, text, expected in VALUES_OF_EACH_KIND:
        document = parse_assignments([f"{key}={text}"])
        stored = {"command": await stored_by_document(app, box, document, key)}
        await app.container.boxes.patch(await app.container.boxes.get(box.id), reset(key))
        sent = await rest.request("PATCH", f"/{box.id}", nested(key, text))
        stored["REST"] = value_of(await app.container.boxes.get(box.id), key) if sent.is_success else REJECTED
        as_json = json.dumps({"boxes": [{"mailbox": "1000", **nested(key, text)}]})
        stored["YAML"] = await stored_by_file(app, box, key, parse_yaml(as_json))
        table = f"mailbox,box.{key}\n1000,{in_quotes(text)}\n"
        stored["CSV"] = await stored_by_file(app, box, key, parse_csv(table))
        if "." not in key and key != "aliases":
            stored["import"] = await stored_by_import(app, box, key, text)
        assert stored == dict.fromkeys(stored, expected), f"{key}={text}"


PINS = {"0716": True, "471647": True, "4716471": False, "471": False, "1234": False, "1000": False, "112233": False}
"""PINs, and whether each is taken."""


async def test_pin_is_taken_alike_by_phone_page_rest_and_command(
    app: AppFixture, clients: tuple[RestClient, Browser]
) -> None:
    rest, browser = clients
    boxes, pins = app.container.boxes, app.container.pins
    box = await app.create_box(owner=app.alice, new_messages_at_once=False)
    for pin, is_taken in PINS.items():

        async def is_set(pin: str = pin) -> bool:
            """Return whether the PIN was set, and set the former one again."""
            was_set = await pins.is_set_to(await boxes.get(box.id), pin)
            await boxes.patch(await boxes.get(box.id), {"pin": "1379"})
            return was_set

        keys = [Press(f"{pin}#", during="enter your new pin"), Press(f"{pin}#", during="enter it again")]
        way_to_pin: list[ScriptStep] = [Press("5", during="You have"), Press("3", during="To record")]
        await app.run_call([*way_to_pin, *keys, HangUp()], endpoint="alice", number="1000")
        taken = {"phone": await is_set()}
        await browser.sign_in_by_pin()  # Another PIN ends the sessions that were opened by the former one.
        await browser.open(settings_path(box))
        await browser.send(f"{settings_path(box)}/pin", pin=pin, again=pin)
        taken["page"] = await is_set()
        await rest.request("PATCH", f"/{box.id}", {"pin": pin})
        taken["REST"] = await is_set()
        await patch_by_command(app, box, f"pin={pin}")
        taken["command"] = await is_set()
        assert taken == dict.fromkeys(taken, is_taken), pin


NUMBERS = {
    "007": "007",
    " 42 ": "42",
    "9" * 15: "9" * 15,
    "9" * 16: "",
    "12 34": "",
    "\uff11\uff12": "",
    "+1": "",
    "*1": "",
}
"""Numbers of mailboxes as they are typed, and as they are stored; "" where they are refused."""


async def test_number_of_a_mailbox_is_taken_alike_and_opens_it_by_phone(
    app: AppFixture, clients: tuple[RestClient, Browser]
) -> None:
    rest, _ = clients
    box = await app.create_box("1000")
    for typed, number in NUMBERS.items():
        is_stored = await patch_by_command(app, box, f"mailbox={typed}")
        stored = {"command": (await app.container.boxes.get(box.id)).number if is_stored else REJECTED}
        await app.container.boxes.patch(await app.container.boxes.get(box.id), {"mailbox": "1000"})
        sent = await rest.request("PATCH", f"/{box.id}", {"mailbox": typed})
        stored["REST"] = (await app.container.boxes.get(box.id)).number if sent.is_success else REJECTED
        if number:
            phone = await app.run_call([Press(f"{number}#"), Press("1379#"), HangUp(during="You have")], path="check")
            assert any("You have" in text for text in phone.texts), number
            await app.container.boxes.patch(await app.container.boxes.get(box.id), {"mailbox": "1000"})
        people = parse_yaml(json.dumps({"boxes": [{"mailbox": typed, "name": "Ann"}]}))
        plan = await plan_of(app, people)
        planned = [planned.settings["mailbox"] for planned in plan.new_boxes.values()]
        stored["YAML"] = planned[0] if planned and not plan.errors + people.errors else REJECTED
        assert stored == dict.fromkeys(stored, number or REJECTED), typed


OVER_HTTP = settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],  # Each example sends several requests.
)


@OVER_HTTP
@given(data=st.data(), key=st.sampled_from(sorted(VALUES)))
async def test_value_of_a_mailbox_is_stored_alike_by_rest(
    app: AppFixture, clients: tuple[RestClient, Browser], data: st.DataObject, key: str
) -> None:
    rest, _ = clients
    text = data.draw(VALUES[key])
    box = await app.container.boxes.find_by_number(app.account.id, "1000") or await app.create_box(owner=app.alice)
    document = parse_assignments([f"{key}={text}"])
    by_command = await stored_by_document(app, box, document, key)
    await app.container.boxes.patch(await app.container.boxes.get(box.id), reset(key))
    sent = await rest.request("PATCH", f"/{box.id}", document)
    changed = await app.container.boxes.get(box.id)
    assert (value_of(changed, key) if sent.is_success else REJECTED) == by_command


@OVER_HTTP
@given(
    field=st.sampled_from(["addresses", "timezone"]),
    zone=VALUES["timezone"],
    separator=st.sampled_from([", ", ";", " "]),
    addresses=st.lists(
        st.sampled_from(["a@x.example", "B@X.example", "b@x.example", "c@x.example", "A <a@x.example>", "@"]),
        max_size=4,
    ),
)
@example(field="addresses", zone="UTC", separator=", ", addresses=["a@x.example", "B@X.example"])
@example(field="addresses", zone="UTC", separator=";", addresses=["A <a@x.example>"])
async def test_value_of_a_mailbox_is_stored_alike_by_page(
    app: AppFixture, clients: tuple[RestClient, Browser], field: str, zone: str, separator: str, addresses: list[str]
) -> None:
    """The settings that owners write as text on the page."""
    _, browser = clients
    key, text = ("timezone", zone) if field == "timezone" else ("notify_email_addresses", separator.join(addresses))
    box = await app.container.boxes.find_by_number(app.account.id, "1000") or await app.create_box(owner=app.alice)
    by_command = await stored_by_document(app, box, parse_assignments([f"{key}={text}"]), key)
    await app.container.boxes.patch(await app.container.boxes.get(box.id), reset(key))
    if not browser.is_signed_in:
        await browser.sign_in_by_pin()
    await browser.open(settings_path(box))
    await browser.send(settings_path(box), **{**form_of(browser.page.text), field: text})
    stored = value_of(await app.container.boxes.get(box.id), key)
    assert (stored if browser.page.status_code == 200 else REJECTED) == by_command


URLS = st.sampled_from(
    ["https://crm.example/hook", "HTTPS://CRM.example", "crm.example", "https://ann:1379@crm.example/", "https://@x",
     "https://x.example:99999", "https:///hook", "https://a b.example", "ftp://x.example", "https://b\u00fccher.example",
     "https://a.example,https://b.example", "https://[::1", "https://x..example", "  https://crm.example  "]
) | st.from_regex(r"https?:/?/?[a-z0-9.:@/?#%_-]{0,12}", fullmatch=True)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(url=URLS)
async def test_url_of_a_webhook_is_accepted_alike_and_can_be_requested(app: AppFixture, url: str) -> None:
    yaml = json.dumps({"accounts": [{"name": "demo", "settings": {"webhook": {"url": url}}}]})
    plan = await plan_of(app, parse_yaml(yaml))
    try:
        account = Account.model_validate({"name": "demo", **parse_assignments([f"settings.webhook.url={url}"])})
    except ValidationError as error:
        assert HOW_TO_WRITE.search(str(error))
        assert plan.errors
        return
    accepted = str(account.webhook_url)
    assert httpcore.URL(accepted).host
    assert "@" not in accepted.partition("//")[2].partition("/")[0], "which no request would carry"
    planned = [changed.webhook_url for changed in plan.changed_accounts.values()]
    assert planned == [accepted] or "is not a public address" in plan.errors[0].message


async def test_mailbox_of_another_system_is_imported_without_the_settings_that_do_not_fit(app: AppFixture) -> None:
    """Kazoo stores any text. Of a list the items that fit stay, and of an object the members."""
    fields = {
        "name": "Front\ndesk",
        "timezone": "Europe/Berln",
        "notify_email_addresses": ["a@x.example; b@x.example", "Ben <ben@x.example>"],
        "notify_email_address": "c@x.example, d@",
        "max_message_count": -1,
        "notify": {"callback": {"number": "2001", "interval_s": "often"}},
        "flags": ["vip"],
        "own_key": [1, {"a": None}],
    }
    defined = DefinedMailbox("1234", "acme", "4716", "Front desk", fields=fields, aliases=("0042", "_X."))
    mapped = map_box(defined, VoicemailConf(), "demo", PinRules(short="new", weak="keep", min_length=4, max_length=6))
    plan = await plan_of(app, PeopleFile(rows=[mapped.row]))
    assert plan.errors == []
    [stored] = plan.new_boxes.values()
    expected = {
        "name": "Front desk",
        "timezone": None,
        "aliases": ["0042"],
        "notify_email_addresses": ["a@x.example", "b@x.example", "c@x.example"],
        "flags": ["vip"],
        "own_key": [1, {"a": None}],
    }
    assert {key: stored.settings.get(key) for key in expected} == expected
    notes = " ".join(note.text for note in mapped.notes)
    for lost in ("did you mean Europe/Berlin", "ben@x.example", "'d@'", "_X.", "max_message_count", "interval_s"):
        assert lost in notes


@pytest.mark.parametrize(
    ("key", "text", "stored"),
    [
        ("max_pin_length", '"8"', 8),
        ("max_pin_length", "8.0", 8),
        ("max_message_count", "050", 50),
        ("should_disable_callback", "no", False),
        ("country_code", "+49", "49"),
        ("folder_labels", '" Work , Home"', ["Work", "Home"]),
        ("callback_context", '" from-ivr "', "from-ivr"),
        ("distribution_lists.800", "1001;1001", ["1001"]),
        ("owner_mail_domains", "X.example; b\u00fccher.example", ["x.example", "xn--bcher-kva.example"]),
    ],
)
async def test_setting_of_an_account_is_stored_in_its_type_by_command_and_people_file(
    app: AppFixture, key: str, text: str, stored: object
) -> None:
    """Texts were stored as they were written, and `8.0` could end each call once another limit did not fit."""
    value = f"{key}: {text}" if "." not in key else f"{key.split('.')[0]}: {{{key.split('.')[1]}: {text}}}"
    plan = await plan_of(app, parse_yaml(f"accounts:\n- name: demo\n  settings:\n    {value}\n"))
    assert plan.errors == []
    document = parse_assignments([f"settings.{key}={text.strip(chr(34))}"])
    by_command = app.container.boxes.validated_account(Account.model_validate({"name": "demo", **document}))
    for account in (by_command, *plan.changed_accounts.values()):
        found: Any = account.settings
        for name in key.split("."):
            found = found[name]
        assert (found, type(found)) == (stored, type(stored))
    assert len(plan.changed_accounts) == 1


def test_stored_pin_length_as_a_text_does_not_end_calls_where_another_limit_does_not_fit() -> None:
    stored = {"min_pin_length": "7.0", "max_pin_length": 6, "clock": "sundial"}
    assert VoicemailSettings().merged_with(stored).max_pin_length == 7


CONF_TEXTS = st.text(PRINTABLE | st.sampled_from(" \u200b\x07"), max_size=20) | st.sampled_from(["x" * 300, "", " "])
CONF_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "language": st.sampled_from(["en", "de", "no", "xx", "en;q=1", ""]),
        "tz": st.sampled_from(["known", "unknown", ""]),
        "attachfmt": st.sampled_from(["wav49", "gsm", "WAV|gsm", ""]),
        **{
            name: st.integers(0, 9_999_999).map(str) | st.sampled_from(["-1", "1.5", "", "0x10", "many"])
            for name in ("maxmsg", "maxsecs", "maxsilence", "skipms")
        },
    },
)
CONF_ZONES = st.sampled_from(["Europe/Berlin", "UTC", "Mars/Base", "europe/berlin", ""])


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.tuples(CONF_TEXTS, CONF_TEXTS),
    email=VALUES["notify_email"],
    options=CONF_OPTIONS,
    zone=CONF_ZONES,
    alias=VALUES["aliases"],
)
async def test_import_takes_over_what_the_rules_accept_and_names_the_rest(
    app: AppFixture, texts: tuple[str, str], email: str, options: dict[str, str], zone: str, alias: str
) -> None:
    """A mailbox of voicemail.conf is never refused for a value that does not fit here."""
    password, fullname = texts
    box = ConfMailbox("1234", "default", password, fullname, (email,), "", options, options)
    conf = VoicemailConf(zones={"known": zone}, aliases={box.key: [alias]})
    mapped = map_box(box, conf, "demo", PinRules(short="new", weak="keep", min_length=4, max_length=6))
    plan = await app.container.provisioning.plan(
        PeopleFile(rows=[mapped.row]), PlanOptions("asterisk", allows_weak_pins=True)
    )
    assert plan.errors == []
    [user], [stored] = plan.new_users.values(), plan.new_boxes.values()
    notes = " ".join(note.text for note in mapped.notes)
    assert user.email == email or repr(email) in notes
    assert options.get("tz") != "known" or stored.settings.get("timezone") == zone or "tz=known" in notes
    assert not options.get("language") or user.language == options["language"] or "language:" in notes


async def test_limits_of_pins_that_contradict_each_other_cost_no_mailbox(
    app: AppFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account and the mailboxes of another system have limits of their own: each mailbox is imported."""
    monkeypatch.setattr(box_import, "BOXES_PER_TRANSACTION", 1)
    definitions = {
        "1001": DefinedMailbox("1001", "acme", "83910547", fields={"min_pin_length": 8}),
        "1002": DefinedMailbox("1002", "acme", "4716832", fields={"min_pin_length": 5}),
        "1003": DefinedMailbox("1003", "acme", "", fields={"min_pin_length": 12}),
        "1004": DefinedMailbox("1004", "acme", "4716", fields={"min_pin_length": 6}),
    }
    boxes = [SourceBox(number, "acme", app.account, definition) for number, definition in definitions.items()]
    reports = {box.key: BoxReport(box.key, "demo") for box in boxes}
    container = app.container
    boxes_of_import = box_import.BoxImport(
        container.provisioning,
        container.boxes,
        container.random_bytes,
        system_name="asterisk",
        pin_list=box_import.PinList(None),
    )
    source = Source(VoicemailConf(), boxes)
    options = ImportOptions("acme", {}, short_pins="none")
    mapped = await boxes_of_import.map_boxes(source, options, reports)
    await boxes_of_import.create("acme", source, mapped, reports, run_id="run", now=0)
    found = {box.number: box for box in await container.boxes.list_by_account(app.account.id)}
    assert sorted(found) == sorted(definitions)
    assert [found[number].settings.min_pin_length for number in sorted(found)] == [8, 5, None, 6]
    assert await container.pins.is_set_to(found["1001"], "83910547")
    assert await container.pins.is_set_to(found["1002"], "4716832")
    assert found["1002"].pin_lengths == range(5, 9)
    assert "min_pin_length 12" in " ".join(note.text for note in reports["1003@acme"].notes)


@pytest.mark.parametrize("written", ["5.0", " 5 ", "05", "+5", 5.0])
async def test_pin_length_of_another_system_is_read_as_the_setting_is(app: AppFixture, written: object) -> None:
    """The import ended at a text that the setting accepts and that is no number of Python."""
    defined = DefinedMailbox("1234", "acme", "83910", fields={"min_pin_length": written})
    mapped = map_box(defined, VoicemailConf(), "demo", PinRules("new", "keep", min_length=4, max_length=6))
    plan = await plan_of(app, PeopleFile(rows=[mapped.row]))
    assert plan.errors == []
    assert [box.settings["min_pin_length"] for box in plan.new_boxes.values()] == [5]
    assert mapped.clear_pin == "83910"


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pin=st.from_regex(r"[0-9]{3,7}", fullmatch=True)
    | st.sampled_from(
        ["0731", "00731", "1234", "1000", "13a9", "1379.0", "1e3", "+1379", "-1379", "١٣٧٩", "13 79", "true"]
    )
)
@example(pin="0731")
@example(pin="1e3")
async def test_pin_is_set_alike_by_every_way_in(app: AppFixture, pin: str) -> None:
    """It opens the mailbox with each of its zeros, or it is refused; an import says that it makes another one."""
    boxes, pins = app.container.boxes, app.container.pins
    box = await boxes.find_by_number(app.account.id, "1000") or await app.create_box(owner=app.alice, is_setup=True)

    async def is_set_by(people: PeopleFile | None) -> bool:
        await boxes.patch(await boxes.get(box.id), {"pin": None})
        if people is None:
            try:
                await boxes.patch(await boxes.get(box.id), parse_assignments([f"pin={pin}"]))
            except (BadInput, InvalidFields):
                return False
        else:
            plan = await plan_of(app, people)
            if people.errors or plan.errors:
                return False
            await app.container.provisioning.apply(plan)
        assert await pins.is_set_to(await boxes.get(box.id), pin)
        return True

    by_command = await is_set_by(None)
    yaml = json.dumps({"boxes": [{"mailbox": "1000", "pin": pin}]}, ensure_ascii=False)
    assert await is_set_by(parse_yaml(yaml)) == by_command
    assert await is_set_by(parse_csv(f"mailbox,pin\n1000,{in_quotes(pin)}\n")) == by_command
    mapped = map_box(
        DefinedMailbox("1000", "acme", pin),
        VoicemailConf(),
        "demo",
        PinRules("none", "keep", min_length=4, max_length=6),
    )
    is_whole = mapped.clear_pin == pin and not any("easy to guess" in note.text for note in mapped.notes)
    assert is_whole == by_command or len(pin) > 6  # An import permits the account longer PINs.
