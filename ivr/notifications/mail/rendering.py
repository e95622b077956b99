"""Renders mail templates: the site's own, then the built-in ones, and never two languages in one mail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined, TemplateError, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment

from ivr.directory.models import Account
from ivr.errors import BadInput
from ivr.validation.text import mail_template, to_single_line

BUILT_IN_FOLDER = Path(__file__).parent / "templates"
BUILT_IN_LANGUAGE = "en"
"""The language that has all built-in templates."""
MAX_SUBJECT_LENGTH = 250
PARTS = ("subject", "txt", "html")
SHORT_SUFFIX = "_short"
"""End of the names of templates without HTML."""

TEMPLATE_ERRORS = (
    *(TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError),
    *(RecursionError, MemoryError),
)
"""What a template raises that its author got wrong."""

log = structlog.get_logger()


def mail_languages() -> list[str]:
    """Return the codes of the languages of the built-in templates."""
    folders = [path.name for path in BUILT_IN_FOLDER.iterdir() if path.is_dir() and (path / "new_message.txt").exists()]
    return sorted({BUILT_IN_LANGUAGE, *folders})


@dataclass(frozen=True, slots=True)
class MailContent:
    """The rendered templates of one mail."""

    subject: str
    plain_text: str
    html: str


@dataclass(frozen=True, slots=True)
class OwnTemplates:
    """The templates of a mailbox's own; None: it has none. A text of its own has no HTML beside it."""

    subject: str | None = None
    text: str | None = None


NO_OWN_TEMPLATES = OwnTemplates()

BuildVariables = Callable[[str], Mapping[str, Any]]
"""Returns the variables of a mail, with dates in a language."""


class MailTemplates:
    """Renders mails. `folder`: the site's own templates; None uses only the built-in ones."""

    def __init__(self, folder: Path | None) -> None:
        loaders = {"builtin": FileSystemLoader(BUILT_IN_FOLDER)}
        if folder:
            loaders["site"] = FileSystemLoader(folder)
        self._environment = SandboxedEnvironment(
            loader=ChoiceLoader([PrefixLoader(loaders)]),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._own_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)

    def render(
        self,
        name: str,
        account: Account,
        language: str,
        build_variables: BuildVariables,
        own: OwnTemplates = NO_OWN_TEMPLATES,
    ) -> MailContent:
        """Render a mail in the first language that has all its parts: the owner's, the account's, English.

        `name`: the templates' common name, such as `box_full`.
        """
        languages = dict.fromkeys([_short(language), _short(account.language), BUILT_IN_LANGUAGE])
        for tried in languages:
            variables = build_variables(tried)
            parts = {
                part: self._render([f"{folder}{name}.{part}" for folder in _folders(account, tried)], variables)
                for part in PARTS
                if part != "html" or not name.endswith(SHORT_SUFFIX)
            }
            if None not in parts.values():
                own_text = self._render_own(own.text, variables)
                subject = self._render_own(own.subject, variables) or str(parts["subject"])
                text, html = (own_text, "") if own_text else (str(parts["txt"]), str(parts.get("html", "")))
                return MailContent(to_single_line(subject)[:MAX_SUBJECT_LENGTH], text, html)
        raise TemplateNotFound(name)

    def _render(self, candidates: list[str], variables: Mapping[str, Any]) -> str | None:
        for name in candidates:
            try:
                return self._environment.get_template(name).render(variables)
            except TemplateNotFound:
                continue
            except TEMPLATE_ERRORS as error:
                log.error("mail.template_failed", template=name, error=str(error))
        return None

    def _render_own(self, template: str | None, variables: Mapping[str, Any]) -> str:
        """Return what a mailbox's own template says; "" if there is none or it fails."""
        try:
            if not template:
                return ""
            return self._own_environment.from_string(mail_template(template)).render(variables)
        except (BadInput, *TEMPLATE_ERRORS) as error:
            log.error("mail.template_failed", template="of the mailbox", error=str(error))
            return ""


def _short(language: str) -> str:
    return language.replace("_", "-").split("-")[0].lower()


def _folders(account: Account, language: str) -> Iterator[str]:
    """Return the folders of templates in a language. What lies in no folder of a language is in the account's."""
    is_default = language == _short(account.language)
    for owner in (account.name, account.id):
        yield f"site/{owner}/{language}/"
    if is_default:
        for owner in (account.name, account.id):
            yield f"site/{owner}/"
    yield f"site/{language}/"
    if is_default:
        yield "site/"
    yield f"builtin/{language}/"
