"""docs/operations.md is true: all its commands run in order, on a machine with the service, and print what it shows."""

from __future__ import annotations

from pathlib import Path

from ivr.audio import wav
from tests.site.machine import CHECKOUT
from tests.site.private_machine import follow_page

PAGE = CHECKOUT / "docs" / "operations.md"


def test_commands_of_the_operations_page_print_what_it_shows(tmp_path: Path) -> None:
    wav.write(tmp_path / "hello.wav", b"\x10\x20" * 16_000)
    assert follow_page(PAGE, PREPARATION.format(folder=tmp_path), tmp_path) > 15


PREPARATION = """
ivr install
ivr account create demo
systemctl start ivr
ivr user create alice
ivr user create bob
ivr endpoint add alice-desk alice
ivr box create 1000 --owner alice --pin 4716 is_setup=true
ivr message add 1000 {folder}/hello.wav
cp {folder}/hello.wav /var/lib/holiday.wav
sed -i 's/^# \\(\\[ami\\]\\|secret = \\)/\\1/' /etc/ivr/ivr.toml
"""
