"""One rule for each kind of value: what is accepted is accepted by every way in, and works wherever it is used."""

from __future__ import annotations

import email
import re
import unicodedata
from email import policy
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ivr.ami.actions import OriginateTarget
from ivr.ami.client import validate_action
from ivr.call.arguments import parse
from ivr.directory.models import Account, Endpoint, User
from ivr.errors import BadInput, InvalidFields
from ivr.mailbox.box_settings import BoxSettings, report_violations
from ivr.mailbox.boxes import settings_from_record
from ivr.mailbox.caller_id import identify
from ivr.mailbox.voicemail_settings import VoicemailSettings
from ivr.menus.hunt import matches
from ivr.notifications.settings import MailSettings
from ivr.provisioning import freepbx
from ivr.settings import Settings
from ivr.storage.records import BoxRecord, Caller
from ivr.validation import addresses, names, numbers, time_zones
from ivr.validation.text import has_invisible_characters, label, to_filename_stem, to_single_line
from tests.support.app_fixture import AppFixture

ADDRESSES = ["alice@example.com", "a.b+tag@pbx.local", "root@localhost", "o'neill@example.co.uk", "büro@bücher.example"]
NO_ADDRESSES = {
    "": "is empty",
    "alice": "has no @",
    "alice\uff20x.example": "has no @",
    "alice@": "nothing is behind the @",
    "@example.com": "nothing is before the @",
    "a@b@c.example": "is not one address",
    "a@x.example, b@x.example": "is not one address",
    "a@x;b@x": "is not one address",
    "a b@x.example": "is not one address",
    "a@x.example,": "is not one address",
    "Alice <a@x.example>": "without a name and the signs < and >",
    "<a@x.example>": "without a name and the signs < and >",
    '"a b"@x.example': "has quotation marks, and few mail servers accept such an address",
    '"a"@x.example': "has quotation marks",
    "a@x.example (Alice)": "has brackets",
    "(Alice)a@x.example": "has brackets",
    "alice(at)x.example": "has brackets",
    ".a@x.example": "has a dot at its start",
    "a.@x.example": "has a dot at its start, before the @",
    "a..b@x.example": "or behind another dot",
    "a\\b@x.example": "signs before the @ that no mail address has",
    "=?utf-8?q?a?=@x.example": "signs before the @ that no mail address has",
    "a@-x.example": "'-x.example' cannot be the name of a domain",
    "a@x..example": "'x..example' cannot be the name of a domain",
    "a@exa_mple.com": "'exa_mple.com' cannot be the name of a domain",
    "a@x.example/": "'x.example/' cannot be the name of a domain",
    "a@" + "x" * 64 + ".example": "cannot be the name of a domain",
    "a@x.example.": "ends with a dot",
    "a@b\xfccher.example.": "ends with a dot",
    "a@.x.example": "has a dot behind the @",
    "a@[192.0.2.1]": "names a machine by its number",
    "a@192.0.2.1": "names a machine by its number",
    "a@x.123": "names a machine by its number",
    "mailto:a@x.example": "begins with 'mailto:', which is no part of an address",
    "MAILTO:a@x.example?subject=x": "begins with 'mailto:'",
    "a" * 65 + "@x.example": "has 65 bytes before the @, and at most 64 are possible",
    "\xfc" * 33 + "@x.example": "has 66 bytes before the @",
    f"ab@{'.'.join(['x' * 63] * 3)}.{'y' * 61}": "has 256 bytes, and at most 254 are possible",
    "a@x.example\r\nBcc: b@x.example": "characters that cannot be seen",
    "a\u200b@x.example": "characters that cannot be seen",
    "a@x.example\u200b": "characters that cannot be seen",
}
"""Texts that are no address, and what is wrong with each."""


@pytest.mark.parametrize("address", ADDRESSES)
def test_mail_address_is_accepted_everywhere(address: str) -> None:
    assert User(name="a", email=f" {address} ").email == address
    assert BoxSettings(name="b", mailbox="1", notify_email=address).notify_email == address
    assert BoxSettings(name="b", mailbox="1", notify_email_addresses=[address]).notify_email_addresses == [address]
    if address.isascii():
        assert MailSettings(sender=address).sender == address


