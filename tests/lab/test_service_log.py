"""What the log of a lab's service tells about a failure."""

from __future__ import annotations

from pathlib import Path

from tests.lab.service_log import find_stalls

LOG = """\
2026-11-30T03:21:28.538906Z [info     ] service.late                   calls=8 ms=73
2026-11-30T03:21:49.968593Z [info     ] message.deleted                box=9eee7910cbc2c3315d656a63cad0fe84 ms=5
2026-11-30T03:21:50.206065Z [info     ] service.late                   calls=8 ms=80
"""
AT_50 = 1_796_008_910.0
"""2026-11-30 03:21:50 UTC."""


def test_stalls_between_two_times_are_found(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    assert find_stalls(log, AT_50 - 60, AT_50) == [], "no service, no log"
    log.write_text(LOG)
    assert find_stalls(log, AT_50 - 60, AT_50) == [73, 80]
    assert find_stalls(log, AT_50 - 0.5, AT_50 - 0.3) == [80], "noticed a moment later"
    assert find_stalls(log, AT_50 - 2, AT_50 - 1) == []
    assert find_stalls(log, AT_50 + 1, AT_50 + 2) == []
