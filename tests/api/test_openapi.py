"""Our own OpenAPI document: complete, shown as a page, and true (schemathesis asks whatever it allows)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi import checks

from ivr.api import examples
from ivr.directory.rate_limit import HourlyLimit
from tests.api.conftest import RestClient, tone
from tests.support.app_fixture import AppFixture

EXAMPLES = 12
"""Cases of each verb."""
UNDOCUMENTED_RESPONSES_ALLOWED = [checks.positive_data_acceptance, checks.negative_data_rejection]
"""Left out: a number in use is refused though its form is right, and "5" is taken for 5 (kazoo-behaviour §4.2)."""


class SchemaTester:
    """Sends what schemathesis thinks of to boxes and messages that are there."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest
        self._http = httpx.Client(headers={"X-Auth-Token": rest.token}, timeout=30)
        self._created = 0
        self._box = self._message = ""

    def run_operation(self, operation: Any) -> int:
        """Run the cases of one verb; how many got as far as a success."""
        successes = 0

        @settings(
            max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def one(case: Any) -> None:
            nonlocal successes
            self._recreate_data()
            there = {"account_id": self._rest.app.account.id, "box_id": self._box, "message_id": self._message,
                     "greeting": "unavailable"}  # fmt: skip
            case.path_parameters = {name: there[name] for name in case.path_parameters or {}}
            answer = case.call_and_validate(
                base_url=self._rest.url,
                headers={"X-Auth-Token": self._rest.token},
                excluded_checks=UNDOCUMENTED_RESPONSES_ALLOWED,
            )
            successes += 200 <= answer.status_code < 300

        one()
        return successes

    def _recreate_data(self) -> None:
        """A box with a message and a greeting, anew where the last case took them away."""
        base, kind = self._rest.base, {"Content-Type": "audio/wav"}
        if not (self._box and self._http.get(f"{base}/{self._box}/messages/{self._message}").is_success):
            self._created += 1
            document = {"name": "x", "mailbox": f"visitor {self._created}"}
            self._box = self._http.put(base, json={"data": document}).json()["data"]["id"]
            made = self._http.put(f"{base}/{self._box}/messages", content=tone(200), headers=kind)
            self._message = made.json()["data"]["media_id"]
        greeting = f"{base}/{self._box}/greetings/unavailable/raw"
        if not self._http.get(greeting, headers={"Range": "bytes=0-1"}).is_success:
            self._http.put(greeting, content=tone(200), headers=kind)

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def no_rate_limit(app: AppFixture) -> None:
    app.container.api_services.rate_limiter.limit = HourlyLimit(10**6)


async def test_requests_allowed_by_openapi_document_get_documented_responses(
    rest: RestClient, no_rate_limit: None
) -> None:
    document = (await rest.http.get(f"{rest.url}/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document)
    visitor = SchemaTester(rest)
    successes = {}
    try:
        for found in schema.get_all_operations():
            operation: Any = found.ok()  # type: ignore[union-attr]
            successes[operation.label] = await asyncio.to_thread(visitor.run_operation, operation)
    finally:
        visitor.close()
    never = {label for label, n in successes.items() if n == 0}
    assert len(successes) >= 22
    # No bytes that it thinks of are audio, and no words credentials; other tests go further.
    assert {label.rpartition("/")[2] for label in never} <= {"user_auth", "api_auth", "raw"}


async def test_every_operation_has_description_and_example(rest: RestClient) -> None:
    document = (await rest.http.get(f"{rest.url}/openapi.json")).json()
    for path, verbs in document["paths"].items():
        for verb in verbs.values():
            assert len(verb["description"]) > 20, path
            assert "422" not in verb["responses"]
    boxes = document["paths"]["/v2/accounts/{account_id}/vmboxes"]
    assert boxes["put"]["requestBody"]["content"]["application/json"]["example"] == examples.NEW_BOX
    assert document["components"]["schemas"]["Box"]["properties"]["hunt"]["default"] is True


async def test_docs_page_loads_nothing_external(rest: RestClient) -> None:
    async with httpx.AsyncClient() as anybody:
        page = (await anybody.get(f"{rest.url}/docs")).text
    assert "PATCH /v2/accounts/{account_id}/vmboxes/{box_id}" in page
    assert "some_value" in page
    assert "http:" not in page
    assert "https:" not in page
    assert "<script" not in page