@pytest.mark.parametrize(("text", "reason"), NO_ADDRESSES.items())
def test_text_that_is_no_mail_address_is_refused_with_example(text: str, reason: str) -> None:
    wanted = rf"(?s){re.escape(reason)}.*write it as alice@example\.com"
    is_one_item = addresses.split_addresses(text) == [text]
    for key in ["notify_email", *(["notify_email_addresses"] if is_one_item else [])]:
        with pytest.raises(ValidationError, match=wanted):
            BoxSettings.model_validate({"name": "b", "mailbox": "1", key: text})
    with pytest.raises(ValidationError, match=wanted):
        User(name="a", email=text)


@given(st.emails() | st.text(max_size=40) | st.from_regex(r"[^\s]{1,10}@[a-z0-9.-]{1,12}", fullmatch=True))
def test_accepted_mail_address_survives_mail_headers(text: str) -> None:
    try:
        address = addresses.mail_address(text)
    except BadInput:
        return
    assert addresses.mail_address(address) == address
    mail = EmailMessage(policy=policy.SMTP)
    mail["To"] = address
    parsed = email.message_from_string(mail.as_bytes(policy=policy.SMTPUTF8).decode(), policy=policy.default)
    assert [one.addr_spec for one in parsed["To"].addresses] == [address]
    assert addresses.to_smtp(address).rpartition("@")[2].isascii()


@pytest.mark.parametrize(
    "value",
    ["a@x.example, b@x.example", "a@x.example;b@x.example", "a@x.example b@x.example ",
     ["a@x.example,b@x.example"], [" a@x.example", "b@x.example", "A@X.example"]],
)  # fmt: skip
def test_list_of_addresses_is_split_trimmed_and_unique(value: object) -> None:
    box = BoxSettings.model_validate({"name": "b", "mailbox": "1", "notify_email_addresses": value})
    assert box.notify_email_addresses == ["a@x.example", "b@x.example"]


@pytest.mark.parametrize("key", ["aliases", "numbers"])
@pytest.mark.parametrize("text", ["0043,0044", " 0043; 0044 ", "0043 0044", ["0043", "0044"]])
def test_numbers_in_one_text_are_split(key: str, text: object) -> None:
    settings = BoxSettings.model_validate({"name": "x", "mailbox": "1000", key: text})
    assert getattr(settings, key) == ["0043", "0044"]


def test_kazoo_address_key_is_moved_to_list() -> None:
    document = {"name": "b", "mailbox": "1", "notify_email_address": "a@x.example, b@x.example"}
    box = BoxSettings.model_validate(document)
    assert box.notify_email_addresses == ["a@x.example", "b@x.example"]
    assert "notify_email_address" not in box.model_dump(exclude_none=True)


@pytest.mark.parametrize("sender", ["vm@example.com", "Voicemail <vm@example.com>", '"Büro, 1" <vm@example.com>'])
def test_sender_may_have_name(sender: str) -> None:
    assert MailSettings(sender=sender).sender == sender


@pytest.mark.parametrize("sender", ["", "Voicemail", "a@x, b@x", "Voicemail <vm>", "V\r\nBcc: x <vm@example.com>"])
def test_invalid_sender_is_refused(sender: str) -> None:
    with pytest.raises(ValidationError, match="sender of mail"):
        MailSettings(sender=sender)


def test_address_is_stored_composed_and_sender_as_every_server_takes_it() -> None:
    assert addresses.mail_address("u\u0308@bu\u0308cher.example") == "\xfc@b\xfccher.example"
    sender = MailSettings(sender="B\xfcro <vm@b\xfccher.example>").sender
    assert sender == "B\xfcro <vm@xn--bcher-kva.example>"
    with pytest.raises(ValidationError, match="A to Z only before an @"):
        MailSettings(sender="B\xfcro <b\xfcro@x.example>")


@given(st.text(max_size=30) | st.from_regex(r"[\w\" ,.ü]{0,12} ?<?[a-z@.,;]{3,12}>?", fullmatch=True))
def test_accepted_sender_is_one_address_in_the_header(text: str) -> None:
    try:
        sender = addresses.sender_address(text)
    except BadInput:
        with pytest.raises(ValidationError, match="sender of mail"):
            MailSettings(sender=text)
        return
    assert MailSettings(sender=sender).sender == sender
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = sender
    parsed = email.message_from_string(mail.as_bytes(policy=policy.SMTPUTF8).decode(), policy=policy.default)
    [shown] = parsed["From"].addresses
    assert addresses.mail_address(shown.addr_spec) == shown.addr_spec


