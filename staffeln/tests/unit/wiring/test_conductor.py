# SPDX-License-Identifier: Apache-2.0
"""From a configuration to a conductor."""

from __future__ import annotations

import dataclasses
import datetime
import os
import threading

import fixtures

from staffeln.conductor import rounds
from staffeln.domain import errors, model
from staffeln.tests.fakes import fake_cloud
from staffeln.tests.unit.wiring import configured
from staffeln.wiring import conductor


class Rows:
    """What a start asks of a database."""

    description = "rows"

    def __init__(self, *, adopted: bool = False) -> None:
        self.kept = model.Deployment(
            uuid="d", identity=None, adopted=adopted, selected_volumes=None
        )
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def deployment(self) -> model.Deployment:
        return self.kept

    def bind_cloud(self, identity: model.CloudIdentity) -> None:
        self.kept = dataclasses.replace(self.kept, identity=identity)

    def now(self) -> datetime.datetime:
        return datetime.datetime(2026, 1, 1)  # noqa: DTZ001  UTC


class StartTest(configured.ConfiguredTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.rows = Rows()
        self.cloud = fake_cloud.FakeCloud()
        self.take_place_of("cloud", lambda *_, **__: self.cloud)
        self.take_place_of("store", lambda _: self.rows)

    def take_place_of(self, name: str, value: object) -> None:
        self.useFixture(
            fixtures.MonkeyPatch(f"staffeln.wiring.doors.{name}", value)
        )

    def build(self, text: str = "") -> rounds.Parts:
        build = conductor.build(self.read(text))
        parts = build(threading.Event(), lambda: None)
        self.addCleanup(parts.leadership.close)
        return parts

    def test_the_check_binds_the_database_and_keeps_nothing(self) -> None:
        conductor.check(self.read())
        self.assertEqual(self.cloud.identity(), self.rows.kept.identity)
        self.assertTrue(self.rows.closed)

    def test_another_cloud_is_refused(self) -> None:
        self.rows.bind_cloud(
            dataclasses.replace(self.cloud.identity(), region="Elsewhere")
        )
        error = self.assertRaises(
            errors.WrongCloudError, conductor.check, self.read()
        )
        self.assertIn("Elsewhere", str(error))
        self.assertTrue(self.rows.closed)

    def test_an_adopted_database_wants_the_key_set(self) -> None:
        self.rows = Rows(adopted=True)
        self.assertRaises(
            errors.ConfigurationError, conductor.check, self.read()
        )
        conductor.check(self.read("[conductor]\nbackup_metadata_key =\n"))

    def test_a_conductor_has_an_identity_of_its_own(self) -> None:
        first, second = self.build(), self.build()
        self.assertNotEqual(first.me.id, second.me.id)
        self.assertEqual(os.getpid(), first.me.pid)
        self.assertEqual(first.leadership.description, first.me.backend)
        self.assertTrue(first.leadership.local)

    def test_nobody_watches_unless_it_is_configured(self) -> None:
        parts = self.build()
        self.assertEqual((), tuple(parts.asides))
        self.assertIsNone(parts.count)

    def test_whoever_is_configured_watches(self) -> None:
        parts = self.build(
            "[metrics]\nenabled = true\ncensus_period = 7\n"
            "[notification]\nheartbeat_url = https://example.org/x\n"
            "[oslo_messaging_notifications]\ndriver = noop\n"
            "transport_url = fake://\n"
        )
        self.assertEqual(
            ["Exporter", "Bus", "Heartbeat"],
            [type(each).__name__ for each in parts.asides],
        )
        self.assertIsNotNone(parts.count)
        self.assertEqual(7, parts.rhythm.census_period)

    def test_a_bus_that_cannot_be_one_keeps_it_from_starting(self) -> None:
        error = self.assertRaises(
            errors.ConfigurationError,
            conductor.check,
            self.read(
                "[oslo_messaging_notifications]\ndriver = noop\n"
                "transport_url = carrier-pigeon://u:geheim@h/\n"
            ),
        )
        self.assertIn("transport_url", str(error))
        self.assertNotIn("geheim", str(error))

    def test_four_signs_of_life_in_the_time_of_silence(self) -> None:
        rhythm = self.build().rhythm
        self.assertEqual(60, rhythm.heartbeat_timeout.total_seconds())
        self.assertEqual(15, rhythm.heartbeat_period)

    def test_a_start_tells_its_story(self) -> None:
        self.build()
        for words in (
            "Selection: servers with metadata __staffeln_backup=true",
            "Database: rows, deployment d",
            "Coordination: file lock",
            f"Cloud: {self.cloud.identity().auth_url}",
            "Backup services up: ",
        ):
            self.assertIn(words, self.log.output)

    def test_a_failed_start_leaves_nothing_open(self) -> None:
        self.rows = Rows(adopted=True)
        self.assertRaises(errors.ConfigurationError, self.build)
        self.assertTrue(self.rows.closed)
