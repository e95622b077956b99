"""The texts of mails: ours, or a site's own, per account and language.

Three files a kind: `new.subject`, `new.txt`, `new.html`. Each is looked for by itself, in the site's folder under the
account's name or id and the language, the account, the language, and nothing; then among ours, in the language and in
English. A template that fails is told to the log and ours is used: no mail is lost to a slip in one.
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
    """What a mail says."""

    subject: str
    plain_text: str
    html: str


class MailTemplates:
    """`folder`: the site's own; None: it has none."""

    def __init__(self, folder: Path | None) -> None:
        loaders = {"ours": FileSystemLoader(BUILT_IN_FOLDER)}
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

    def render(self, kind: str, account: Account, language: str, context: Mapping[str, Any]) -> MailContent:
        """The mail of that kind."""
        subject, text, html = (
            self._render([f"{place}{kind}.{part}" for place in _search_path(account, language)], context)
            for part in ("subject", "txt", "html")
        )
        return MailContent(to_single_line(subject)[:MAX_SUBJECT_LENGTH], text, html)

    def _render(self, names: list[str], context: Mapping[str, Any]) -> str:
        for name in names:
            try:
                return self._environment.get_template(name).render(context)
            except TemplateNotFound:
                continue
            except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
                log.error("mail.template", template=name, error=str(error))
        raise TemplateNotFound(names[-1])


def _search_path(account: Account, language: str) -> Iterator[str]:
    short = language.replace("_", "-").split("-")[0].lower()
    for owner in (account.name, account.id):
        yield f"site/{owner}/{short}/"
    for owner in (account.name, account.id):
        yield f"site/{owner}/"
    yield from (f"site/{short}/", "site/", f"ours/{short}/", "ours/en/")