@pytest.mark.parametrize("zone", ["UTC", "GMT", "EST", "CET", "Europe/Berlin", "America/Argentina/ComodRivadavia"])
def test_time_zone_is_accepted_everywhere(zone: str) -> None:
    assert Account(name="a", timezone=zone).timezone == zone
    assert User(name="a", timezone=zone).timezone == zone
    assert BoxSettings(name="b", mailbox="1", timezone=zone).timezone == zone


@given(st.text(max_size=12) | st.sampled_from(["posixrules", "localtime", "Factory", "right/UTC", "../UTC", "/UTC"]))
def test_accepted_time_zone_exists_and_others_are_refused_everywhere(text: str) -> None:
    try:
        name = time_zones.time_zone(text)
    except BadInput:
        for model in (Account, User):
            with pytest.raises(ValidationError, match="is not a time zone"):
                model(name="a", timezone=text)
        return
    assert str(ZoneInfo(name)) == name


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("utc", "UTC"),
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("(UTC-05:00) Eastern Time (US & Canada)", "America/New_York"),
        ("(UTC+01:00) Amsterdam, Berlin, Bern, Rom", "Europe/Amsterdam"),
        ("CEST", "Europe/Berlin, Europe/Paris or Europe/Budapest"),
        ("MEZ", "Europe/Berlin"),
        ("BST", "Europe/London"),
        ("CST", "America/Chicago, Asia/Shanghai"),
        ("India Standard Time", "Asia/Kolkata"),
        ("New York", "America/New_York"),
        ("Londn", "Europe/London"),
        ("Europe/Wien", "Europe/Vienna"),
        ("Zürich", "Europe/Zurich"),
        ("Deutschland", "Europe/Berlin"),
        ("Kiew", "Europe/Kyiv"),
    ],
)
def test_name_that_is_no_time_zone_is_refused_with_the_one_that_is_meant(zone: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=f"did you mean {hint}"):
        BoxSettings(name="b", mailbox="1", timezone=zone)


@pytest.mark.parametrize("zone", ["Europe/Munich", "Frankfurt", "Mars/Base", "Mumbai", "DE", ""])
def test_place_that_the_database_does_not_know_gets_no_hint_of_another_place(zone: str) -> None:
    with pytest.raises(ValidationError, match="write the IANA name of one") as failure:
        User(name="a", timezone=zone)
    assert "did you mean" not in str(failure.value)


def test_every_time_zone_that_is_proposed_is_accepted() -> None:
    proposed = {zone for zones in time_zones.zones_by_name().values() for zone in zones}
    assert len(proposed) > 400
    assert {zone for zone in proposed if time_zones.time_zone(zone) != zone} == set()


@pytest.mark.parametrize("zone", ["GMT+1", "UTC+1", "UTC-05:30", "+01:00", "GMT +2"])
def test_offset_is_no_time_zone_and_gets_no_hint_of_the_opposite_sign(zone: str) -> None:
    with pytest.raises(ValidationError, match="offsets know no summer time") as failure:
        User(name="a", timezone=zone)
    assert "did you mean" not in str(failure.value)


@pytest.mark.parametrize(
    "number", ["\uff11\uff10", "10 00", "abc", "10a", "1000#", "*97", "+49", "1000\n1", "-1", "1.0"]
)
def test_box_number_that_no_phone_can_enter_is_refused(number: str) -> None:
    with pytest.raises(ValidationError, match="write the digits 0 to 9"):
        BoxSettings(name="b", mailbox=number)


@given(st.text(st.characters(codec="utf-8"), max_size=20) | st.from_regex(r"[0-9]{1,15}", fullmatch=True))
async def test_accepted_box_number_works_for_dialplan_and_light(text: str) -> None:
    try:
        number = numbers.box_number(text)
    except BadInput:
        return
    arguments, warnings = parse("leave", [f"number={number}"])
    assert (arguments.number, warnings) == (number, [])
    assert set(number) <= set("0123456789")
    assert numbers.is_mwi_mailbox(f"{number}@ivr")


async def test_longest_number_and_alias_reach_mailbox(app: AppFixture) -> None:
    box = await app.create_box(" 123456789012345 ", aliases=["+4930123456", "alice.desk"])
    for number in ("123456789012345", "+4930123456", "alice.desk"):
        found = await app.container.boxes.find_by_number(app.account.id, number)
        assert found
        assert found.id == box.id
    with pytest.raises(InvalidFields, match="At most 15 digits"):
        await app.create_box("1" * 16)
    with pytest.raises(InvalidFields, match="At most 15 digits"):
        await app.container.boxes.patch(box, {"mailbox": "1" * 16})


