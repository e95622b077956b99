"""Records of bulk changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from ivr.storage.records.boxes import BoxRecord
from ivr.storage.records.directory import AccountRecord, EndpointRecord, SecretRecord, UserRecord
from ivr.storage.records.imports import ImportedObject


@dataclass(frozen=True, slots=True)
class ProvisioningBatch:
    """Rows that are stored together, in this order. A changed row has the revision that it was read with."""

    new_accounts: list[AccountRecord] = field(default_factory=list)
    changed_accounts: list[AccountRecord] = field(default_factory=list)
    new_users: list[UserRecord] = field(default_factory=list)
    changed_users: list[UserRecord] = field(default_factory=list)
    new_boxes: list[BoxRecord] = field(default_factory=list)
    changed_boxes: list[BoxRecord] = field(default_factory=list)
    removed_endpoints: list[EndpointRecord] = field(default_factory=list)
    """Assignments that end, because the endpoint gets another user."""
    new_endpoints: list[EndpointRecord] = field(default_factory=list)
    secrets: list[SecretRecord] = field(default_factory=list)
    imported: list[ImportedObject] = field(default_factory=list)
    """What of it was imported from another system."""
