# SPDX-License-Identifier: Apache-2.0
"""How long backups are kept, and how many may go at once, rule by rule."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from staffeln.domain import durations, model, policies, retention
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.domain.samples import DAY, NOW

Reading = retention.Reading
State = model.BackupState

NONE = Reading(None)


def days(number: int) -> durations.Duration:
    return durations.Duration(days=number)


def policy(**changes: Any) -> policies.RetentionPolicy:
    return samples.retention_policy(**changes)


def backup(backup_id: str = "b1", **changes: Any) -> model.Backup:
    """A full backup of server s1, made now."""
    values = {
        "server_id": "s1",
        "created_at": NOW,
        "completed_at": NOW,
        **changes,
    }
    return samples.backup(backup_id, **values)


def governed(
    row: model.Backup,
    reading: Reading | None,
    after: datetime.timedelta = datetime.timedelta(),
    **options: Any,
) -> model.Backup:
    """The row after a round that long after NOW."""
    return retention.governed(row, reading, policy(**options), NOW + after)


class ReadingTest(base.TestCase):
    """What servers say of the backups of their volumes."""

    def read(
        self,
        servers: dict[str, str | None],
        *sharing: str,
        default: durations.Duration = durations.Duration(days=30),  # noqa: B008
    ) -> Reading | None:
        inventory = model.Inventory(
            candidates=(),
            complete=True,
            servers=servers,
            shared={"v1": sharing} if sharing else {},
        )
        return retention.reading_of(backup().governance, inventory, default)

    def test_a_server_says_for_itself(self) -> None:
        self.assertEqual(Reading("5d"), self.read({"s1": "5d", "s2": "9d"}))

    def test_a_server_without_a_value_was_read_all_the_same(self) -> None:
        self.assertEqual(NONE, self.read({"s1": None}))

    def test_a_server_that_is_not_in_the_harvest_was_not_read(self) -> None:
        self.assertIsNone(self.read({"s2": "5d"}))

    def test_a_volume_at_two_servers_is_kept_as_the_longer_one_says(
        self,
    ) -> None:
        servers: dict[str, str | None] = {"s1": "5d", "s2": "9d"}
        self.assertEqual(Reading("9d"), self.read(servers, "s1", "s2"))
        self.assertEqual(Reading("9d"), self.read(servers, "s2", "s1"))

    def test_at_two_servers_the_one_without_a_value_counts_as_the_option(
        self,
    ) -> None:
        servers: dict[str, str | None] = {"s1": "5d", "s2": None}
        self.assertEqual(NONE, self.read(servers, "s1", "s2"))
        self.assertEqual(
            Reading("5d"), self.read(servers, "s1", "s2", default=days(3))
        )

    def test_a_volume_that_went_to_another_server_keeps_to_its_first_one(
        self,
    ) -> None:
        servers: dict[str, str | None] = {"s1": "5d", "s2": "9d", "s3": "8d"}
        self.assertEqual(Reading("5d"), self.read(servers, "s2", "s3"))

    def test_the_first_server_is_unread_and_others_do_not_speak_for_it(
        self,
    ) -> None:
        self.assertIsNone(self.read({"s2": "9d", "s3": "8d"}, "s2", "s3"))


class WhatGovernsTest(base.TestCase):
    """Which value decides, and how long that is."""

    def kept_for(
        self, row: model.Backup, reading: Reading | None, **options: Any
    ) -> str:
        return governed(row, reading, **options).kept_for

    def test_without_a_value_the_option_counts(self) -> None:
        row = governed(backup(), NONE)
        self.assertEqual("30d", row.kept_for)
        self.assertEqual(NOW + 30 * DAY, row.expires_at)

    def test_the_value_of_the_server_counts_before_the_option(self) -> None:
        row = governed(backup(retention="5d"), Reading(" 5d "))
        self.assertEqual("5d", row.kept_for)
        self.assertEqual("5d", row.retention)
        self.assertEqual(NOW + 5 * DAY, row.expires_at)

    def test_a_month_ends_with_the_month(self) -> None:
        at = datetime.datetime(2026, 1, 31, 2, 0)  # noqa: DTZ001  UTC by rule
        row = governed(
            backup(created_at=at, retention="1mon"), Reading("1mon")
        )
        self.assertEqual(at.replace(month=2, day=28), row.expires_at)

    def test_years_past_the_calendar_do_not_stop_a_round(self) -> None:
        at = datetime.datetime(9999, 12, 1)  # noqa: DTZ001  UTC by rule
        row = governed(
            backup(created_at=at, retention="100y"), Reading("100y")
        )
        self.assertEqual(
            datetime.datetime.max,  # noqa: DTZ901  UTC by rule
            row.expires_at,
        )

    def test_an_unread_server_means_what_it_said_last(self) -> None:
        row = governed(backup(retention="5d"), Reading("50d"))
        again = governed(row, None, DAY, retention_time=days(90))
        self.assertEqual(row, again)

    def test_an_unread_server_that_had_no_value_follows_the_option(
        self,
    ) -> None:
        row = governed(backup(), NONE)
        again = governed(row, None, DAY, retention_time=days(90))
        self.assertEqual("90d", again.kept_for)

    def test_nothing_expires_whose_server_was_never_read(self) -> None:
        row = backup(retention_known=False)
        self.assertEqual(row, governed(row, None))
        self.assertIsNone(row.expires_at)

    def test_what_was_never_read_follows_the_server_once_it_is(self) -> None:
        row = governed(backup(retention_known=False), Reading("5d"))
        self.assertTrue(row.retention_known)
        self.assertEqual(NOW + 5 * DAY, row.expires_at)

    def test_what_was_never_read_follows_the_option_once_the_server_is_gone(
        self,
    ) -> None:
        row = governed(backup(retention_known=False), retention.GONE)
        self.assertTrue(row.retention_known)
        self.assertEqual(NOW + 30 * DAY, row.expires_at)

    def test_values_that_say_nothing_leave_the_option(self) -> None:
        for text in ("", "   ", "0d", "-1d", "5", "1d1y", "101y", "forever"):
            row = governed(backup(retention=text), Reading(text))
            self.assertEqual("30d", row.kept_for, text)
            self.assertEqual(text.strip(), row.retention)

    def test_a_typing_error_does_not_cut_what_was_valid_before(self) -> None:
        row = governed(backup(retention="60d"), Reading("60d"))
        for text in ("60 days", "", "0s"):
            row = governed(row, Reading(text), 99 * DAY)
            self.assertEqual("60d", row.kept_for, text)
            self.assertEqual(NOW + 60 * DAY, row.expires_at)

    def test_a_typing_error_right_after_the_backup_cuts_nothing(self) -> None:
        row = governed(backup(retention="60d"), Reading("60 days"))
        self.assertEqual("60d", row.kept_for)
        self.assertEqual(NOW + 60 * DAY, row.expires_at)

    def test_a_typing_error_after_a_shorter_value_means_the_option(
        self,
    ) -> None:
        row = governed(backup(retention="5d"), Reading("5 days"))
        self.assertEqual("30d", row.kept_for)

    def test_a_typing_error_that_is_unread_later_is_none_the_worse(
        self,
    ) -> None:
        row = governed(backup(retention="60d"), Reading("60 days"))
        self.assertEqual(row, governed(row, None, DAY))

    def test_a_key_that_was_removed_forgets_what_was_valid(self) -> None:
        row = governed(backup(retention="60d"), NONE, shortening_grace=0 * DAY)
        row = governed(row, Reading("x"), DAY, shortening_grace=0 * DAY)
        self.assertEqual("30d", row.kept_for)

    def test_no_backup_goes_sooner_than_the_minimum(self) -> None:
        for reading in (Reading("1s"), NONE, Reading("rubbish")):
            kept_for = self.kept_for(
                backup(retention=reading.text), reading, minimum=days(40)
            )
            self.assertEqual("40d", kept_for)

    def test_the_minimum_is_one_in_short_months_too(self) -> None:
        at = datetime.datetime(2026, 2, 1, 2, 0)  # noqa: DTZ001  UTC by rule
        row = backup(created_at=at, retention="1mon")
        row = governed(row, Reading("1mon"), minimum=days(30))
        self.assertEqual(at + 30 * DAY, row.expires_at)
        row = backup(created_at=at.replace(month=3), retention="1mon")
        row = governed(row, Reading("1mon"), minimum=days(30))
        self.assertEqual(at.replace(month=4), row.expires_at)

    def test_the_minimum_shortens_nothing(self) -> None:
        row = backup(retention="50d")
        reading = Reading("50d")
        self.assertEqual("50d", self.kept_for(row, reading, minimum=days(40)))

    def test_a_value_too_strange_to_store_is_stored_as_far_as_it_goes(
        self,
    ) -> None:
        row = governed(backup(), Reading("\0x\ud800" + "y" * 500))
        self.assertEqual("x?" + "y" * 253, row.retention)
        self.assertEqual("30d", row.kept_for)

    def test_a_value_is_called_unreadable_just_when_it_is(self) -> None:
        self.assertTrue(retention.is_readable(" 5d "))
        self.assertFalse(retention.is_readable(""))
        self.assertFalse(retention.is_readable("5 days"))

    def test_a_backup_that_is_being_made_is_left_alone(self) -> None:
        row = backup(state=State.CREATING, completed_at=None)
        self.assertEqual(row, governed(row, Reading("5d")))


class GraceTest(base.TestCase):
    """A retention time that became longer, or shorter."""

    def setUp(self) -> None:
        super().setUp()
        self.row = governed(backup(retention="30d"), Reading("30d"))

    def test_a_new_backup_of_a_short_lived_server_has_no_grace(self) -> None:
        row = governed(backup(retention="1s"), Reading("1s"))
        self.assertEqual("", row.grace)
        self.assertEqual(NOW + datetime.timedelta(seconds=1), row.expires_at)

    def test_a_value_cut_before_the_first_round_waits_for_the_grace(
        self,
    ) -> None:
        row = governed(backup(retention="30d"), Reading("1s"))
        self.assertEqual(NOW + 7 * DAY, row.expires_at)

    def test_a_longer_value_holds_at_once(self) -> None:
        row = governed(self.row, Reading("40d"), DAY)
        self.assertEqual(NOW + 40 * DAY, row.expires_at)
        self.assertEqual("", row.grace)

    def test_a_shorter_value_waits_for_the_grace(self) -> None:
        row = governed(self.row, Reading("1s"), 2 * DAY)
        self.assertEqual(NOW + 9 * DAY, row.expires_at)
        self.assertEqual("604800s", row.grace)
        self.assertEqual("1s", row.kept_for)

    def test_the_grace_does_not_begin_anew_with_each_round(self) -> None:
        row = governed(self.row, Reading("1s"), 2 * DAY)
        for later in range(3, 20):
            self.assertEqual(row, governed(row, Reading("1s"), later * DAY))

    def test_the_grace_does_not_keep_what_goes_by_the_old_value_before(
        self,
    ) -> None:
        row = governed(self.row, Reading("1d"), 28 * DAY)
        self.assertEqual(NOW + 30 * DAY, row.expires_at)

    def test_a_value_that_is_shorter_and_still_far_off_needs_no_grace(
        self,
    ) -> None:
        row = governed(self.row, Reading("20d"), DAY)
        self.assertEqual(NOW + 20 * DAY, row.expires_at)
        self.assertEqual("", row.grace)

    def test_shortening_twice_has_one_grace(self) -> None:
        row = governed(self.row, Reading("3d"), 2 * DAY)
        row = governed(row, Reading("1s"), 4 * DAY)
        self.assertEqual(NOW + 9 * DAY, row.expires_at)

    def test_shortening_twice_ends_no_sooner_than_a_grace_after_the_first(
        self,
    ) -> None:
        row = governed(self.row, Reading("20d"), DAY)
        row = governed(row, Reading("1s"), 2 * DAY)
        self.assertEqual(NOW + 9 * DAY, row.expires_at)

    def test_a_value_put_right_during_the_grace_has_never_been_wrong(
        self,
    ) -> None:
        row = governed(self.row, Reading("1s"), 2 * DAY)
        row = governed(row, Reading("30d"), 5 * DAY)
        self.assertEqual(self.row, row)

    def test_a_value_cut_again_later_has_a_grace_again(self) -> None:
        row = governed(self.row, Reading("1s"), 2 * DAY)
        row = governed(row, Reading("30d"), 5 * DAY)
        row = governed(row, Reading("1s"), 6 * DAY)
        self.assertEqual(NOW + 13 * DAY, row.expires_at)

    def test_a_grace_of_zero_cuts_at_once(self) -> None:
        row = governed(
            self.row, Reading("1s"), 2 * DAY, shortening_grace=0 * DAY
        )
        self.assertEqual(NOW + 2 * DAY, row.expires_at)

    def test_a_grace_that_an_operator_shortens_ends_sooner(self) -> None:
        row = governed(self.row, Reading("1s"), 2 * DAY)
        row = governed(row, Reading("1s"), 3 * DAY, shortening_grace=DAY)
        self.assertEqual(NOW + 4 * DAY, row.expires_at)
        self.assertEqual("86400s", row.grace)

    def test_a_grace_that_an_operator_lengthens_does_not_begin_anew(
        self,
    ) -> None:
        row = governed(self.row, Reading("1s"), 2 * DAY)
        row = governed(row, Reading("1s"), 3 * DAY, shortening_grace=90 * DAY)
        self.assertEqual(NOW + 9 * DAY, row.expires_at)

    def test_a_removed_key_waits_for_the_grace(self) -> None:
        row = governed(backup(retention="60d"), Reading("60d"))
        row = governed(row, NONE, 40 * DAY)
        self.assertEqual("30d", row.kept_for)
        self.assertEqual(NOW + 47 * DAY, row.expires_at)

    def test_a_shortened_option_waits_for_the_grace(self) -> None:
        row = governed(backup(), NONE)
        row = governed(row, NONE, 2 * DAY, retention_time=days(1))
        self.assertEqual(NOW + 9 * DAY, row.expires_at)

    def test_a_minimum_that_is_lowered_waits_for_the_grace(self) -> None:
        row = governed(backup(retention="1s"), Reading("1s"), minimum=days(9))
        row = governed(row, Reading("1s"), DAY)
        self.assertEqual(NOW + 8 * DAY, row.expires_at)

    def test_a_clock_that_goes_back_moves_no_expiry_that_did_not_change(
        self,
    ) -> None:
        back = governed(self.row, Reading("30d"), -900 * DAY)
        self.assertEqual(self.row, back)


class SettledTest(base.TestCase):
    """Which backups need no look at in a round."""

    def is_settled(
        self, row: model.Backup, reading: Reading | None, **options: Any
    ) -> bool:
        rules = policy(**options)
        return retention.rule(row.governance, reading, rules).settled

    def test_a_new_backup_is_not(self) -> None:
        self.assertFalse(self.is_settled(backup(), NONE))

    def test_a_governed_one_is_until_something_changes(self) -> None:
        row = governed(backup(retention="5d"), Reading("5d"))
        self.assertTrue(self.is_settled(row, Reading("5d")))
        self.assertTrue(self.is_settled(row, None))
        self.assertTrue(
            self.is_settled(row, Reading("5d"), shortening_grace=DAY)
        )
        self.assertFalse(self.is_settled(row, Reading("6d")))
        self.assertFalse(self.is_settled(row, NONE))
        self.assertFalse(self.is_settled(row, None, minimum=days(6)))

    def test_one_without_a_value_is_not_when_the_option_changes(self) -> None:
        row = governed(backup(), NONE)
        self.assertFalse(self.is_settled(row, None, retention_time=days(3)))

    def test_one_in_its_grace_is_not_when_the_grace_changes(self) -> None:
        row = governed(backup(retention="30d"), Reading("1s"))
        self.assertTrue(self.is_settled(row, Reading("1s")))
        self.assertFalse(
            self.is_settled(row, Reading("1s"), shortening_grace=DAY)
        )

    def test_what_is_as_ruled_needs_no_second_look(self) -> None:
        row = governed(backup(retention="5d"), Reading("5d"))
        for reading, expected in (
            (Reading("5d"), True),
            (None, True),
            (Reading("6d"), False),
        ):
            ruling = retention.rule(row.governance, reading, policy())
            self.assertIs(expected, retention.is_as_ruled(row, ruling))

    def test_what_expires_at_another_time_is_looked_at(self) -> None:
        row = governed(backup(retention="5d"), Reading("5d"))
        ruling = retention.rule(row.governance, None, policy())
        for other in (
            dataclasses.replace(row, expires_at=None),
            dataclasses.replace(row, expires_at=row.created_at),
            dataclasses.replace(row, grace="1s"),
        ):
            self.assertFalse(retention.is_as_ruled(other, ruling))

    def test_what_depends_on_the_calendar_is_looked_at(self) -> None:
        row = governed(backup(retention="1mon"), Reading("1mon"))
        ruling = retention.rule(row.governance, None, policy())
        self.assertTrue(ruling.settled)
        self.assertFalse(retention.is_as_ruled(row, ruling))

    def test_one_whose_server_was_never_read_is_until_it_is(self) -> None:
        row = backup(retention_known=False)
        self.assertTrue(self.is_settled(row, None))
        self.assertFalse(self.is_settled(row, NONE))


# -- how much may go at once -------------------------------------------------