@pytest.mark.parametrize(
    "text",
    ["+49 30 123456", "+49 (30) 123-456", "+49-30-123456", "+49.30.123456", "+49\u00a030\u00a0123456", "+49 30/123456"],
)
def test_number_is_stored_as_it_is_dialled(text: str) -> None:
    box = BoxSettings(name="b", mailbox="1", operator_number=text, aliases=[text])
    assert (box.operator_number, box.aliases) == ("+4930123456", ["+4930123456"])


@pytest.mark.parametrize("text", ["2000-2009", "2000 - 2009", "2000\u20132009", "+49", "+", "-", "sip:100@x", "1,2"])
def test_what_is_no_single_number_is_refused_as_operator_and_alias(text: str) -> None:
    for document in ({"operator_number": text}, {"aliases": [text]}):
        with pytest.raises(ValidationError, match=r"write|use up to"):
            BoxSettings.model_validate({"name": "b", "mailbox": "1", **document})


@given(st.text(max_size=20) | st.from_regex(r"\+?[0-9]{1,4}( [0-9]{1,4}){0,4}", fullmatch=True))
def test_accepted_extension_can_be_called_over_ami(text: str) -> None:
    try:
        number = numbers.extension(text)
    except BadInput:
        return
    target = OriginateTarget(number, "to-owners")
    validate_action({"Action": "Originate", "Channel": f"Local/{target.number}@{target.context}/n"})
    assert numbers.extension(number) == number


@given(st.text(max_size=20) | st.from_regex(r"[a-zA-Z0-9 .-]{1,20}", fullmatch=True))
def test_every_account_name_has_realm_for_lights(name: str) -> None:
    realm = names.to_realm(name, "0" * 32)
    assert names.realm(realm) == realm
    assert numbers.is_mwi_mailbox(f"1000@{realm}")


@given(st.text(max_size=20) | st.from_regex(r"[a-zA-Z0-9.-]{1,20}", fullmatch=True))
def test_accepted_realm_and_endpoint_work_as_light(text: str) -> None:
    for rule, light in ((names.realm, "1000@{}"), (names.endpoint_name, "{}@ivr-phones")):
        try:
            name = rule(text)
        except BadInput:
            continue
        assert numbers.is_mwi_mailbox(light.format(name))


@pytest.mark.parametrize("name", ["alice", "Anna Meier 1000", "Jose\u0301", "Büro²", "名前", "a" * 128])
def test_name_is_accepted_for_users_and_accounts(name: str) -> None:
    stored = unicodedata.normalize("NFC", name)
    assert User(name=f" {name} ").name == Account(name=name).name == stored


@given(st.text(max_size=140), st.from_regex(r"[0-9]{1,15}", fullmatch=True))
def test_every_full_name_becomes_the_name_of_a_user(full_name: str, number: str) -> None:
    name = names.to_user_name(full_name, number)
    assert User(name=name).name == name
    assert name.endswith(number)
    assert not name.startswith("-")


@pytest.mark.parametrize("name", ["", " ", "a,b", "a\nb", "a" * 129, "\u200b", "a:b", "-x", " -"])
def test_name_that_no_command_can_have_is_refused(name: str) -> None:
    for model in (User, Account):
        with pytest.raises(ValidationError, match="is not a name"):
            model(name=name)


@pytest.mark.parametrize("name", ["  ", "a\nb", "a\0b", "\x1b[2J", "\u202eabc", "a\u2028b"])
def test_name_of_a_mailbox_is_one_visible_line(name: str) -> None:
    """It is shown in mails, on the page and in terminals; joiners of scripts and emoji belong to it."""
    with pytest.raises(ValidationError, match="on one line"):
        BoxSettings(name=name, mailbox="1")
    assert BoxSettings(name=names.to_box_name(f"{name} 1", "1000"), mailbox="1").name
    assert BoxSettings(name=" 👩‍💻 می‌خواهم ", mailbox="1").name == "👩‍💻 می‌خواهم"


def test_endpoint_without_light_is_refused() -> None:
    with pytest.raises(ValidationError, match="not the name of a PJSIP endpoint"):
        Endpoint(system="asterisk", name="desk phone", account_id="a", user_id="u")


