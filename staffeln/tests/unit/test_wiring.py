# SPDX-License-Identifier: Apache-2.0
"""From a configuration to objects."""

from __future__ import annotations

import dataclasses
import datetime
import os
import subprocess
import sys
import threading

import fixtures
from oslo_config import cfg

from staffeln import conf, wiring
from staffeln.api import serving
from staffeln.cloud import options as cloud_options
from staffeln.conductor import rounds
from staffeln.conf import logs
from staffeln.domain import durations, errors, model, selection
from staffeln.tests import base
from staffeln.tests.fakes import fake_cloud

CREDENTIALS = """
[openstack]
auth_type = password
auth_url = http://127.0.0.1:9/v3
username = u
password = p
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


class WiringTestCase(base.TestCase):
    def read(self, text: str = "") -> cfg.ConfigOpts:
        path = self.home / "staffeln.conf"
        path.write_text(f"[DEFAULT]\nstate_path = {self.home}\n{text}")
        return conf.load(["--config-file", str(path)], prog="test")


class DataTest(WiringTestCase):
    def test_each_option_reaches_its_setting(self) -> None:
        made = wiring.settings(
            self.read(
                "[conductor]\n"
                "backup_workers = 1\n"
                "rotation_workers = 2\n"
                "backup_min_interval = 3\n"
                "full_backup_depth = 4\n"
                "failure_backoff = 5s\n"
                "failure_backoff_max = 6s\n"
                "full_only_period = 7d\n"
                "backup_cycle_timout = 8h\n"
                "task_poll_period = 9\n"
                "absence_settle_time = 10min\n"
                "heartbeat_timeout = 11s\n"
                "backup_metadata_key = b\n"
                "retention_metadata_key = r\n"
                "honour_volume_opt_out = false\n"
                "retention_time = 12y\n"
                "[openstack]\n"
                "create_settle_time = 13s\n"
            )
        )
        self.assertEqual((1, 2), (made.backup_workers, made.rotation_workers))
        self.assertEqual(
            model.Policy(
                backup_min_interval=datetime.timedelta(seconds=3),
                full_backup_depth=4,
                failure_backoff=datetime.timedelta(seconds=5),
                failure_backoff_max=datetime.timedelta(seconds=6),
                full_only_period=durations.Duration(days=7),
            ),
            made.policy,
        )
        self.assertEqual(
            durations.Duration(hours=8), made.backup_cycle_timeout
        )
        self.assertEqual(9, made.task_poll_period.total_seconds())
        self.assertEqual(600, made.absence_settle_time.total_seconds())
        self.assertEqual(11, made.heartbeat_timeout.total_seconds())
        self.assertEqual(13, made.create_settle_time.total_seconds())
        self.assertEqual(
            selection.Rule(
                backup_key="b",
                retention_key="r",
                retention_time=durations.Duration(years=12),
                honour_volume_opt_out=False,
            ),
            made.rule,
        )

    def test_whether_somebody_set_the_key(self) -> None:
        self.assertFalse(wiring.backup_key_is_set(self.read()))
        for value in ("", "__staffeln_backup", "x"):
            text = f"[conductor]\nbackup_metadata_key = {value}\n"
            self.assertTrue(wiring.backup_key_is_set(self.read(text)))

    def test_the_environment_counts_as_somebody(self) -> None:
        self.useFixture(
            fixtures.EnvironmentVariable(
                "OS_CONDUCTOR__BACKUP_METADATA_KEY", "k"
            )
        )
        read = self.read()
        self.assertTrue(wiring.backup_key_is_set(read))
        self.assertEqual("k", wiring.selection_rule(read).backup_key)


class DoorTest(WiringTestCase):
    def test_without_credentials_there_is_no_cloud(self) -> None:
        self.assertRaises(errors.ConfigurationError, wiring.cloud, self.read())

    def test_an_impatient_cloud_tries_once(self) -> None:
        seen = []
        settings = dataclasses.replace(
            cloud_options.cloud_settings(self.read(CREDENTIALS)),
            create_retry_timeout=60,
        )

        def remember(found: object, **_: object) -> None:
            seen.append(found)

        with fixtures.MonkeyPatch(
            "staffeln.cloud.openstack.OpenStackCloud", remember
        ):
            wiring.cloud(self.read(CREDENTIALS))
            wiring.cloud(self.read(CREDENTIALS), patient=False)
        self.assertEqual(
            [settings, dataclasses.replace(settings, retry_timeout=0)], seen
        )

    def test_whether_somebody_wants_notifications(self) -> None:
        self.assertFalse(wiring.has_bus(self.read()))
        for text, wanted in (("driver =", False), ("driver = log", True)):
            read = self.read(f"[oslo_messaging_notifications]\n{text}\n")
            self.assertEqual(wanted, wiring.has_bus(read), text)
        self.useFixture(
            fixtures.EnvironmentVariable(
                "OS_OSLO_MESSAGING_NOTIFICATIONS__DRIVER", "log"
            )
        )
        self.assertTrue(wiring.has_bus(self.read()))

    def test_how_old_all_may_be(self) -> None:
        found = wiring.freshness_limits(
            self.read(
                "[conductor]\nbackup_service_period = 60\n"
                "retention_service_period = 3600\n"
                "backup_min_interval = 7200\nprotection_tolerance = 2\n"
            )
        )
        self.assertEqual(
            (600, 10800, 14400),
            (
                found.cycle.total_seconds(),
                found.retention.total_seconds(),
                found.protection.total_seconds(),
            ),
        )

    def test_leadership_is_below_the_state_path(self) -> None:
        office = wiring.leadership(self.read(), "me")
        self.addCleanup(office.close)
        self.assertIn(str(self.home), office.description)
        self.assertTrue(office.acquire())


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


class StartTest(WiringTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.rows = Rows()
        self.cloud = fake_cloud.FakeCloud()
        self.take_place_of("cloud", lambda *_, **__: self.cloud)
        self.take_place_of("store", lambda _: self.rows)

    def take_place_of(self, name: str, value: object) -> None:
        self.useFixture(fixtures.MonkeyPatch(f"staffeln.wiring.{name}", value))

    def build(self, text: str = "") -> rounds.Parts:
        build = wiring.build_conductor(self.read(text))
        parts = build(threading.Event(), lambda: None)
        self.addCleanup(parts.leadership.close)
        return parts

    def test_the_check_binds_the_database_and_keeps_nothing(self) -> None:
        wiring.check_conductor(self.read())
        self.assertEqual(self.cloud.identity(), self.rows.kept.identity)
        self.assertTrue(self.rows.closed)

    def test_another_cloud_is_refused(self) -> None:
        self.rows.bind_cloud(
            dataclasses.replace(self.cloud.identity(), region="Elsewhere")
        )
        error = self.assertRaises(
            errors.WrongCloudError, wiring.check_conductor, self.read()
        )
        self.assertIn("Elsewhere", str(error))
        self.assertTrue(self.rows.closed)

    def test_an_adopted_database_wants_the_key_set(self) -> None:
        self.rows = Rows(adopted=True)
        self.assertRaises(
            errors.ConfigurationError, wiring.check_conductor, self.read()
        )
        wiring.check_conductor(
            self.read("[conductor]\nbackup_metadata_key =\n")
        )

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
            wiring.check_conductor,
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


class ImportTest(base.TestCase):
    def test_wiring_loads_no_adapter(self) -> None:
        """What a program does not use it does not load."""
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys, staffeln.wiring; print(*sorted(sys.modules))",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        loaded = set(done.stdout.split())
        for name in (
            "cotyledon",
            "keystoneauth1",
            "openstack",
            "oslo_messaging",
            "oslo_service",
            "prometheus_client",
            "sqlalchemy",
            "tooz",
        ):
            self.assertNotIn(name, loaded)


class ApiTest(base.TestCase):
    def read(self, text: str = "") -> cfg.ConfigOpts:
        path = self.home / "staffeln.conf"
        path.write_text(
            f"[DEFAULT]\nstate_path = {self.home}\n"
            f"[database]\nconnection = sqlite:///{self.home}/x.sqlite\n"
            f"{text}"
        )
        return conf.load(
            ["--config-file", str(path)], prog="x", reader=conf.Reader.API
        )

    def test_a_database_that_is_away_is_no_reason_not_to_be_made(
        self,
    ) -> None:
        made = wiring.api_application(self.read())
        asked = made.test_client().post(f"/v1/backup?backup_id={ID}")
        self.assertEqual((200, "False"), (asked.status_code, asked.text))
        self.assertEqual(404, made.test_client().get("/metrics").status_code)

    def test_metrics_are_answered_where_they_are_handed_in(self) -> None:
        made = wiring.api_application(self.read(), lambda: b"x 1\n")
        self.assertEqual("x 1\n", made.test_client().get("/metrics").text)

    def test_options_reach_the_application(self) -> None:
        made = wiring.api_application(self.read("[api]\nmax_body = 1024\n"))
        asked = made.test_client().post(
            f"/v1/backup?backup_id={ID}", data=b"x" * 1025
        )
        self.assertEqual(413, asked.status_code)

    def test_a_database_without_a_file_keeps_the_server_from_starting(
        self,
    ) -> None:
        self.assertRaises(errors.SchemaError, wiring.check_api, self.read())

    def test_each_option_reaches_the_server(self) -> None:
        found: list[serving.Settings] = []
        self.patch(
            serving.Server, "prepare", lambda _, made: found.append(made)
        )
        self.patch(serving.Server, "run", lambda *_: 0)
        self.patch(wiring, "check_api", lambda _: None)
        self.patch(logs, "begin", lambda _: None)
        text = (
            "[api]\nhost = ::1\nport = 1\nworkers = 2\nthreads = 3\n"
            "request_timeout = 4\nworker_timeout = 5\ngraceful_timeout = 6\n"
            "metrics_enabled = true\nmetrics_host = ::2\nmetrics_port = 7\n"
        )
        self.assertEqual(0, wiring.run_api(lambda: self.read(text)))
        expected = serving.Settings(
            addresses=(
                serving.Address("::1", 1, "host, port", secure=False),
                serving.Address(
                    "::2", 7, "metrics_host, metrics_port", secure=False
                ),
            ),
            tls=None,
            workers=2,
            threads=3,
            request_timeout=4,
            worker_timeout=5,
            graceful_timeout=6,
        )
        self.assertEqual([expected], found)


ID = "0e1b9a04-4a0f-4d8c-9d52-5d6d4e2c7fd5"
