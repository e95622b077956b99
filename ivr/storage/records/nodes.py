"""Records of nodes: one Asterisk each, with the services beside it and a folder of recordings in progress."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

RUN_ID_SEPARATOR = "-"
ALIVE_WITHIN_S = 150
LOST_AFTER_S = 600
"""Seconds without a sign after which a node is lost: its calls have ended, and what it left may be adopted."""
FORGOTTEN_AFTER_S = 86_400
"""Seconds without a sign after which no light is kept for the Asterisk of a node; it gets all of them when it returns.
"""


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """One process of a node."""

    node: str
    asterisk: str
    """Name of the Asterisk of the node."""
    run_id: str
    """Differs for each process. It begins with what all processes of the node have in common."""

    @classmethod
    def create(cls, node: str, asterisk: str, random_id: str) -> ServiceProcess:
        """Return the process with this random id."""
        return cls(node, asterisk, f"{_prefix_of(node)}{random_id}")

    def is_of_same_node(self, run_id: str) -> bool:
        """Return whether `run_id` is of this node; those of earlier versions are."""
        return run_id.startswith(_prefix_of(self.node)) or RUN_ID_SEPARATOR not in run_id


def _prefix_of(node: str) -> str:
    return hashlib.sha256(node.encode()).hexdigest()[:8] + RUN_ID_SEPARATOR


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node, as its services have registered it."""

    name: str
    asterisk: str
    location: str
    """Host, and path of the folder of the node on it."""
    folder_id: str
    """By which the folder of the node is recognised."""
    secret_ids: tuple[str, ...]
    """By which the secrets that its Asterisk may have are recognised."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node, and what is known of it now."""

    node: NodeRecord
    silent_s: int
    """Seconds since its last sign."""
    is_stopped: bool
    """Whether its service was stopped, rather than lost."""
    takes: int
    """Recordings in progress, or left behind, in its folder."""
    calls: int
    """Calls in progress."""

    @property
    def is_running(self) -> bool:
        """Whether a service of the node has lately given a sign."""
        return not self.is_stopped and self.silent_s <= ALIVE_WITHIN_S

    @property
    def is_lost(self) -> bool:
        """Whether its service has died, and nothing has come back."""
        return not self.is_stopped and self.silent_s > LOST_AFTER_S