@pytest.mark.parametrize("language", ["en", "de", "pt-BR", "en_US", "zh_Hans_CN"])
def test_language_is_accepted(language: str) -> None:
    assert Account(name="a", language=language).language == User(name="a", language=language).language == language


@pytest.mark.parametrize("language", ["", "xx", "german", "e", "en;q=1"])
def test_unknown_language_is_refused(language: str) -> None:
    with pytest.raises(ValidationError, match="is not a language"):
        Account(name="a", language=language)


@pytest.mark.parametrize(
    ("code", "language"), [("deu", "de"), ("GER", "de"), ("eng-GB", "en-GB"), ("por_BR", "pt_BR"), ("gsw", "gsw")]
)
def test_language_code_of_three_letters_is_stored_as_that_of_two(code: str, language: str) -> None:
    """English was spoken to who wrote deu, as no prompts have that name."""
    assert User(name="a", language=code).language == BoxSettings(name="b", mailbox="1", language=code).language
    assert names.language_code(code) == language


def test_blanks_around_words_of_a_list_and_switches_mean_nothing() -> None:
    """As in the cells of a table, and around numbers. In a text they are part of it."""
    document = {"clock": " 24h ", "skip_greeting": "off ", "media_extension": "wav ", "mail_subject": " New "}
    box = BoxSettings.model_validate({"name": "b", "mailbox": "1", **document})
    assert (box.clock, box.skip_greeting, box.media_extension, box.mail_subject) == ("24h", False, "wav", " New ")
    assert User(name="a", settings={"vm_to_email_enabled": "no "}).settings == {"vm_to_email_enabled": False}


def test_list_without_members_is_refused_with_how_to_write_it() -> None:
    with pytest.raises(InvalidFields, match="write the items with commas between them"), report_violations():
        BoxSettings.model_validate({"name": "b", "mailbox": "1", "distribution_lists": {"800": ""}})


@pytest.mark.parametrize("url", ["https://crm.example/hook?x=1", "http://localhost:8080/", "http://[::1]/x"])
def test_webhook_url_is_accepted(url: str) -> None:
    assert Account(name="a", settings={"webhook": {"url": url}}).settings["webhook"]["url"] == url


@pytest.mark.parametrize(
    "url",
    ["", "crm.example/hook", "ftp://x.example", "http://", "http://a b/", "https://x:99999/", "file:///etc/passwd"],
)
def test_invalid_webhook_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match=r"https://crm\.example/hook"):
        Account(name="a", settings={"webhook": {"url": url}})


@pytest.mark.parametrize(
    "rest",
    ["?a=1", "/?a=1", "?", "#", "/#top", "//a", "/a//b", "/../x", "/a/.", "/%", "/%2", ":", "/a;b", "/a\\b", "/[a]"],
)
def test_address_that_paths_are_appended_to_has_nothing_behind_its_folder(rest: str) -> None:
    """Links in mails and requests to the object store were `https://x.example/?a=1/v2/accounts/…`."""
    url = f"https://x.example{rest}"
    for section, name, example in (
        ("api", "public_url", r"https://voicemail\.example\.com"),
        ("audio", "endpoint", r"https://s3\.example\.com"),
    ):
        with pytest.raises(ValidationError, match=f"write it as {example}"):
            Settings.model_validate({section: {name: url}})


@pytest.mark.parametrize("path", ["/page", "/page/box/1", "/v2/accounts", "/v2/"])
def test_address_of_a_view_is_no_address_of_the_service(path: str) -> None:
    with pytest.raises(ValidationError, match=r"the part before it, as https://voicemail\.example\.com"):
        Settings(api={"public_url": f"https://x.example{path}"})
    assert Settings(audio={"endpoint": "https://x.example/"}).audio.endpoint == "https://x.example"
    assert Settings(api={"public_url": "https://x.example/pages/"}).api.public_url == "https://x.example/pages"


def test_url_with_a_user_or_a_fragment_is_refused_wherever_it_is_set() -> None:
    def webhook(url: str) -> object:
        return Account(name="a", settings={"webhook": {"url": url}})

    for url in ("https://ann@x.example", "https://ann:secret@x.example/", "https://x.example/#a"):
        for accept in (
            lambda url: Settings(api={"public_url": url}),
            lambda url: Settings(audio={"endpoint": url}),
            webhook,
        ):
            with pytest.raises(ValidationError, match=r"write it as https://"):
                accept(url)


