"""Mail templates: the built-in ones, and the site's own for an account and language.

A mail consists of three templates, such as `box_full.subject`, `box_full.txt` and `box_full.html`. Each is searched
separately: in the site's folder under account and language, account, language, and the folder itself; then among the
built-in templates in the language, and in English. The account's folder has its name or its id. A template that fails
to render is logged and the next one is used, so that a mistake in a template never prevents a mail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined, TemplateError, TemplateNotFound
from jinja2.sandbox import SandboxedEnvironment

from ivr.directory.models import Account
from ivr.notifications.mail.template_context import to_single_line

BUILT_IN_FOLDER = Path(__file__).parent / "templates"
MAX_SUBJECT_LENGTH = 250

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MailContent:
    """The rendered templates of one mail."""

    subject: str
    plain_text: str
    html: str


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

    def render(self, name: str, account: Account, language: str, context: Mapping[str, Any]) -> MailContent:
        """Render a mail. `name`: the templates' common name, such as `box_full`. `context`: the variables."""
        subject, plain_text, html = (
            self._render([f"{folder}{name}.{part}" for folder in _search_path(account, language)], context)
            for part in ("subject", "txt", "html")
        )
        return MailContent(to_single_line(subject)[:MAX_SUBJECT_LENGTH], plain_text, html)

    def _render(self, candidates: list[str], context: Mapping[str, Any]) -> str:
        for name in candidates:
            try:
                return self._environment.get_template(name).render(context)
            except TemplateNotFound:
                continue
            except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
                log.error("mail.template_failed", template=name, error=str(error))
        raise TemplateNotFound(candidates[-1])


def _search_path(account: Account, language: str) -> Iterator[str]:
    short = language.replace("_", "-").split("-")[0].lower()
    for owner in (account.name, account.id):
        yield f"site/{owner}/{short}/"
    for owner in (account.name, account.id):
        yield f"site/{owner}/"
    yield from (f"site/{short}/", "site/", f"builtin/{short}/", "builtin/en/")
