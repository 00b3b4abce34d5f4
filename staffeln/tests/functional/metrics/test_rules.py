# SPDX-License-Identifier: Apache-2.0
"""The alert rules and the dashboard, by Prometheus's own tool."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
from typing import Any

import prometheus_client
import yaml

import staffeln
from staffeln.metrics import conductor, prometheus
from staffeln.tests import base
from staffeln.tests.servers import process
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.metrics import test_conductor

_ETC = pathlib.Path(staffeln.__file__).parent.parent / "etc"
RULES = _ETC / "prometheus" / "staffeln-alerts.yml"
TESTS = _ETC / "prometheus" / "staffeln-alerts.test.yml"
DASHBOARD = _ETC / "grafana" / "staffeln.json"

DOCUMENT = _ETC.parent / "doc" / "source" / "operations" / "metrics.rst"

_NAME = re.compile(r"\bstaffeln_[a-z_]+")
_ALERT = re.compile(r"\bStaffeln[A-Z]\w+")
_INTERVAL = "$__rate_interval"
"""A variable of Grafana's own."""


def numbers() -> bytes:
    """All that conductors and the API tell, of a deployment that works."""
    metrics = conductor.ConductorMetrics(
        lambda: True, periods={"cycle": 1800, "retention": 1200, "census": 60}
    )
    metrics.called("compute", "GET", "/servers", 200, 0.1)
    metrics.counted(test_conductor.a_census(), test_conductor.freshness())
    metrics.cycle_ended(samples.cycle(protected_at=(samples.NOW,)))
    prometheus.observe("GET", "/health", 200, 0.1)
    return metrics.render() + prometheus_client.generate_latest(_OfTheApi())


class _OfTheApi:
    """What the API counts, without what its process tells of itself."""

    def collect(self) -> list[Any]:
        return [
            *prometheus.REQUESTS.collect(),
            *prometheus.SECONDS.collect(),
        ]


def expressions() -> list[str]:
    """What the dashboard asks."""
    found = json.loads(DASHBOARD.read_text())
    return [
        target["expr"].replace(_INTERVAL, "5m")
        for panel in found["panels"]
        for target in panel.get("targets", ())
    ]


class RulesTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tool = process.find(
            "promtool", "prometheus", [pathlib.Path("/usr/bin")]
        )

    def run_tool(self, *words: str, text: bytes = b"") -> str:
        """What it says; it has to be content."""
        done = subprocess.run(
            [self.tool, *words],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = done.stdout.decode()
        self.assertEqual(0, done.returncode, said)
        return said

    def test_the_rules_are_valid(self) -> None:
        self.assertIn("20 rules", self.run_tool("check", "rules", str(RULES)))

    def test_each_alert_fires_when_it_should_and_not_before(self) -> None:
        self.assertIn("SUCCESS", self.run_tool("test", "rules", str(TESTS)))

    def test_each_alert_is_tried(self) -> None:
        rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
        self.assertEqual(
            {rule["alert"] for rule in rules},
            set(_ALERT.findall(TESTS.read_text())),
        )

    def test_every_alert_says_what_it_means(self) -> None:
        for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]:
            self.assertIn(
                rule["labels"]["severity"], ("critical", "warning", "info")
            )
            for name in ("summary", "description"):
                self.assertGreater(
                    len(rule["annotations"][name]), 10, rule["alert"]
                )

    def test_what_the_dashboard_asks_is_valid(self) -> None:
        path = self.home / "dashboard.yml"
        path.write_text(
            yaml.safe_dump(
                {
                    "groups": [
                        {
                            "name": "dashboard",
                            "rules": [
                                {"record": f"panel:{number}", "expr": each}
                                for number, each in enumerate(expressions())
                            ],
                        }
                    ]
                }
            )
        )
        self.run_tool("check", "rules", str(path))

    def test_what_they_ask_for_is_told(self) -> None:
        asked = set(_NAME.findall(RULES.read_text()))
        asked |= set(_NAME.findall(" ".join(expressions())))
        told = set(_NAME.findall(numbers().decode()))
        self.assertEqual(set(), asked - told)

    def test_what_is_told_is_documented(self) -> None:
        text = DOCUMENT.read_text()
        for line in numbers().decode().splitlines():
            if line.startswith("# TYPE ") and "_created" not in line:
                self.assertIn(f"``{line.split()[2]}``", text)

    def test_what_is_told_is_as_prometheus_wants_it(self) -> None:
        self.assertEqual("", self.run_tool("check", "metrics", text=numbers()))