@given(
    st.text(max_size=20)
    | st.from_regex(r"https?://[a-z0-9.\[\]:@ü%_-]{1,16}(:[0-9]{1,6})?(/[ -~]{0,8})?", fullmatch=True)
)
def test_accepted_webhook_url_can_be_requested(text: str) -> None:
    try:
        url = addresses.web_url(text)
    except BadInput:
        with pytest.raises(ValidationError, match=r"URL"):
            Account(name="a", settings={"webhook": {"url": text}})
        return
    assert Account(name="a", settings={"webhook": {"url": text}}).settings["webhook"]["url"] == url
    parsed = httpcore.URL(url)
    assert parsed.host
    assert parsed.scheme in (b"http", b"https")
    httpcore.Request("POST", parsed, headers={"Host": parsed.host})


@given(st.text(max_size=12) | st.from_regex(r"[A-Za-z0-9_.-]{1,82}", fullmatch=True))
def test_accepted_context_is_accepted_by_settings_account_and_dialplan(text: str) -> None:
    arguments, warnings = parse("leave", ["number=1000", f"exit_context={text}"])
    try:
        context = numbers.dialplan_context(text)
    except BadInput:
        with pytest.raises(ValidationError, match="dialplan context"):
            VoicemailSettings(callback_context=text)
        assert arguments.exit_context == ""
        assert warnings or not text.strip()
        return
    assert VoicemailSettings(callback_context=context).callback_context == context
    assert (arguments.exit_context, warnings) == (context, [])


@pytest.mark.parametrize("code", ["49", "+49", "0049", " 49 ", ""])
def test_country_code_is_stored_as_its_digits(code: str) -> None:
    assert VoicemailSettings(country_code=code).country_code == ("49" if code else "")


@pytest.mark.parametrize(
    ("key", "value"), [("country_code", "DE"), ("country_code", "049"), ("national_prefix", "zero"),
                       ("international_prefix", "+"), ("folder_labels", ["Work\nHome"]), ("operator_key", "2000-2009")]
)  # fmt: skip
def test_setting_of_an_account_is_refused_with_how_to_write_it(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match="write"):
        VoicemailSettings().validated_with({key: value})


@pytest.mark.parametrize("text", ["@x.example", "*", "*.x.example", "a@x.example", "x..example", "192.0.2.1"])
def test_domain_that_no_address_has_is_refused_for_owners(text: str) -> None:
    """It was stored, and owners could set no address at all."""
    with pytest.raises(ValidationError, match=r"write it as example\.com"):
        VoicemailSettings().validated_with({"owner_mail_domains": [text]})


def test_unknown_webhook_event_and_mail_switch_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"message\.new"):
        Account(name="a", settings={"webhook": {"url": "https://x.example", "events": ["message.news"]}})
    with pytest.raises(ValidationError, match="boolean"):
        User(name="a", settings={"vm_to_email_enabled": "perhaps"})
    assert User(name="a", settings={"vm_to_email_enabled": "no", "own": 1}).settings == {
        "vm_to_email_enabled": False,
        "own": 1,
    }


@given(st.text(max_size=12) | st.sampled_from(["^2[0-9]{3}$", "(", "[", "a{1001}", "(?=x)"]))
def test_accepted_pattern_is_used(text: str) -> None:
    if not 1 <= len(text) <= 256:
        return
    try:
        pattern = names.pattern(text)
    except BadInput:
        return
    assert matches(pattern, "123") in (True, False)


def test_invalid_pattern_is_refused() -> None:
    with pytest.raises(ValidationError, match="RE2"):
        BoxSettings(name="b", mailbox="1", hunt_allow="(")


@pytest.mark.parametrize("username", [" bob", "bob ", "a:b", "a\nb", "", "x" * 129])
def test_username_that_cannot_sign_in_is_refused(username: str) -> None:
    with pytest.raises(ValidationError, match="is not a username"):
        User(name="a", username=username)


def test_recording_id_with_path_is_refused() -> None:
    with pytest.raises(ValidationError, match="id of a recording"):
        BoxSettings.model_validate({"name": "b", "mailbox": "1", "media": {"unavailable": "../" * 10 + "aa"}})


