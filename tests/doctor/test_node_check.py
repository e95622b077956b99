"""What `ivr doctor` says of the other nodes."""

from __future__ import annotations

from ivr.health.finding import Level
from ivr.storage.records import LOST_AFTER_S, NodeRecord, NodeStatus
from tests.doctor.conftest import DoctorFixture


def node(name: str, *, silent_s: int = 5, is_stopped: bool = False, takes: int = 0) -> NodeStatus:
    record = NodeRecord(name, name, f"host-{name}:/var/lib/ivr-{name}", "ab", ("cd",))
    return NodeStatus(record, silent_s, is_stopped, takes, calls=0)


def test_own_node_is_no_finding(doctor: DoctorFixture) -> None:
    doctor.change_records(nodes=[node("asterisk", silent_s=10 * LOST_AFTER_S, takes=3)])
    assert "nodes" not in {finding.check for finding in doctor.findings()}


def test_node_that_runs_is_right(doctor: DoctorFixture) -> None:
    doctor.change_records(nodes=[node("b", takes=2), node("c", is_stopped=True)])
    found = [finding for finding in doctor.findings() if finding.check == "nodes"]
    assert [(finding.level, finding.what) for finding in found] == [
        (Level.OK, "node b of Asterisk b runs"),
        (Level.OK, "node c of Asterisk c is stopped"),
    ]


def test_recordings_in_the_folder_of_a_node_that_is_down_are_reported(doctor: DoctorFixture) -> None:
    for down in (node("b", silent_s=10 * LOST_AFTER_S, takes=2), node("b", is_stopped=True, takes=2)):
        doctor.change_records(nodes=[down])
        doctor.assert_finding(
            "node b is down, and 2 recordings are in its folder host-b:/var/lib/ivr-b", "start its service"
        )


def test_node_without_a_sign_is_reported(doctor: DoctorFixture) -> None:
    doctor.change_records(nodes=[node("b", silent_s=3 * 3600)])
    doctor.assert_finding(
        "node b (host-b:/var/lib/ivr-b) has given no sign for 3 hours", "ivr node remove b", Level.WARNING
    )
