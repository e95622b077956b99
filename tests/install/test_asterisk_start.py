"""How Asterisk is started is found from its process, its unit, its init script or asterisk.conf."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.install.asterisk_start import find_asterisk_start

DEBIAN_UNIT = "[Service]\nExecStart=/usr/sbin/asterisk -g -f -p -U asterisk -G asterisk\n"


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_process(proc: Path, pid: int, argv: list[str], groups: str = "61000 ") -> None:
    write(proc, f"{pid}/comm", "asterisk\n")
    write(proc, f"{pid}/cmdline", "\0".join(argv) + "\0")
    write(
        proc,
        f"{pid}/status",
        f"Name:\tasterisk\nUid:\t1\t1\t1\t1\nGid:\t7\t7\t7\t7\nGroups:\t{groups}\nNStgid:\t{pid}\n",
    )


def test_nothing_is_found_on_a_machine_without_asterisk(tmp_path: Path) -> None:
    assert find_asterisk_start(tmp_path) is None


def test_debians_unit_names_user_and_group(tmp_path: Path) -> None:
    write(tmp_path, "usr/lib/systemd/system/asterisk.service", DEBIAN_UNIT)
    start = find_asterisk_start(tmp_path)
    assert start
    assert (start.user, start.run_group, start.source) == ("asterisk", "asterisk", "asterisk.service")


@pytest.mark.parametrize(
    "drop_in",
    ["[Service]\nExecStart=\nExecStart=/usr/sbin/asterisk -g -f -p -U asterisk\n", "[Service]\nExecStart=\n"],
    ids=["without -G", "no command"],
)
def test_a_drop_in_replaces_the_command_of_the_unit(tmp_path: Path, drop_in: str) -> None:
    write(tmp_path, "usr/lib/systemd/system/asterisk.service", DEBIAN_UNIT)
    write(tmp_path, "etc/systemd/system/asterisk.service.d/groups.conf", drop_in)
    start = find_asterisk_start(tmp_path)
    assert start is None or start.run_group is None


def test_a_unit_of_the_site_wins_over_the_packages(tmp_path: Path) -> None:
    write(tmp_path, "usr/lib/systemd/system/asterisk.service", DEBIAN_UNIT)
    write(tmp_path, "etc/systemd/system/asterisk.service", "[Service]\nUser=pbx\nExecStart=-/usr/sbin/asterisk -f\n")
    start = find_asterisk_start(tmp_path)
    assert start
    assert (start.user, start.run_group) == ("pbx", None)


@pytest.mark.parametrize("line", ["rungroup = voip ; the group", "rungroup=>voip", "  rungroup => voip"])
def test_asterisk_conf_names_the_group_where_the_command_line_does_not(tmp_path: Path, line: str) -> None:
    write(tmp_path, "etc/systemd/system/asterisk.service", "[Service]\nExecStart=/usr/sbin/asterisk -f\n")
    write(tmp_path, "etc/asterisk/asterisk.conf", f"[options]\n;rungroup = asterisk\nrunuser = pbx\n{line}\n")
    start = find_asterisk_start(tmp_path)
    assert start
    assert (start.user, start.run_group) == ("pbx", "voip")


@pytest.mark.parametrize(
    "text",
    [
        "[options]\nrunuser = no\nrunuser = pbx\nRunGroup = voip\n",
        "[files]\nrungroup = no\n[options]\nrunuser = pbx\nrungroup = voip\n[options]\nrungroup = no\n",
        "[options]\nrunuser = pbx\n;--\nrungroup = no\n--;\n[files]\n[Options](+)\nrungroup = voip\n",
        '[options]\n#include "site/*.conf"\n#exec "/bin/x"\nrungroup = voip\n',
    ],
)
def test_asterisk_conf_is_read_as_asterisk_reads_it(tmp_path: Path, text: str) -> None:
    write(tmp_path, "etc/asterisk/asterisk.conf", text)
    write(tmp_path, "etc/asterisk/site/user.conf", "runuser = pbx\nrungroup = no\n")
    start = find_asterisk_start(tmp_path)
    assert start
    assert (start.user, start.run_group) == ("pbx", "voip")


def test_the_init_scripts_defaults_count(tmp_path: Path) -> None:
    write(tmp_path, "etc/default/asterisk", '#AST_GROUP="no"\nAST_USER="asterisk"\nAST_GROUP="asterisk"\n')
    start = find_asterisk_start(tmp_path)
    assert start
    assert (start.user, start.run_group) == ("asterisk", "asterisk")


@pytest.mark.parametrize(
    ("argv", "group"),
    [
        (["/usr/sbin/asterisk", "-g", "-f", "-p", "-U", "asterisk", "-G", "asterisk"], "asterisk"),
        (["asterisk", "-gfpUasterisk", "-Gvoip", "-C", "/etc/x.conf"], "voip"),
        (["asterisk", "-f"], None),
    ],
)
def test_the_running_process_tells_more_than_files(tmp_path: Path, argv: list[str], group: str | None) -> None:
    proc = tmp_path / "proc"
    write_process(proc, 12, ["asterisk", "-rvvv"])
    write_process(proc, 4711, argv)
    start = find_asterisk_start(Path("/"), proc)
    assert start
    assert start.source == "the running process 4711"
    assert start.run_group == group
    assert start.process_groups == {7, 61000}


def test_a_process_counts_for_this_machine_only(tmp_path: Path) -> None:
    write_process(tmp_path / "proc", 4711, ["asterisk", "-f", "-G", "asterisk"])
    assert find_asterisk_start(tmp_path / "image", tmp_path / "proc") is None


def test_a_process_without_supplementary_groups_has_its_own_group(tmp_path: Path) -> None:
    """-G alone: the line Groups of /proc/PID/status is empty."""
    write_process(tmp_path / "proc", 4711, ["asterisk", "-f", "-G", "asterisk"], groups="")
    start = find_asterisk_start(Path("/"), tmp_path / "proc")
    assert start
    assert start.process_groups == {7}