async def test_value_of_an_earlier_version_does_not_keep_owner_out(app: AppFixture) -> None:
    box = await app.create_box()
    stored = {"timezone": "Mars/Olympus", "notify_email": "a@x, b@x", "mailbox": "1000"}
    sql = "UPDATE boxes SET settings = json_patch(settings, ?)"
    await app.container.database.write(
        lambda c: c.execute(sql, ('{"timezone": "Mars/Olympus", "notify_email": "a@x, b@x"}',)).rowcount
    )
    again = await app.container.boxes.get(box.id)
    assert (again.settings.timezone, str(again.zone_info)) == ("Mars/Olympus", "UTC")
    changed = await app.container.boxes.patch_from_phone(box.id, {"announcement_only": True})
    assert changed.settings.announcement_only
    with pytest.raises(InvalidFields, match="is not a time zone"):
        await app.container.boxes.patch(changed, {"timezone": "Mars/Base"})
    assert settings_from_record(BoxRecord("x", "y", {"name": "b", **stored})).notify_email == "a@x, b@x"


@given(st.text())
def test_single_line_and_filename_have_visible_characters_only(text: str) -> None:
    assert not has_invisible_characters(to_single_line(text))
    stem = to_filename_stem(text, 40)
    assert 0 < len(stem) <= 41
    assert not set(stem) & set('/\\:*?"<>|\r\n\0')
    assert stem.strip(" .") == stem
    mail = EmailMessage()
    mail.add_attachment(b"", maintype="audio", subtype="mpeg", filename=f"{stem}.mp3")
    [attachment] = email.message_from_bytes(mail.as_bytes(), policy=policy.default).iter_attachments()
    assert attachment.get_filename() == f"{stem}.mp3", "as the mail program of the owner shows it"


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("timezon", "timezone"),
        ("timezonee", "timezone"),
        ("tiemzone", "timezone"),
        ("color", None),
        ("timezone", None),
        ("timeZone", "timezone"),
        ("time_zone", "timezone"),
        ("TIMEZONE", "timezone"),
        ("skipGreeting", "skip_greeting"),
        ("max-message-count", "max_message_count"),
        ("notifyEmailAddresses", "notify_email_addresses"),
        ("tz", None),
    ],
)
def test_key_one_letter_off_is_recognised(key: str, known: str | None) -> None:
    assert names.similar_key(key, list(BoxSettings.model_fields)) == known


@pytest.mark.parametrize("known", [["timezone", "time_zone"], ["time_zone", "timezone"], ["timezones", "timezone"]])
def test_known_key_stands_for_itself_wherever_it_is_among_the_known_ones(known: list[str]) -> None:
    assert names.similar_key("timezone", known) is None


@pytest.mark.parametrize("value", [True, False])
def test_switch_is_no_number_where_it_is_entered_and_loads_where_it_is_stored(value: bool) -> None:
    """Pydantic takes true for 1."""
    for name in ("quota_mb", "max_message_length", "min_speech_ms", "seek_duration_ms"):
        with pytest.raises(ValidationError, match="write digits"):
            BoxSettings.model_validate({"name": "b", "mailbox": "1", name: value})
    settings = {"voicemail": {"notify": {"callback": {"schedule": [value]}}}}
    with pytest.raises(ValidationError, match="write digits"):
        User(name="a", settings=settings)
    with pytest.raises(InvalidFields, match="write digits"):
        VoicemailSettings().validated_with({"max_message_count": value})
    assert (
        BoxSettings.model_validate({"name": "b", "mailbox": "1", "quota_mb": value}, context="stored").quota_mb == value
    )
    assert VoicemailSettings().merged_with({"max_message_count": value}).max_message_count == value


@pytest.mark.parametrize("text", ["1.5", "1.0", "1/2", "1.", "10/12", "1.2.3.4"])
def test_dot_or_slash_is_no_separator_in_a_short_number(text: str) -> None:
    for rule in (numbers.extension, numbers.box_alias):
        with pytest.raises(BadInput, match="without a dot or slash"):
            rule(text)


@pytest.mark.parametrize("text", ["030.1234567", "030/1234567", "(030) 123.4567"])
def test_dot_or_slash_is_a_separator_in_a_telephone_number(text: str) -> None:
    assert numbers.extension(text) == "0301234567"


