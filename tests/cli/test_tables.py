"""Tables of commands are whole: nothing is cut, replaced or executed, in a pipe and on a narrow terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.audio import wav
from ivr.cli.support import print_table
from tests.cli.conftest import Ivr, parse_json


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
        patch.setattr("ivr.cli.support.typer.echo", printed.append)
        print_table([{"id": "1", "value": value, "last": "end"}], ["id", "value", "last"], as_json=False)
    assert len(printed) == 2
    assert printed[1].endswith("end")
    assert all(line.isprintable() for line in printed), "no control character reaches the terminal"


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
