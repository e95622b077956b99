"""The page in the languages of its catalogues: whose language it is, and how dates and numbers are written."""

from __future__ import annotations

import string

import pytest

from ivr import translations
from ivr.mailbox.mailbox import Mailbox
from ivr.web.texts import TEXTS, Translator, negotiate_language
from tests.support.app_fixture import AppFixture
from tests.web.conftest import Browser

OTHERS = sorted(set(translations.LANGUAGES) - {translations.ENGLISH})
SPEAK_ALIKE = {"PIN", "Pause", "Position", "Administration", "Mailbox", "Name", "Status", "Details", "No", "Error"}


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("language", OTHERS)
def test_each_text_is_translated_with_the_same_values(language: str) -> None:
    translate = translations.load(language)
    catalogue = (translations.FOLDER / f"{language}.po").read_text()
    for text in TEXTS.values():
        escaped = text.replace('"', '\\"')
        assert f'msgid "{escaped}"\nmsgstr "' in catalogue, text
        assert placeholders(translate(text)) == placeholders(text)
    same = {text for text in TEXTS.values() if translate(text) == text and len(text) > 12}
    assert same <= {"Administration"}, same


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de-AT"),
        ("en;q=0.5, fr;q=0.9", "fr"),
        ("nl, pt-BR;q=0.3", "pt-BR"),
        ("nl, *;q=0.5", "es"),
        ("de;q=0, it", "it"),
        ("", "es"),
        ("de;q=x, ;;,,=", "es"),
        ("x" * 100_000, "es"),
    ],
)
def test_browser_without_a_session_gets_the_language_that_it_prefers(header: str, language: str) -> None:
    assert negotiate_language(header, "es") == language


def test_numbers_and_dates_are_written_as_the_language_writes_them() -> None:
    assert [Translator(code).number(12345.5) for code in ("en", "de", "pt-BR")] == ["12,345.5", "12.345,5", "12.345,5"]
    assert Translator("de")("done_save", count=12345) == "Gespeichert: 12.345."
    assert Translator("xx")("save") == Translator("en_gb")("save") == "Save"
    tags = [Translator(code).tag for code in ("en", "en_GB", "pt", "de-at", "de-xx", "fr", "../de")]
    assert tags == ["en", "en-GB", "pt-BR", "de-AT", "de", "fr", "en"]


async def test_sign_in_is_in_the_language_of_the_browser_then_in_that_of_the_owner(
    app: AppFixture, browser: Browser
) -> None:
    box = await app.create_box("1000", app.alice)
    browser.http.headers["Accept-Language"] = "it-IT,it;q=0.9"
    assert '<html lang="it-IT">' in await browser.open("/")
    assert "Numero di casella" in browser.text
    await browser.sign_in_by_pin(pin="0001")
    assert "Il numero di casella o il PIN è sbagliato" in browser.text
    await set_language(app, "en-GB")
    await app.create_message(box)
    app.clock.advance(s=2 * 86_400)
    await browser.sign_in_by_pin()
    assert browser.page.headers["content-language"] == "en-GB"
    assert "10 May 2016" in browser.text, "not May 10, 2016"


async def test_user_of_a_shared_mailbox_sees_it_in_the_own_language(
    app: AppFixture, browser: Browser, other_browser: Browser
) -> None:
    box = await app.create_box("1000", app.bob)
    shared = await app.container.boxes.get(box.id)
    await app.container.boxes.patch(shared, {"shared_vmbox": True, "members": [app.alice.id]})
    await app.create_message(box)
    await set_language(app, "fr")
    await other_browser.sign_in_by_password()
    assert "Messages Tout sélectionner" in other_browser.text or "Tout sélectionner" in other_browser.text
    await browser.sign_in_by_pin()
    assert "Select all" in browser.text, "bob's own language"


async def test_reason_of_a_refusal_is_in_the_language_of_the_page(app: AppFixture, browser: Browser) -> None:
    box: Mailbox = await app.create_box("1000", app.alice)
    await set_language(app, "de")
    await browser.sign_in_by_pin()
    await browser.open(f"/page/box/{box.id}/settings")
    await browser.send(f"/page/box/{box.id}/settings", timezone="Mars/Olympus")
    assert "Zeitzone: Dieser Wert wird nicht angenommen." in browser.text


async def set_language(app: AppFixture, language: str) -> None:
    directory = app.container.directory
    alice = await directory.user(app.alice.id)
    await directory.update_user(alice.model_copy(update={"language": language}))
