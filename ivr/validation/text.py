"""Text of callers and clients, which appears in headers, file names, terminals and logs."""

from __future__ import annotations

import re
import unicodedata

from ivr.errors import BadInput

_INVISIBLE_CHARACTERS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]+"
)
"""Control characters, line and page separators, marks of direction, characters without a glyph, lone surrogates."""
_UNSAFE_IN_FILENAMES = re.compile(r"[/\\:*?\"<>|%&$`'^~;!=#]+")
_RESERVED_FILENAMES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
"""Windows reserves them with any extension."""
CALLER_PATTERN = r"^[^\x00-\x1f\x7f]*$"
MAX_CALLER_LENGTH = 256
"""Characters of a caller's number or name, whether a phone, a client or a command gives it."""
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]+")
_CONTROLS_OF_UNICODE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff"
    r"\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff]"
)
"""Characters that are invisible in a name, and that no script needs: also byte-order marks, blanks of no width, marks
of direction, tags and fillers. Joiners and selectors of a form are none of them."""
UNNAMED = "unknown"
MAX_LABEL_LENGTH = 64


def to_single_line(text: str) -> str:
    """Collapse a text to one line of visible characters.

    A caller chooses name and number freely, and both appear in headers and file names.
    """
    return " ".join(_INVISIBLE_CHARACTERS.sub(" ", text).split())


def without_control_characters(text: str) -> str:
    """Return a text on one line, without controls and marks of direction, which could reverse what stands behind it.

    What scripts and emoji need to look right stays.
    """
    return " ".join(_CONTROLS_OF_UNICODE.sub(" ", text).split())


def to_caller_text(text: str) -> str:
    """Return a number or name that a network reports as it is stored: what is too long or a control is left out.

    So a client can give a message back with the caller that it had.
    """
    return _CONTROL_CHARACTERS.sub(" ", text)[:MAX_CALLER_LENGTH]


def caller_text(text: str) -> str:
    """Return a caller's number, name or address that a person has entered. Raises `BadInput`."""
    if len(text) > MAX_CALLER_LENGTH or _CONTROL_CHARACTERS.search(text):
        raise BadInput(f"{text[:40]!r} is no caller: write up to {MAX_CALLER_LENGTH} characters on one line")
    return text


def reject_utf16(content: bytes, file: object) -> bytes:
    """Return the content of a text file. Raises `BadInput` for UTF-16, which Windows writes."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:2]:
        raise BadInput(f"{file} is in UTF-16: store it as UTF-8 (iconv -f UTF-16 -t UTF-8), and name that file")
    return content


def label(text: str) -> str:
    """Return the name under which a message is kept. Raises `BadInput`."""
    if has_control_characters(text):
        raise BadInput(f"{text!r} is no label: write up to {MAX_LABEL_LENGTH} characters on one line")
    return text


def has_invisible_characters(text: str) -> bool:
    """Return whether a text has line breaks, control characters or characters that cannot be seen."""
    return _INVISIBLE_CHARACTERS.search(text) is not None


def has_control_characters(text: str) -> bool:
    """Return whether a text has line breaks, control characters or others that a name on one line cannot have.

    Joiners, which some scripts and emoji need, are none.
    """
    return _CONTROLS_OF_UNICODE.search(text) is not None


def to_filename_stem(text: str, max_length: int) -> str:
    """Return a text as part of a file name: readable, in its own script, with `_` for blanks and punctuation.

    The name works on Windows, macOS and Linux: it is not reserved, and does not begin or end with a dot.
    """
    composed = unicodedata.normalize("NFC", to_single_line(text))
    stem = re.sub(r"_{2,}", "_", _UNSAFE_IN_FILENAMES.sub("_", composed).replace(" ", "_"))[:max_length].strip("._-")
    return f"_{stem}" if _RESERVED_FILENAMES.fullmatch(stem) else stem or UNNAMED


MAIL_TEMPLATE_FILTERS = ("capitalize", "default", "e", "length", "lower", "title", "trim", "truncate", "upper")
_MAIL_TEMPLATE_PARTS = frozenset(
    [
        *("Template", "Output", "TemplateData", "If", "CondExpr", "Compare", "Operand", "And", "Or", "Not", "Test"),
        *("Name", "Const", "Getattr", "Getitem", "Slice", "Filter", "Keyword", "Concat", "List", "Tuple"),
    ]
)
"""Parts of Jinja's language whose rendering takes no longer than the template and its variables are long."""
MAX_TEMPLATE_DEPTH = 30
MAX_TEMPLATE_MARKS = 200
"""Variables, conditions and their ends."""
MAX_EXPRESSION_LENGTH = 4000
"""Characters in all of them: a list of thousands of items takes a tenth of a second to parse, and calls wait."""


def mail_template(text: str) -> str:
    """Return a mailbox's own template of a mail. Raises `BadInput` if it cannot be used.

    It has variables, conditions and a few filters. Loops, calculations and calls could keep the service busy, or fill
    its memory, for as long as their author likes; other files could be those of another account.
    """
    from jinja2 import Environment, TemplateSyntaxError

    marks = [part.partition(end)[0] for begin, end in (("{{", "}}"), ("{%", "%}")) for part in text.split(begin)[1:]]
    if len(marks) > MAX_TEMPLATE_MARKS or sum(map(len, marks)) > MAX_EXPRESSION_LENGTH:
        raise BadInput(
            f"the template is too long: use at most {MAX_TEMPLATE_MARKS} variables and conditions, with"
            f" {MAX_EXPRESSION_LENGTH} characters together"
        )
    try:
        level = [*Environment(autoescape=True).parse(text).iter_child_nodes()]
    except TemplateSyntaxError as error:
        raise BadInput(f"it is no template (line {error.lineno}: {error.message}): docs/notifications.md") from error
    except ValueError as error:  # A number of thousands of digits.
        raise BadInput(f"it is no template ({error}): docs/notifications.md") from error
    except RecursionError:
        raise _too_deep() from None
    for _ in range(MAX_TEMPLATE_DEPTH):
        for node in level:
            part = type(node).__name__
            name = getattr(node, "name", "") if part == "Filter" else ""
            if part not in _MAIL_TEMPLATE_PARTS or (name and name not in MAIL_TEMPLATE_FILTERS):
                filters = ", ".join(MAIL_TEMPLATE_FILTERS)
                raise BadInput(
                    f"line {node.lineno or 1}: a mailbox's own template has no {name or part}: use variables, if, and"
                    f" the filters {filters} (docs/notifications.md)"
                )
        level = [inner for node in level for inner in node.iter_child_nodes()]
    if level:
        raise _too_deep()
    return text


def _too_deep() -> BadInput:
    return BadInput(f"the template is nested too deeply: use at most {MAX_TEMPLATE_DEPTH} levels")
