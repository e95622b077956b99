"""The alert rules and the dashboard in monitoring/ name metrics and values that a running service really has."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ivr.app import App
from ivr.service.service import start_service
from ivr.settings import Settings
from ivr.storage.data_folder import database_path
from ivr.storage.records import NEVER_DUE
from tests.metrics.test_metrics import http_request
from tests.support.free_port import free_port

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"
ALERTS = MONITORING / "ivr-alerts.yml"
DASHBOARD = json.loads((MONITORING / "ivr-dashboard.json").read_text())
RULES = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
METRIC = re.compile(r"\b(?:ivr|process)_\w+")
SELECTOR = re.compile(r"\b((?:ivr|process)_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*=~?\s*"([^"]*)"')
UP = 'up{instance="a:9", job="ivr"}'
"""The series that Prometheus itself makes."""
SCRAPE_LABELS = {"instance", "job"}
"""Labels that Prometheus adds."""

Series = dict[str, list[dict[str, str]]]
Sample = tuple[str, dict[str, str], float]
NO_RECOVERY_YET = "\nivr_recovery_last_run_timestamp_seconds 0.0\n"
TRUE_ALERTS = {"IvrMailWaits", "IvrNotificationsGivenUp"}
"""What is wrong with the service whose page is read."""


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    """Yield the title and each expression of the panels, with Grafana's variables replaced."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            assert "$" not in expression, f"{panel['title']}: an unknown variable in {expression}"
            yield panel["title"], expression


def all_expressions() -> list[tuple[str, str]]:
    return [*((rule["alert"], rule["expr"]) for rule in RULES), *dashboard_expressions()]


async def scrape_service(folder: Path) -> list[Sample]:
    """Start a service as `ivr serve` does, with mail that waits and a webhook that was given up. Return its page."""
    port = free_port()
    settings = Settings(
        data={"folder": folder, "fsync": False}, fastagi={"port": 0}, metrics={"port": port}, mail={"host": "127.0.0.1"}
    )
    app = App(settings).open()
    with closing(sqlite3.connect(database_path(folder))) as connection, connection:
        connection.executemany(
            "INSERT INTO outbox (account_id, box_id, kind, target, payload, created_at, due_at, attempts)"
            " VALUES ('a', 'b', ?, 'x', '{}', 1, ?, 9)",
            [("mail", 10**12), ("webhook", NEVER_DUE)],
        )
    service = await start_service(app, "calls")
    try:
        text = NO_RECOVERY_YET
        async with asyncio.timeout(30):
            while NO_RECOVERY_YET in text:  # A page before the first recovery is that of no running service.
                status, text = await http_request(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    finally:
        await service.stop()
    assert status == "HTTP/1.1 200 OK"
    families = text_string_to_metric_families(text)
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """What a real service exports."""
    return asyncio.run(scrape_service(tmp_path_factory.mktemp("service") / "data"))


@pytest.fixture(scope="module")
def series(samples: list[Sample]) -> Series:
    """The labels of what a real service exports, by the name of the metric."""
    series: Series = {}
    for name, labels, _ in samples:
        series.setdefault(name, []).append(labels)
    return series


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool") or shutil.which(ROOT / ".prometheus" / "promtool")
    if found is None:
        pytest.skip("promtool is missing: 'make .prometheus/promtool' takes it from Debian's package prometheus")
    return found


def run_promtool(promtool: str, *arguments: str) -> str:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def test_every_metric_that_a_rule_or_panel_names_exists_in_a_scrape_of_a_service(series: Series) -> None:
    named = {(title, name) for title, expression in all_expressions() for name in METRIC.findall(expression)}
    assert len(named) > 40
    assert [one for one in sorted(named) if one[1] not in series] == []


def test_every_label_value_that_a_rule_or_panel_selects_exists_in_a_scrape_of_a_service(series: Series) -> None:
    selected = 0
    for title, expression in all_expressions():
        for name, matchers in SELECTOR.findall(expression):
            for label, pattern in MATCHER.findall(matchers):
                if label in SCRAPE_LABELS:
                    continue
                known = {labels.get(label) for labels in series[name]}
                assert set(pattern.split("|")) <= known, f"{title}: {name} has {label} {known}"
                selected += 1
    assert selected >= 8


def test_promtool_accepts_the_alert_rules(promtool: str) -> None:
    assert f"SUCCESS: {len(RULES)} rules found" in run_promtool(promtool, "check", "rules", str(ALERTS))


def test_each_alert_fires_for_what_it_is_about_and_is_quiet_beside_it(promtool: str) -> None:
    rule_tests = MONITORING / "ivr-alerts-test.yml"
    assert "SUCCESS" in run_promtool(promtool, "test", "rules", str(rule_tests))
    fires: dict[bool, set[str]] = {True: set(), False: set()}
    for test in yaml.safe_load(rule_tests.read_text())["tests"]:
        for alert in test["alert_rule_test"]:
            fires[bool(alert["exp_alerts"])].add(alert["alertname"])
    assert fires[True] == fires[False] == {rule["alert"] for rule in RULES}


def test_series_of_the_rule_tests_are_those_that_a_service_exports(series: Series) -> None:
    """A rule that is tested with a label that is not exported would never fire at a site."""
    tests = yaml.safe_load((MONITORING / "ivr-alerts-test.yml").read_text())["tests"]
    for written in {one["series"] for test in tests for one in test["input_series"]} - {UP}:
        name, labels = written.rstrip("}").split("{")
        given = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        for label in SCRAPE_LABELS:
            del given[label]
        exported = [one for one in series[name] if one.keys() == given.keys()]
        assert exported, f"{written}: exported with the labels {series[name][:3]}"
        if given.keys() != {"le"}:
            assert given in exported, f"{written}: exported are {exported}"


def test_alerts_fire_for_what_is_wrong_with_a_service_and_no_other(
    promtool: str, samples: list[Sample], tmp_path: Path
) -> None:
    """The page of a real service, as Prometheus would have it after some minutes."""
    given = [{"series": UP, "values": "1x40"}]
    for name, labels, value in samples:
        text = ", ".join(f'{label}="{here}"' for label, here in {**labels, "instance": "a:9", "job": "ivr"}.items())
        given.append({"series": f"{name}{{{text}}}", "values": f"{value!r}x40"})
    firing = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": "30m",
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(TRUE_ALERTS)],
    }
    test = {"interval": "1m", "input_series": given, "promql_expr_test": [firing]}
    tests = {"rule_files": [str(ALERTS)], "tests": [test]}
    (tmp_path / "real.yml").write_text(yaml.safe_dump(tests))
    run_promtool(promtool, "test", "rules", str(tmp_path / "real.yml"))


def test_promtool_parses_every_expression_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression}
        for number, (_, expression) in enumerate(dashboard_expressions())
    ]
    assert len(rules) > 25
    as_rules = tmp_path / "dashboard.yml"
    as_rules.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    run_promtool(promtool, "check", "rules", "--lint=none", str(as_rules))


def test_panels_have_unique_ids_and_do_not_overlap() -> None:
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in panels)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_each_alert_has_a_section_of_the_troubleshooting_page_with_a_command() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    sections = dict(re.findall(r"^### (Ivr\w+)\n(.*?)(?=\n##|\Z)", page, re.MULTILINE | re.DOTALL))
    assert sections.keys() == {rule["alert"] for rule in RULES}
    for rule in RULES:
        assert rule["annotations"]["runbook_url"] == f"docs/troubleshooting.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert re.search(r"^    (ivr|systemctl|df|vmstat) ", sections[rule["alert"]], re.MULTILINE), rule["alert"]
