"""The URL of a webhook is refused where it is typed if no webhook could ever be sent to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ivr.errors import BadInput
from ivr.validation.public_addresses import AllowedAddresses
from tests.cli.conftest import Ivr, parse_json

PRIVATE = [
    "http://127.0.0.1:9/hook",
    "https://10.1.2.3/",
    "http://[::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://localhost/",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_private_webhook_url_is_rejected_where_it_is_typed(populated_ivr: Ivr, tmp_path: Path, url: str) -> None:
    refused = populated_ivr("account", "set", "demo", f"settings.webhook.url={url}", fails=2)
    assert "webhook_networks in [notifications] of ivr.toml" in refused.stderr
    people = tmp_path / "people.yaml"
    people.write_text(f"accounts:\n  - name: demo\n    settings: {{webhook: {{url: '{url}'}}}}\n")
    refused = populated_ivr("apply", str(people), fails=2)
    assert re.search(r"people.yaml:2: .* webhook_networks", refused.stderr)
    assert "webhook" not in parse_json(populated_ivr("account", "show", "demo", "--json"))["settings"]


def test_webhook_url_of_a_listed_network_is_accepted(
    populated_ivr: Ivr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IVR_NOTIFICATIONS__WEBHOOK_NETWORKS", '["10.1.0.0/16"]')
    populated_ivr("account", "set", "demo", "settings.webhook.url=https://10.1.2.3/")
    assert populated_ivr("account", "set", "demo", "settings.webhook.url=https://10.2.2.3/", fails=2).stderr
    monkeypatch.delenv("IVR_NOTIFICATIONS__WEBHOOK_NETWORKS")
    populated_ivr("account", "set", "demo", "timezone=Europe/Paris")  # What is stored does not hinder other changes.


def test_name_is_judged_by_its_addresses() -> None:
    addresses = {"crm.example": ["10.0.0.5"], "both.example": ["10.0.0.5", "192.0.78.9"], "far.example": ["192.0.78.9"]}
    allowed = AllowedAddresses(resolver=addresses.__getitem__)
    allowed.reject_private_url("https://far.example/hook")
    allowed.reject_private_url("https://both.example/hook")
    with pytest.raises(BadInput, match=r"crm\.example \(10\.0\.0\.5\) is not a public address"):
        allowed.reject_private_url("https://crm.example/hook")


def test_name_that_cannot_be_resolved_now_is_accepted() -> None:
    def resolver(host: str) -> list[str]:
        raise OSError("no name server")

    AllowedAddresses(resolver=resolver).reject_private_url("https://crm.example/hook")
