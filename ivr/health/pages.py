"""/healthz and /readyz: what a load balancer, a monitoring program and `ivr doctor` ask of a running service."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from ivr import __version__
from ivr.health.finding import Level
from ivr.health.monitor import HealthMonitor
from ivr.metrics.page_server import PageResponse

HEALTH_PATH, READY_PATH = "/healthz", "/readyz"
JSON = "application/json"


class HealthPages:
    """The pages of one service. They name checks, never paths, persons or secrets."""

    def __init__(self, monitor: HealthMonitor) -> None:
        self._monitor = monitor
        self.pages = {HEALTH_PATH: self.render_health, READY_PATH: self.render_readiness}

    async def render_health(self) -> PageResponse:
        """Return 200: the service runs and answers."""
        return _json_page(HTTPStatus.OK, {"status": "ok", "version": __version__})

    async def render_readiness(self) -> PageResponse:
        """Return 200 if no check has found a problem, else 503."""
        report = await self._monitor.report()
        levels: dict[str, Level] = {}
        for finding in report.findings:
            levels[finding.check] = max(levels.get(finding.check, Level.OK), finding.level, key=list(Level).index)
        document = {
            "status": "ready" if report.is_ready else "not ready",
            "failing": sorted(check for check, level in levels.items() if level is Level.PROBLEM),
            "checks": {check: str(level) for check, level in sorted(levels.items())},
            "stores_messages": not any(finding.prevents_storing for finding in report.findings),
            **self._monitor.identity(),
        }
        return _json_page(HTTPStatus.OK if report.is_ready else HTTPStatus.SERVICE_UNAVAILABLE, document)


def _json_page(status: HTTPStatus, document: dict[str, Any]) -> PageResponse:
    return PageResponse(json.dumps(document, indent=2).encode() + b"\n", JSON, status)
