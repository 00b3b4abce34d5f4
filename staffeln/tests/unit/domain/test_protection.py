# SPDX-License-Identifier: Apache-2.0
"""Which volumes are not protected as they should be, and will it fit?"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import (
    demand,
    model,
    plan,
    policies,
    protection,
    report,
    schedule,
    task,
)
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.domain.samples import DAY, HOUR, MICROSECOND, NOW

Topic = report.Topic
TOLERANCE = samples.protection_policy()
UNTIL = NOW + HOUR


def judge(
    *candidates: model.Candidate,
    histories: Mapping[str, model.History] | None = None,
    policy: policies.Policy | None = None,
    **inventory: Any,
) -> protection.Protection:
    """How they are protected, after a plan of now."""
    seen = dataclasses.replace(samples.inventory(*candidates), **inventory)
    rules = policy or samples.policy()
    pasts = histories or {}
    judging = protection.Judging(seen, rules, TOLERANCE, NOW, until=UNTIL)
    for each in seen.candidates:
        past = pasts.get(each.volume.id, model.History())
        judging.look(plan.decide(each, past, rules, NOW), past)
    return judging.found()


def of(history: model.History, **volume: Any) -> protection.Protection:
    """How v1 with this past is protected."""
    return judge(samples.candidate(**volume), histories={"v1": history})


def backed_up(age: datetime.timedelta, **more: Any) -> model.History:
    """A volume whose one backup is so old."""
    made = NOW - age
    return model.History(
        last_success_at=made, chain=(samples.backup(created_at=made),), **more
    )


class NeverProtectedTest(base.TestCase):
    def test_not_when_it_is_seen_for_the_first_time(self) -> None:
        for status in ("in-use", "attaching"):
            found = of(model.History(), status=status)
            self.assertEqual((), found.notices)
            self.assertEqual((1, 0), (found.selected, found.never_protected))

    def test_not_while_its_first_backup_is_on_its_way(self) -> None:
        for state in task.LIVE:
            for age, expected in ((3 * DAY, 0), (3 * DAY + MICROSECOND, 1)):
                found = of(
                    model.History(live_task=state, live_since=NOW - age)
                )
                self.assertEqual(expected, found.never_protected)
                self.assertEqual(expected, len(found.notices))
        self.assertIn(
            "never backed up; a task for it is", found.notices[0].why
        )

    def test_a_second_try_is_no_first_backup(self) -> None:
        (notice,) = of(
            model.History(
                live_task=task.State.RUNNING,
                live_since=NOW,
                record=samples.record(failures=1, failed_at=NOW - DAY),
            )
        ).notices
        self.assertEqual(Topic.NEVER_PROTECTED, notice.topic)

    def test_once_an_earlier_cycle_knew_it(self) -> None:
        for history, why in (
            (
                model.History(
                    record=samples.record(failures=1, failed_at=NOW - DAY)
                ),
                "never backed up; a backup is planned now",
            ),
            (
                model.History(
                    record=samples.record(failures=1, failed_at=NOW)
                ),
                "never backed up; its last task failed, next try at "
                "2026-03-31 03:00:00Z",
            ),
        ):
            (notice,) = of(history).notices
            self.assertEqual(Topic.NEVER_PROTECTED, notice.topic)
            self.assertEqual(why, notice.why)
            self.assertEqual("name of v1", notice.volume_name)
            self.assertEqual("name of s1", notice.server_name)
            self.assertEqual("p1", notice.project_id)

    def test_postponed_for_longer_than_the_interval(self) -> None:
        record = samples.record(postponed_since=NOW - DAY)
        history = model.History(record=record)
        self.assertEqual((), of(history, status="attaching").notices)
        record = samples.record(postponed_since=NOW - DAY - MICROSECOND)
        (notice,) = of(
            model.History(record=record), status="attaching"
        ).notices
        self.assertEqual(Topic.NEVER_PROTECTED, notice.topic)
        self.assertIn("postponed: volume v1 is in attaching", notice.why)

    def test_a_status_that_no_backup_is_made_in(self) -> None:
        (notice,) = of(model.History(), status="error").notices
        self.assertEqual(Topic.NEVER_PROTECTED, notice.topic)
        self.assertIn("volume v1 is in error status", notice.why)

    def test_a_failure_that_is_over(self) -> None:
        said = frozenset({"volume v1 is in error status"})
        (notice,) = of(model.History(unreported_failures=said)).notices
        self.assertEqual(
            "never backed up; a backup is planned now", notice.why
        )

    def test_all_backups_lost(self) -> None:
        lost = samples.backup(broken_since=NOW)
        (notice,) = of(model.History(chain=(lost,))).notices
        self.assertEqual(Topic.NEVER_PROTECTED, notice.topic)
        self.assertIn("no whole backup is left", notice.why)


class StaleTest(base.TestCase):
    def test_older_than_is_tolerated(self) -> None:
        found = of(backed_up(3 * DAY + MICROSECOND))
        (notice,) = found.notices
        self.assertEqual(Topic.STALE, notice.topic)
        self.assertEqual(found.oldest_protection_at, notice.since)
        self.assertEqual((0, 1), (found.never_protected, found.stale))

    def test_just_as_old(self) -> None:
        self.assertEqual((), of(backed_up(3 * DAY)).notices)

    def test_the_oldest_protection(self) -> None:
        self.assertIsNone(of(model.History()).oldest_protection_at)
        found = judge(
            *(samples.candidate(f"v{number}") for number in range(4)),
            histories={
                "v1": backed_up(HOUR),
                "v2": backed_up(2 * DAY),
                "v3": backed_up(DAY),
            },
        )
        self.assertEqual(NOW - 2 * DAY, found.oldest_protection_at)
        self.assertEqual(3, len(found.protected_at))


class OtherNoticesTest(base.TestCase):
    def test_postponed_for_longer_than_the_interval(self) -> None:
        for age, expected in ((DAY, []), (DAY + MICROSECOND, ["postponed"])):
            record = samples.record(postponed_since=NOW - age)
            found = of(
                backed_up(2 * DAY, record=record), status="attaching"
            ).notices
            self.assertEqual(expected, [each.topic for each in found])
        self.assertEqual(NOW - age, found[0].since)

    def test_failing_again_and_again(self) -> None:
        for failures, topics in ((1, []), (2, [Topic.FAILING])):
            record = samples.record(failures=failures, failed_at=NOW)
            found = of(backed_up(2 * DAY, record=record)).notices
            self.assertEqual(topics, [each.topic for each in found])
        self.assertEqual(NOW + 2 * HOUR, found[0].until)

    def test_full_only(self) -> None:
        for until, topics in (
            (NOW, []),
            (NOW + MICROSECOND, [Topic.FULL_ONLY]),
        ):
            record = samples.record(full_only_until=until)
            found = of(backed_up(HOUR, record=record)).notices
            self.assertEqual(topics, [each.topic for each in found])
        self.assertEqual(NOW + MICROSECOND, found[0].until)

    def test_a_retention_value_that_is_none(self) -> None:
        (notice,) = judge(
            samples.candidate(), servers={"s1": "\x1b" + "x" * 300}
        ).notices
        self.assertEqual(Topic.UNREADABLE, notice.topic)
        self.assertIn(repr("\x1b" + "x" * 39), notice.why)
        for readable in ("1d", None):
            found = judge(samples.candidate(), servers={"s1": readable})
            self.assertEqual((), found.notices)

    def test_a_retention_that_became_shorter(self) -> None:
        rows = [
            samples.backup("b1", grace="7d", expires_at=NOW + 2 * DAY),
            samples.backup(
                "b2", grace="7d", expires_at=NOW + DAY, kept_for="1d"
            ),
            samples.backup("b3", expires_at=NOW + HOUR),
            samples.backup("b4", grace="7d", expires_at=NOW),
            samples.backup(
                "b5",
                grace="7d",
                expires_at=NOW + HOUR,
                state=model.BackupState.VANISHED,
            ),
        ]
        notice = protection.announcement(rows, NOW)
        assert notice is not None
        self.assertEqual(Topic.SHORTENED, notice.topic)
        self.assertEqual(NOW + DAY, notice.until)
        self.assertEqual(
            "2 backup(s) are to be kept for 1d now; none of them goes before "
            "2026-04-01 02:00:00Z",
            notice.why,
        )
        self.assertIsNone(protection.announcement(rows[2:], NOW))


class DroppedTest(base.TestCase):
    SERVER = "5a1c2f5e-0000-4000-8000-000000000001"

    def why(self, **inventory: Any) -> str:
        seen = model.Inventory(candidates=(), complete=True, **inventory)
        newest = samples.backup(server_id=self.SERVER)
        return protection.why_dropped(newest, seen, samples.rule())

    def test_why(self) -> None:
        self.assertEqual(
            "its own metadata says __staffeln_backup=false",
            self.why(opted_out_volumes=frozenset({"v1"})),
        )
        self.assertEqual(
            f"server {self.SERVER} is not in Nova's list any more", self.why()
        )
        servers = {self.SERVER: None}
        self.assertEqual(
            f"server {self.SERVER} does not carry __staffeln_backup=true "
            "any more",
            self.why(servers=servers),
        )
        self.assertEqual(
            f"it is not attached to server {self.SERVER} any more, nor to "
            "another selected one",
            self.why(
                servers=servers, selected_servers=frozenset({self.SERVER})
            ),
        )

    def test_what_is_known_stays(self) -> None:
        seen = model.Inventory(candidates=(), complete=True)
        known = samples.record(dropped_since=NOW - DAY, dropped_why="because")
        found = protection.dropped(
            backed_up(HOUR, record=known),
            samples.backup(),
            seen,
            samples.rule(),
            NOW,
        )
        assert found is not None
        self.assertEqual((False, known), (found.is_new, found.record))
        notice = found.notice()
        self.assertEqual(
            (Topic.DROPPED, NOW - DAY, "because"),
            (notice.topic, notice.since, notice.why),
        )

    def test_since_now(self) -> None:
        seen = model.Inventory(candidates=(), complete=True)
        record = samples.record(failures=3)
        found = protection.dropped(
            backed_up(HOUR, record=record),
            samples.backup(),
            seen,
            samples.rule(),
            NOW,
        )
        assert found is not None
        self.assertTrue(found.is_new)
        self.assertEqual(
            (3, NOW), (found.record.failures, found.record.dropped_since)
        )

    def test_without_backups_nobody_asks(self) -> None:
        seen = model.Inventory(candidates=(), complete=True)
        lost = model.History(chain=(samples.backup(broken_since=NOW),))
        for history in (model.History(), lost):
            self.assertIsNone(
                protection.dropped(
                    history, samples.backup(), seen, samples.rule(), NOW
                )
            )


def quotas(backups: int, gigabytes: int, used: int = 0) -> report.Quotas:
    """These limits, with so many backups and GiB in use."""
    return report.Quotas(
        backups=report.Quota(limit=backups, in_use=used, reserved=0),
        gigabytes=report.Quota(limit=gigabytes, in_use=0, reserved=used),
    )


class ForecastTest(base.TestCase):
    DEMAND = demand.Demand(backups=3, gigabytes=30, incrementals=2)

    def test_it_fits(self) -> None:
        for limits in (
            quotas(3, 30),
            quotas(-1, -1),
            quotas(-1, 30),
            quotas(13, 40, used=10),
        ):
            found = demand.forecast(self.DEMAND, limits)
            self.assertIs(True, found.fits)
            self.assertEqual(
                "Waiting or due by then: 1 full and 2 incremental; Cinder "
                "charges the whole volume for each.",
                found.why,
            )
            self.assertEqual((3, 30), (found.backups, found.gigabytes))

    def test_it_does_not_fit(self) -> None:
        for limits, words in (
            (quotas(2, 30), "3 backups where 2 of 2 are free."),
            (quotas(3, 29), "30 GiB where 29 of 29 are free."),
            (quotas(-1, 39, used=10), "30 GiB where 29 of 39 are free."),
            (quotas(0, -1), "3 backups where 0 of 0 are free."),
            (quotas(3, -1, used=9), "3 backups where 0 of 3 are free."),
            (
                quotas(1, 2),
                "3 backups where 1 of 1 are free, 30 GiB where 2 of 2 are "
                "free.",
            ),
        ):
            found = demand.forecast(self.DEMAND, limits)
            self.assertIs(False, found.fits)
            self.assertTrue(found.why.endswith(f" Too many: {words}"))

    def test_quotas_that_nobody_knows(self) -> None:
        self.assertIsNone(demand.forecast(self.DEMAND, None).fits)


class DemandTest(base.TestCase):
    def demand(self, history: model.History, **volume: Any) -> int:
        demands = of(history, size=7, **volume).demands
        if not demands:
            return 0
        self.assertEqual(7 * demands["p1"].backups, demands["p1"].gigabytes)
        return demands["p1"].backups

    def test_what_is_planned_now(self) -> None:
        self.assertEqual(1, self.demand(model.History()))

    def test_what_waits_but_not_what_runs(self) -> None:
        for state in task.LIVE:
            self.assertEqual(
                state in (task.State.PLANNED, task.State.CLAIMED),
                self.demand(model.History(live_task=state)),
            )

    def test_what_is_due_by_the_next_cycle(self) -> None:
        self.assertEqual(1, self.demand(backed_up(DAY - HOUR)))
        self.assertEqual(0, self.demand(backed_up(DAY - HOUR - MICROSECOND)))

    def test_what_is_postponed_may_go_on(self) -> None:
        self.assertEqual(1, self.demand(model.History(), status="attaching"))

    def test_what_fails_takes_nothing(self) -> None:
        self.assertEqual(0, self.demand(model.History(), status="error"))

    def test_incrementals_are_charged_like_fulls(self) -> None:
        found = of(backed_up(2 * DAY), size=50).demands["p1"]
        self.assertEqual(
            demand.Demand(backups=1, gigabytes=50, incrementals=1), found
        )


class PropertiesTest(base.TestCase):
    @hypothesis.given(samples.candidates(), st.data())
    def test_of_any_plan(
        self, candidates: list[model.Candidate], data: st.DataObject
    ) -> None:
        histories = {
            each.volume.id: data.draw(samples.histories())
            for each in candidates
        }
        found = judge(*candidates, histories=histories)
        bad = [
            each.volume_id
            for each in found.notices
            if each.topic in (Topic.NEVER_PROTECTED, Topic.STALE)
        ]
        # Nobody is told twice of one volume, nor of one that is young.
        self.assertEqual(len(bad), len(set(bad)))
        self.assertEqual(len(bad), found.never_protected + found.stale)
        for volume_id in bad:
            last = histories[volume_id].last_success_at
            self.assertTrue(last is None or NOW - last > 3 * DAY)
        # Nor is one forgotten: without a backup, and known for long.
        known = {
            volume_id
            for volume_id, history in histories.items()
            if history.last_success_at is None
            and history.live_since is not None
            and NOW - history.live_since > 3 * DAY
        }
        self.assertLessEqual(known, set(bad))
        self.assertEqual(len(candidates), found.selected)
        self.assertLessEqual(
            sum(each.backups for each in found.demands.values()),
            len(candidates),
        )
        for each in found.demands.values():
            self.assertLessEqual(each.incrementals, each.backups)

    @hypothesis.given(
        st.integers(-1, 20), st.integers(0, 30), st.integers(1, 30)
    )
    def test_what_fits_is_never_more_than_what_is_left(
        self, limit: int, used: int, wanted: int
    ) -> None:
        found = demand.forecast(
            demand.Demand(backups=wanted), quotas(limit, -1, used)
        )
        self.assertEqual(limit < 0 or used + wanted <= limit, found.fits)

    @hypothesis.given(samples.histories())
    def test_what_is_dropped_has_a_whole_backup(
        self, history: model.History
    ) -> None:
        seen = model.Inventory(candidates=(), complete=True)
        found = protection.dropped(
            history, samples.backup(), seen, samples.rule(), NOW
        )
        if found is not None:
            self.assertIsNotNone(history.last_success_at)
            self.assertTrue(found.record.dropped_why)
            again = protection.dropped(
                dataclasses.replace(history, record=found.record),
                samples.backup(),
                seen,
                samples.rule(),
                NOW + DAY,
            )
            assert again is not None
            self.assertEqual(
                (False, found.record), (again.is_new, again.record)
            )


class ChainsTest(base.TestCase):
    """What a volume's chain is needed for."""

    @hypothesis.given(
        samples.histories(),
        st.sampled_from(["in-use", "attaching", "error"]),
        st.integers(1, 30),
        st.integers(1, 10**12),
    )
    def test_without_those_that_nobody_needs_all_is_the_same(
        self, past: model.History, status: str, hours: int, later: int
    ) -> None:
        policy = samples.policy(backup_min_interval=hours * HOUR)
        latest = schedule.last_success_if_due(policy, UNTIL)
        assert latest is not None
        history = dataclasses.replace(
            past,
            live_task=None,
            live_since=None,
            last_success_at=latest + later * MICROSECOND,
        )
        without = dataclasses.replace(history, chain=(), to_go=frozenset())
        candidate = samples.candidate(status=status)
        self.assertEqual(
            plan.decide(candidate, history, policy, NOW),
            plan.decide(candidate, without, policy, NOW),
        )
        self.assertEqual(
            judge(candidate, histories={"v1": history}, policy=policy),
            judge(candidate, histories={"v1": without}, policy=policy),
        )


class OrderTest(base.TestCase):
    def test_those_without_any_backup_come_first(self) -> None:
        (stale,) = of(backed_up(4 * DAY)).unprotected
        never = dataclasses.replace(stale, topic=Topic.NEVER_PROTECTED)
        found = dataclasses.replace(
            of(backed_up(4 * DAY)), notices=(stale, never, stale)
        )
        self.assertEqual([never, stale, stale], found.unprotected)


class WordsTest(base.TestCase):
    def test_a_stale_volume_says_since_when(self) -> None:
        (notice,) = of(backed_up(4 * DAY)).notices
        self.assertIn(schedule.words(NOW - 4 * DAY), notice.why)
        self.assertIn("a backup is planned now", notice.why)
