"""Tables of commands are whole: nothing is cut, replaced or executed, in a pipe and on a narrow terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ivr.audio import wav
from ivr.cli.doctor import _print_findings
from ivr.cli.support import echo, exit_on_error, print_document, print_table
from ivr.cli.watch import _render_table
from ivr.errors import BadInput
from ivr.health.finding import problem
from ivr.imports.box_import import PinList
from tests.cli.conftest import Ivr, parse_json

CHECKOUT = Path(__file__).parents[2]


def lines_of(capsys: pytest.CaptureFixture[str], value: str, **more: str) -> list[str]:
    capsys.readouterr()
    print_table([{"id": "1", "value": value, **more}], ["id", "value", *more], as_json=False)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", ["20", "80"])
@pytest.mark.parametrize(
    "value",
    ["x" * 500, "[sales] and [/bold]", ":smile: :key:", "Zoë 漢字 a\u0301", "a  b", "https://pbx.example/[red]"],
)
def test_value_is_printed_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, value: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    [head, row] = lines_of(capsys, value, last="end")
    assert head.split() == ["id", "value", "last"]
    assert f"  {value}  " in row
    assert row.endswith("end")


@given(value=st.text(st.characters(codec="utf-8"), max_size=40))
def test_a_row_is_one_line_whatever_is_in_it(value: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("ivr.cli.support.typer.echo", lambda text, err: printed.append(text))
        print_table([{"id": "1", "value": value, "last": "end"}], ["id", "value", "last"], as_json=False)
    assert len(printed) == 2
    assert printed[1].endswith("end")
    assert all(line.isprintable() for line in printed), "no control character reaches the terminal"


@pytest.mark.parametrize("value", ["\x1b]0;title\x07", "\x9b2J", "\u202eback", "a\r\nb"])
def test_document_and_error_control_no_terminal(capsys: pytest.CaptureFixture[str], value: str) -> None:
    """Names of callers, of files and of lines in people files are chosen by others."""
    print_document({"caller_name": value, "labels": [value], value: 1}, as_json=False)
    echo(f"first\n{value}")
    _print_findings([problem("recordings", value, value, command=f"ls {value}")])
    Console().print(_render_table("calls", ["caller"], [[value]]))

    @exit_on_error
    def failing_command() -> None:
        raise BadInput(f"{value} is no name")

    with pytest.raises(typer.Exit):
        failing_command()
    printed = capsys.readouterr()
    lines = [*printed.out.split("\n"), *printed.err.split("\n")]
    assert all(line.isprintable() for line in lines)
    assert any("is no name" in line for line in lines)


def test_every_command_prints_by_the_function_that_escapes() -> None:
    """Doctor and watch print in colour, what `one_line` returns."""
    others = re.compile(r"typer\.echo\((?!__version__)|secho\(|(?<!\.)\bprint\(")
    modules = (CHECKOUT / "ivr" / "cli").glob("*.py")
    assert [path.name for path in modules if others.search(path.read_text())] == ["support.py"]


def test_messages_are_listed_with_the_names_of_their_callers(populated_ivr: Ivr, tmp_path: Path) -> None:
    wav.write(tmp_path / "in.wav", bytes(16_000))
    populated_ivr(
        "message", "add", "1000", str(tmp_path / "in.wav"), "--caller", "5550100", "--caller-name", "[red] Zoë"
    )
    [message] = parse_json(populated_ivr("message", "list", "1000", "--json"))
    [head, row] = populated_ivr("message", "list", "1000").stdout.splitlines()
    assert "caller_name" in head
    assert "5550100  [red] Zoë" in row
    assert row.endswith(message["id"])


def test_list_of_pins_has_no_formula(tmp_path: Path) -> None:
    """Names of accounts are chosen freely, and a spreadsheet opens the file."""
    PinList(tmp_path / "pins.csv").append([('=HYPERLINK("x")', "+49301234", "4716"), ("+1+cmd|x", "@1", "-2")])
    assert (tmp_path / "pins.csv").read_text().splitlines() == [
        '"\'=HYPERLINK(""x"")",+49301234,4716',
        "'+1+cmd|x,'@1,'-2",
    ]
