"""Check of the nodes that share the rows of an installation."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ivr.doctor.installation import Installation
from ivr.health.finding import START, Finding, ok, problem, warning
from ivr.storage.records import NodeStatus


def check_nodes(installation: Installation) -> Iterator[Finding]:
    """Check that every other node gives a sign: what its callers recorded can only be delivered from its folder."""
    nodes = installation.snapshot.nodes if installation.snapshot else ()
    others = [status for status in nodes if status.node.name != installation.settings.node_name]
    for status in others:
        name, location = status.node.name, status.node.location
        if status.takes and not status.is_running:
            yield problem(
                "nodes",
                f"node {name} is down, and {status.takes} recordings are in its folder {location}",
                "start its service, or a service whose [node] name and folder are these, on the machine that has the"
                " disk: it delivers them",
                command=f"ssh {shlex.quote(location.partition(':')[0])} {START}",
            )
        elif status.is_lost:
            yield warning(
                "nodes",
                f"node {name} ({location}) has given no sign for {_format_duration(status)}",
                f"start its service; if there is no such node any more: ivr node remove {name}",
                command=f"ivr node remove {name} --yes",
            )
        else:
            yield ok("nodes", f"node {name} of Asterisk {status.node.asterisk} {describe_state(status)}")


def describe_state(status: NodeStatus) -> str:
    """Return what a node does, in words."""
    if status.is_stopped:
        return "is stopped"
    return "is lost" if status.is_lost else "runs" if status.is_running else "is silent"


def _format_duration(status: NodeStatus) -> str:
    minutes = status.silent_s // 60
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
