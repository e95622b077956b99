"""Documents that break the build when they no longer tell the truth."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import typer
from pydantic.fields import FieldInfo

from ivr.call.arguments import ARGUMENT_NAMES
from ivr.mailbox.box_settings import BoxSettings
from ivr.mailbox.key_map import DEFAULT_BINDINGS, PRESETS, merge_layers
from ivr.menus.dialplan_status import Status
from ivr.settings import Settings
from tests.support.all_commands import command

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]
MAX_PICTURE_BYTES = 150_000
ENDPOINTS_OF_EXAMPLES = {"alice-desk", "bob-desk", "front-desk"}


def rows(document: Path, heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    text = document.read_text().split(f"{heading}\n", 1)[1]
    table = re.split(r"\n#{1,3} ", text, maxsplit=1)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, bool):
        return str(default).lower()
    if default is None or default == "":
        return "none"
    return str(
        default.model_dump(exclude_none=True, exclude_defaults=True) if hasattr(default, "model_dump") else default
    )


@pytest.mark.parametrize("section", Settings.model_fields)
def test_every_setting_is_documented_with_default(section: str) -> None:
    model = Settings.model_fields[section].annotation
    assert model is not None
    wanted = [
        [f"`{name}`", default_of(field).replace("{}", "none"), field.description]
        for name, field in model.model_fields.items()
    ]
    assert rows(DOCS / "settings.md", f"### `[{section}]`") == wanted


def test_every_box_key_is_documented_with_default() -> None:
    documented = {
        row[0].strip("`"): row[1] for row in rows(DOCS / "settings.md", "## A box: `ivr box set 1000 KEY=VALUE`")
    }
    assert documented == {name: default_of(field) for name, field in BoxSettings.model_fields.items()}


def test_every_phone_key_is_documented() -> None:
    documented = {(row[0], row[1].split("`")[1]): (row[2], row[3]) for row in rows(DOCS / "settings.md", "## Keys")}
    classic = merge_layers([("classic", {})])
    assert documented == {
        (row.menu, row.action): (row.key, classic.key_for(row.menu, row.action)) for row in DEFAULT_BINDINGS
    }
    assert set(PRESETS) == {"standard", "classic"}


def test_every_dialplan_argument_is_documented() -> None:
    documented = {row[0].strip("`") for row in rows(DOCS / "dialplan.md", "## Arguments")}
    assert documented == set(ARGUMENT_NAMES)


def test_every_status_is_documented() -> None:
    documented = {row[0].strip("`") for row in rows(DOCS / "dialplan.md", "## IVR_STATUS")}
    assert documented == {status.value for status in Status}


def test_pages_and_samples_name_the_same_endpoints() -> None:
    """A reader who copies one example dials what the next page calls a phone."""
    sources = [*DOCS.glob("*.md"), ROOT / "README.md", *(ROOT / "asterisk-conf").glob("*.conf")]
    named = {
        (name, source.name) for source in sources for name in re.findall(r"PJSIP/([a-z][\w-]*)", source.read_text())
    }
    assert {found for found in named if found[0] not in ENDPOINTS_OF_EXAMPLES} == set()


def commands(group: typer.Typer, path: str) -> Iterable[str]:
    for one in group.registered_commands:
        assert one.callback
        yield f"{path} {one.name or one.callback.__name__}"
    for below in group.registered_groups:
        assert below.typer_instance
        yield from commands(below.typer_instance, f"{path} {below.name}")


def test_every_command_is_documented() -> None:
    page = (DOCS / "commands.md").read_text()
    missing = [name for name in commands(command, "ivr") if not re.search(rf"`{name}\b", page)]
    assert missing == []


def test_every_command_says_what_it_does() -> None:
    from typer.testing import CliRunner

    for name in commands(command, "ivr"):
        shown = CliRunner().invoke(command, [*name.split()[1:], "--help"])
        assert shown.exit_code == 0, name
        assert len(shown.output.splitlines()[2].strip()) > 5, f"{name} has no description"


def test_document_links_resolve() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_pictures_are_small_and_each_is_shown() -> None:
    shown = {name for page in PAGES for name in re.findall(r"pictures/([\w.-]+)", page.read_text())}
    pictures = {path.name: path.stat().st_size for path in (ROOT / "docs" / "pictures").iterdir()}
    assert set(pictures) == shown
    assert {name: size for name, size in pictures.items() if size > MAX_PICTURE_BYTES} == {}
