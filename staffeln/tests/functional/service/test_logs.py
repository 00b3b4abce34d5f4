# SPDX-License-Identifier: Apache-2.0
"""What the services log while a real cycle runs."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from staffeln.tests.functional.service import running

_ID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_REQUEST = f"req-{_ID}"

STORY = (
    rf"Cycle 1 of term 1 begins \[{_REQUEST}\]",
    rf"Harvest complete: 2 of 2 servers selected, 3 volumes .* \[{_REQUEST}\]",
    r"Plan in .* s: 3 to back up \(3 full, 0 incremental\)",
    r"Reasons to back up: 3 x never backed up; full: there is no full backup",
    rf"Cycle 1 of term 1 ended after .* s: 3 .* \[{_REQUEST}\]",
    rf"Task {_ID} \(backup of volume {_ID}\): starting -> running",
    rf"Task {_ID} \(backup of volume {_ID}\): running -> succeeded",
    r"since the last cycle: 3 backup\(s\) made, 0 failed, 0 deleted",
)
"""A cycle that backs up three volumes, as its log tells it."""


class TestText(running.ServiceCase):
    """As lines."""

    def test_a_cycle_reads_like_a_story(self) -> None:
        made = self.deployment()
        self.make_schema(made)
        made.start("conductor")
        made.wait_for_log("conductor", "running -> succeeded", times=3)
        made.wait_for_log("conductor", STORY[-1])
        made.wait_for_log("conductor", r"Retention in \S+ s: ")
        self.assertEqual(0, made.stop("conductor"))
        log = made.log("conductor")
        place = 0
        for expression in STORY:
            found = re.compile(expression).search(log, place)
            self.assertIsNotNone(found, f"{expression} not in {log[place:]}")
            assert found
            place = found.start()
        self.assertNotIn("new -> planned", log, "a line for each task")
        self.assertNotIn(" ERROR ", log)


class TestJson(running.ServiceCase):
    """As oslo.log's JSON."""

    def entries(
        self, made: running.Deployment, module: str
    ) -> list[dict[str, Any]]:
        """Every line is one."""
        text = made.log_file(module).read_text()
        return [json.loads(line) for line in text.splitlines()]

    def test_conductor(self) -> None:
        made = self.deployment(DEFAULT={"use_json": True, "debug": True})
        self.make_schema(made)
        made.start("conductor")
        made.wait_for_log("conductor", "running -> succeeded", times=3)
        self.assertEqual(0, made.stop("conductor"))
        entries = self.entries(made, "conductor")
        self.assertIn("INFO", {each["levelname"] for each in entries})
        of_tasks = [x for x in entries if x["message"].startswith("Task ")]
        self.assertTrue(of_tasks)
        for each in of_tasks:
            extra = each["extra"]
            self.assertIn(extra["task"], each["message"])
            self.assertIn(extra["volume"], each["message"])
            self.assertEqual(f"req-{extra['task']}", extra["request"])
            self.assertTrue(extra["project"])
            self.assertNotIn("[req-", each["message"], "once is enough")
        self.assert_calls_are_of_tasks(entries)
        begun = [x for x in entries if " begins" in x["message"]]
        self.assertRegex(begun[0]["extra"]["request"], _REQUEST)

    def assert_calls_are_of_tasks(self, entries: list[dict[str, Any]]) -> None:
        """The line of a call that makes a backup says for which task."""
        creates = [
            each["extra"]
            for each in entries
            if re.match(r"POST \S+/backups -> 202", each["message"])
        ]
        self.assertEqual(3, len(creates))
        self.assertEqual(3, len({each["task"] for each in creates}))
        self.assertEqual(3, len({each["volume"] for each in creates}))

    def test_api(self) -> None:
        made = self.deployment(DEFAULT={"use_json": True})
        self.make_schema(made)
        made.start("conductor")
        made.wait_for_log("conductor", "running -> succeeded", times=3)
        self.assertEqual(0, made.stop("conductor"))
        made.start("api")
        made.wait_for_log("api", "Booting worker")
        request_id = f"req-{uuid.uuid4()}"
        self.assertEqual("True", made.check(running.NO_BACKUP, request_id))
        made.stop("api")
        asked = [
            each
            for each in self.entries(made, "api")
            if "POST /v1/backup" in each["message"]
        ]
        self.assertEqual([request_id], [x["extra"]["request"] for x in asked])