@pytest.mark.parametrize(
    "text", ["20.12.34.56", "98.76.54.32", "22.123.45.67", "2.123.45.67", "79.123.45.67", "131.12.34.56"]
)
def test_eight_digits_in_pairs_are_no_address_of_a_machine(text: str) -> None:
    """As numbers are written in several countries. An address has other parts, or begins as private networks do."""
    assert numbers.telephone_number(text) == identify(Caller(text, "")).number == text.replace(".", "")
    for address in (
        "10.12.34.56",
        "20.12.34.5",
        "192.168.10.10",
        "172.16.10.20",
        "127.10.10.10",
        "93.184.216.34",
        "8.8.8.8",
    ):
        with pytest.raises(BadInput):
            numbers.telephone_number(address)
        assert not identify(Caller(address, "")).number


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b", "\U000e0041", "\u200e", "\u061c", "\u2060", "\xad", "\u3164"])
def test_name_has_no_invisible_characters(mark: str) -> None:
    for rule in (names.box_name, names.user_name, names.person_name, label):
        with pytest.raises(BadInput):
            rule(f"a{mark}b")


@pytest.mark.parametrize(
    "name", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\U0001f467", "\u2764\ufe0f"]
)
def test_name_may_have_joiners(name: str) -> None:
    """Also one that comes from another system: a blank would divide the word, and a family of emoji."""
    assert names.box_name(name) == names.to_box_name(name, "1") == names.to_person_name(name) == name


@pytest.mark.parametrize(
    "text",
    ["alice", "s", "2001a", "sip:2001@example.org", "tel:+4930123456", "+", "00", "0000000", "+0301234567", "+49",
     "++4930123456", "192.168.1.10",
     "2001,2002", "2001;ext=5", "%2B4930123456", "anonymous", "9" * 21, "+" + "4" * 16, "***", "٢٠٠١"],
)  # fmt: skip
def test_text_that_no_phone_can_dial_is_no_number_to_call(text: str) -> None:
    """Each would be stored, and new-message calls to it would fail unseen."""
    with pytest.raises(ValidationError, match="write"):
        BoxSettings.model_validate({"name": "b", "mailbox": "1", "notify": {"callback": {"number": text}}})
    with pytest.raises(ValidationError, match="write"):
        User(name="a", settings={"voicemail": {"notify": {"callback": {"number": text}}}})


@pytest.mark.parametrize(
    ("text", "number"),
    [("2001", "2001"), ("0", "0"), ("*672001", "*672001"), ("+49 (0) 30 123456", "+4930123456"),
     ("030/123 4567", "0301234567"), ("0011 49 30 123456", "00114930123456"), ("#31#030123456", "#31#030123456")],
)  # fmt: skip
def test_number_to_call_is_stored_as_it_is_dialled(text: str, number: str) -> None:
    box = BoxSettings.model_validate({"name": "b", "mailbox": "1", "notify": {"callback": {"number": text}}})
    assert box.notify
    assert box.notify.callback.number == number


@pytest.mark.parametrize("key", ["first_name", "last_name"])
@pytest.mark.parametrize("name", ["a\nb", "a\u202eb", "a\ufeffb", "x" * 129])
def test_name_of_a_person_has_the_characters_of_other_names(key: str, name: str) -> None:
    """Mails, lists and the page show it. Imports and the bulk columns of FreePBX leave out what it cannot have."""
    with pytest.raises(ValidationError, match="visible"):
        User(name="a", settings={key: name})
    row, _ = freepbx.parse_row(1, {"extension": "2001", "name": name})
    assert row.user
    first_name = row.user.fields["settings"]["first_name"]
    assert User(name="a", settings={key: f" {first_name} "}).settings == {key: first_name}


@pytest.mark.parametrize(
    "document", [{"media": {"temporary_until": 10**12}}, {"notify": {"callback": {"interval_s": 10**19}}}]
)
async def test_time_that_no_calendar_has_is_refused_and_a_stored_one_is_read(
    app: AppFixture, document: dict[str, object]
) -> None:
    """Calls and pages could not say when the greeting ends, nor the database when to call."""
    with pytest.raises(ValidationError, match="less than or equal"):
        BoxSettings.model_validate({"name": "b", "mailbox": "1", **document})
    record = BoxRecord("b" * 32, app.account.id, {"name": "b", "mailbox": "1", **document})
    stored = settings_from_record(record)
    mailbox = (await app.create_box()).with_settings(stored)
    assert mailbox.local_time(stored.media.temporary_until or 0).astimezone(ZoneInfo("Etc/GMT-14")).year <= 9999
    assert not stored.notify or (stored.notify.callback.interval_s or 0) <= 10**7
