"""Who called: the forms in which SIP, trunks and PBXs write a caller id, and the forms in which it is dialled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.mailbox.caller_id import DialForm, NumberPlan, dial_forms, identify, sip_address
from ivr.prompts.english import English
from ivr.storage.records import Caller
from tests.support.app_fixture import AppFixture
from tests.support.scripted_call import HangUp, Press, ScriptStep

GERMANY = NumberPlan("49")
ITALY = NumberPlan("39")
UNITED_STATES = NumberPlan("1", "011", "1")
ALL_FORMS: tuple[DialForm, ...] = ("received", "plus", "international", "national")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2001", "2001"),
        ("+4930123456", "+4930123456"),
        ("+49 (30) 1234-56", "+4930123456"),
        ("+49 (0)30 123456", "+4930123456"),
        ("030/123 456", "030123456"),
        ("sip:2001@example.org", "2001"),
        ("sips:+4930123456@example.org;user=phone", "+4930123456"),
        ("sip:%2B4930123456@example.org", "+4930123456"),
        ("sip:2001:secret@example.org", "2001"),
        ("sip:+4930123456;npdi@example.org", "+4930123456"),
        ("tel:+49-30-123456", "+4930123456"),
        ("tel:123456;phone-context=+4930", "123456"),
        ("tel:030-123456;phone-context=+49", "+4930123456"),
        ("<tel:030123456;isub=1;phone-context=+49>", "+4930123456"),
        ("sip:030-123456;phone-context=+49@example.org;user=phone", "+4930123456"),
        ("sip:030123456;phone-context=%2B49@example.org", "+4930123456"),
        ("tel:0212345678;phone-context=+39", "+390212345678"),
        ("tel:12123456;phone-context=+45", "+4512123456"),
        ("tel:212-555-0100;phone-context=+1", "+12125550100"),
        ("tel:1-212-555-0100;phone-context=+1", "+12125550100"),
        ("tel:911;phone-context=+1", "911"),
        ("tel:0110;phone-context=+49", "0110"),
        ("tel:863-1234;phone-context=+1-914-555", "8631234"),
        ("tel:12345678;phone-context=+49", "12345678"),
        ("tel:0049-30-123456;phone-context=+49", "004930123456"),
        ("tel:06-1-234-5678;phone-context=+36", "0612345678"),
        ("tel:7042;phone-context=example.com", "7042"),
        ("tel:+49-30-123456;phone-context=+1", "+4930123456"),
        ("22.123.45.67", "221234567"),
        ("<sip:2001@example.org>", "2001"),
        ('"Bob" <2001>', "2001"),
        ('"Bob \\"B\\" Smith" <sip:2001@example.org>', "2001"),
        ('"a<b>" <sip:2001@example.org>', "2001"),
        ("sip:2001@[2001:db8::1]:5060", "2001"),
        ("2001@example.org", "2001"),
        ("\u0662\u0660\u0660\u0661", "2001"),
        ("\u202a+49 30 123456\u202c", "+4930123456"),
        ("+49\u201130\u2013123456", "+4930123456"),
        ("0049 (0)30 123456", "004930123456"),
        ("00+4930123456", "+4930123456"),
        ("+49 30 123456 ext. 12", "+4930123456"),
        ("'2001'", "2001"),
        ("<2001", "2001"),
        ("h323:2001@example.org", "2001"),
        ("callto:+4930123456", "+4930123456"),
        ("sip:2001%40acme.example@proxy", "2001"),
        ("\uff12\uff10\uff10\uff11", "2001"),
        ("+004930123456", "+4930123456"),
        ("2001\x00", "2001"),
        ("P-Asserted-Identity: <sip:+4930123456@example.org>", "+4930123456"),
        ("+030123456", "030123456"),
    ],
)
def test_number_is_found_in_every_form(text: str, number: str) -> None:
    identity = identify(Caller(text, ""))
    assert identity.number == number
    assert not identity.is_withheld


@pytest.mark.parametrize(
    "text",
    ["anonymous", "Anonymous", "ANONYMOUS", "restricted", "Private", "Private Number", "withheld", "hidden",
     "sip:anonymous@anonymous.invalid", "<sip:anonymous@anonymous.invalid>",
     '"Anonymous" <sip:anonymous@anonymous.invalid>', "anonymous@anonymous.invalid", "P", "Anonym",
     "Rufnummer unterdrückt", "anónimo", "Numéro privé", "masqué", "numero privato", "Caller ID Blocked",
     "PrivateNumber", "Number withheld by caller", "Appel masqué", "numer zastrzeżony", "CLIR", "Unterdru\u0308ckt",
     "Anonymer Anrufer", "Geheime Nummer", "Identité masquée", "Incognito", "Número anónimo", "Caller identity hidden",
     "gizli numara", "номер скрыт", "非通知", "발신번호표시제한", "محجوب", "חסוי", "απόκρυψη", "skryté číslo",
     "rejtett szám", "Undisclosed", "NONPUBLISHED", "Non Pub", "Reject by user", "Presentation restricted",
     "Anzeige unterdrückt", "número restrito", "Confidencial", "anonymous@localhost"],
)  # fmt: skip
def test_withheld_number_is_neither_number_nor_name(text: str) -> None:
    identity = identify(Caller(text, "Anonymous"))
    assert (identity.number, identity.name, identity.is_withheld) == ("", "", True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "Unavailable",
        "Out of area",
        "asterisk",
        "sip:example.org",
        "<>",
        "+",
        "-",
        "O",
        "0000000000",
        "Unbekannt",
        "inconnu",
        "desconocido",
        "Unassigned",
        "Keine Rufnummer",
        "Numero sconosciuto",
        "not available",
        "nonumber",
        "N/A",
        "Unavail",
        "No CLI",
        "Rufnummer nicht verfügbar",
        "Numéro non disponible",
        "no identificado",
        "Numero non identificato",
        "Não disponível",
        *(
            "s",
            "0 0 0",
            "00-00",
            "+0000000",
            "000",
            "0",
            "+0",
            "-1",
            "--",
            "XXXX",
            "***",
            "N / A",
            '"" <sip:@example.org>',
            "неизвестный номер",
            "未知号码",
        ),
    ],
)
def test_unknown_caller_has_neither_number_nor_name(text: str) -> None:
    identity = identify(Caller(text, ""))
    assert (identity.number, identity.name, identity.is_withheld) == ("", "", False)


@pytest.mark.parametrize(
    "text",
    ["Coverage Unavailable", "NAME NOT FOUND", "No Data", "NO DATA SENT", "DATA UNAVAILABLE", "CNAM Unavailable",
     "Lookup failed", "Network Error", "Service Unavailable", "Interworking", "Interaction with other service",
     "Coin line/payphone", "PAY PHONE CALL", "Not Disclosed", "Presentation not allowed", "asserted", "n.a.", "0", "-1",
     "Not Known", "Unrecognized", "Temporarily Unavailable", "Subscriber Unavailable", "Info not available",
     "Not assigned", "ohne Rufnummer", "Rufnummer nicht übermittelt", "Kein Netz", "Non communiqué", "Sin número",
     "Nessun numero", "Sem identificação", "anonymous@example.org", "Out-Of-Area", "[Restricted]"],
)  # fmt: skip
def test_words_of_carriers_are_no_name_beside_a_number(text: str) -> None:
    """What name services send where they know no name, what 3GPP TS 24.229 names, and other languages."""
    identity = identify(Caller("+4930123456", text))
    assert (identity.number, identity.name) == ("+4930123456", "")


@pytest.mark.parametrize(
    "name",
    ["Mr. Private", "Anna Unknown", "Secret Service", "Private Network", "Coverage Inc", "Data AG", "Nono", "Dr. No",
     "No Doubt", "Sin Park", "Wei Sin", "Na Li", "Herr Bekannt", "Anna Bekannt", "Nessun Dorma", "Carrier", "Service",
     "Hidden Data", "Line Hansen", "Ohne Filter", "Mia XX", "unknown.artist@example.org", "Private Pike"],
)  # fmt: skip
def test_name_of_a_person_with_such_a_word_is_a_name(name: str) -> None:
    assert identify(Caller("+4930123456", name)).name == name
    assert identify(Caller("", name)).name == name


@pytest.mark.parametrize(
    ("number", "name", "expected"),
    [
        ("2001", "Bob", "Bob"),
        ("2001", '"Bob"', "Bob"),
        ("2001", "2001", ""),
        ("+4930123456", "4930123456", ""),
        ("sip:bob@example.org", "", "bob"),
        ("bob", "", "bob"),
        ('"Bob" <sip:b17@example.org>', "", "Bob"),
        ("anonymous", "Bob", "Bob"),
        ("2001", "unknown", ""),
        ('"Bob \\"B\\" Smith" <sip:2001@example.org>', "", 'Bob "B" Smith'),
        ("1" * 33, "", "1" * 33),
        ("2001", "--", ""),
        ("2001", '"Bob" <sip:2001@example.org>', "Bob"),
        ("2001", "sip:bob@example.org", "bob"),
        ("192.168.1.10", "", "192.168.1.10"),
        ("1/2", "", "1/2"),
        ("2001\u00b2", "", "2001\u00b2"),
        ("2001", "S. Geheim", "S. Geheim"),
        ("2001", "Private Equity GmbH", "Private Equity GmbH"),
        ("2001", "No", "No"),
        ("2001", "Nana", "Nana"),
        ("2001", "Identity AG", "Identity AG"),
        ("sip:p2001@example.org", "", "p2001"),
    ],
)
def test_name_of_caller(number: str, name: str, expected: str) -> None:
    assert identify(Caller(number, name)).name == expected


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_but_digits_is_spoken_of_a_number(number: str, name: str) -> None:
    identity = identify(Caller(number, name))
    clips = English().caller_id(identity.number)
    assert not any(clip.startswith("letter/") for clip in clips)
    assert clips
    assert len(identity.number) <= 32
    address = sip_address(Caller(number, name), "demo.example")
    assert "@" in address
    assert " " not in address.partition("@")[0]


@given(
    st.from_regex(r"(\+?[1-9]|0[1-9])[0-9]{0,13}", fullmatch=True),
    st.sampled_from(["{}", "sip:{}@host", "<tel:{}>", '"x" <{}>']),
)
def test_every_number_is_found_in_every_wrapping(number: str, form: str) -> None:
    assert identify(Caller(form.format(number), "")).number == number


@pytest.mark.parametrize(
    ("number", "plan", "forms"),
    [
        ("2001", GERMANY, ["2001"]),
        ("+390612345", ITALY, ["+390612345", "00390612345", "0612345"]),
        ("003903012345", ITALY, ["003903012345", "+3903012345", "03012345"]),
        ("0612345", ITALY, ["0612345"]),
        ("+49", GERMANY, []),
        ("00490", GERMANY, []),
        ("+4930123456", GERMANY, ["+4930123456", "004930123456", "030123456"]),
        ("004930123456", GERMANY, ["004930123456", "+4930123456", "030123456"]),
        ("030123456", GERMANY, ["030123456", "+4930123456", "004930123456"]),
        ("+4930123456", NumberPlan(), ["+4930123456", "004930123456"]),
        ("030123456", NumberPlan(), ["030123456"]),
        ("+12125550100", UNITED_STATES, ["+12125550100", "01112125550100", "12125550100"]),
        ("+33140123456", GERMANY, ["+33140123456", "0033140123456"]),
        ("+49030123456", GERMANY, ["+49030123456", "+4930123456", "004930123456", "030123456"]),
        ("+39061234567", NumberPlan("39", "00", ""), ["+39061234567", "0039061234567", "061234567"]),
        ("00", GERMANY, []),
        ("+0000", GERMANY, []),
        ("", GERMANY, []),
        ("*97", GERMANY, []),
        ("1" * 16, GERMANY, []),
        ("+" + "1" * 16, GERMANY, []),
    ],
)
def test_number_can_be_dialled_in_these_forms(number: str, plan: NumberPlan, forms: list[str]) -> None:
    assert dial_forms(number, plan, ALL_FORMS) == forms


def test_forms_are_tried_in_the_order_of_the_setting() -> None:
    assert dial_forms("+4930123456", GERMANY, ["national", "plus"]) == ["030123456", "+4930123456"]


@pytest.mark.parametrize(
    ("number", "address"),
    [
        ("2001", "2001@demo.example"),
        ("", "anonymous@demo.example"),
        ("sip:bob@example.org", "bob@example.org"),
        ("<sip:+49@host;user=phone>", "+49@host"),
        ("+49 30 123456", "+4930123456@demo.example"),
        ("Private Number", "anonymous@demo.example"),
        ("unavailable", "anonymous@demo.example"),
        ("Bob & Co", "Bob%20&%20Co@demo.example"),
        ("sip:bob:secret@example.org", "bob@example.org"),
    ],
)
def test_sip_address_keeps_a_realm_that_it_has(number: str, address: str) -> None:
    assert sip_address(Caller(number, ""), "demo.example") == address


@pytest.mark.parametrize("caller", ["anonymous", "restricted", "sip:bob@example.org", "Private Number", "alice"])
async def test_envelope_never_spells_letters(app: AppFixture, caller: str) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False, envelope_type="caller_and_time")
    await app.create_message(box, caller=caller)
    keys: list[ScriptStep] = [Press("1", during="To hear"), Press("#", during="(message"), HangUp(during="To save")]
    phone = await app.run_call(keys, endpoint="alice", number="1000")
    assert any(text.startswith("A call from an unknown caller") for text in phone.texts)
    assert any("from an unknown caller length" in text for text in phone.texts)


async def test_envelope_says_plus_of_international_number(app: AppFixture) -> None:
    box = await app.create_box(owner=app.alice, new_messages_at_once=False)
    await app.create_message(box, caller="sip:+49301@example.org")
    keys: list[ScriptStep] = [Press("1", during="To hear"), Press("#", during="(message"), HangUp(during="To save")]
    phone = await app.run_call(keys, endpoint="alice", number="1000")
    assert any("from plus four nine three zero one length" in text for text in phone.texts)
