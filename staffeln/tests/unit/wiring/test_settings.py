# SPDX-License-Identifier: Apache-2.0
"""From options to plain data."""

import datetime

import fixtures

from staffeln.domain import durations, policies, receivers, selection
from staffeln.tests.unit.wiring import configured
from staffeln.wiring import settings


class SettingsTest(configured.ConfiguredTestCase):
    def test_each_option_reaches_its_setting(self) -> None:
        made = settings.workflow(
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
            policies.Policy(
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
        self.assertFalse(settings.backup_key_is_set(self.read()))
        for value in ("", "__staffeln_backup", "x"):
            text = f"[conductor]\nbackup_metadata_key = {value}\n"
            self.assertTrue(settings.backup_key_is_set(self.read(text)))

    def test_the_environment_counts_as_somebody(self) -> None:
        self.useFixture(
            fixtures.EnvironmentVariable(
                "OS_CONDUCTOR__BACKUP_METADATA_KEY", "k"
            )
        )
        read = self.read()
        self.assertTrue(settings.backup_key_is_set(read))
        self.assertEqual("k", settings.selection_rule(read).backup_key)

    def test_how_old_all_may_be(self) -> None:
        found = settings.freshness_limits(
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

    def test_nobody_is_told_unless_it_is_configured(self) -> None:
        self.assertEqual(
            receivers.Policy(), settings.receivers_policy(self.read())
        )

    def test_each_option_of_readers_arrives(self) -> None:
        read = self.read(
            "[conductor]\nreport_period = 7\n"
            "[notification]\n"
            "sender_email = a@cloud.example\n"
            "smtp_server_domain = mail.example\n"
            "receiver = b@c.example, ,d@e.example,\n"
            "project_receiver_domain = projects.example\n"
            "operator_receiver = ops@cloud.example\n"
            "report_roles = reader, owner\n"
        )
        self.assertEqual(
            receivers.Policy(
                sender="a@cloud.example",
                receivers=("b@c.example", "d@e.example"),
                project_domain="projects.example",
                operators=("ops@cloud.example",),
                roles=("reader", "owner"),
                period=datetime.timedelta(seconds=7),
            ),
            settings.receivers_policy(read),
        )
