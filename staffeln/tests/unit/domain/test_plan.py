# SPDX-License-Identifier: Apache-2.0
"""A cycle's decisions: one for each volume, in a fair order."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import model, plan, task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.domain.samples import DAY, HOUR, NOW

What = plan.What


def decide(
    candidate: model.Candidate,
    history: model.History | None = None,
    *,
    service_up: bool = True,
) -> plan.VolumeDecision:
    return plan.decide(
        candidate,
        history or model.History(),
        samples.policy(),
        NOW,
        service_up=service_up,
    )


def make(
    inventory: model.Inventory,
    histories: Mapping[str, model.History],
    planned: Mapping[str, str] | None = None,
    *,
    service_up: bool = True,
) -> plan.Plan:
    """The plan for an inventory, by the past of its volumes."""
    return plan.make(
        (
            decide(each, histories.get(each.volume.id), service_up=service_up)
            for each in inventory.candidates
        ),
        inventory,
        planned or {},
    )


class DecideTest(base.TestCase):
    def test_ready_volumes_are_backed_up(self) -> None:
        for status in plan.READY:
            decided = decide(samples.candidate(status=status))
            self.assertEqual(What.BACK_UP, decided.what)
            self.assertEqual(task.Mode.FULL, decided.mode)
            self.assertEqual(
                "never backed up; full: there is no full backup to build on",
                decided.why,
            )

    def test_an_incremental_says_so(self) -> None:
        history = model.History(
            last_success_at=NOW - 2 * DAY, chain=(samples.backup(),)
        )
        decided = decide(samples.candidate(), history)
        self.assertEqual(task.Mode.INCREMENTAL, decided.mode)
        self.assertIn("; incremental: number 1 of 2", decided.why)

    def test_passing_statuses_are_postponed(self) -> None:
        for status in plan.PASSING:
            decided = decide(samples.candidate(status=status))
            self.assertEqual(What.POSTPONE, decided.what)
            self.assertEqual(f"volume v1 is in {status} status", decided.why)
            self.assertEqual(NOW, decided.postponed_since)

    def test_a_busy_server_postpones(self) -> None:
        decided = decide(samples.candidate(server_busy=True))
        self.assertEqual(What.POSTPONE, decided.what)
        self.assertIn("Nova", decided.why)

    def test_no_service_postpones(self) -> None:
        decided = decide(samples.candidate(), service_up=False)
        self.assertEqual(What.POSTPONE, decided.what)
        self.assertIn("no cinder-backup service", decided.why)

    def test_the_first_postponement_is_kept(self) -> None:
        record = samples.record(postponed_since=NOW - HOUR)
        decided = decide(
            samples.candidate(status="attaching"),
            model.History(record=record),
        )
        self.assertEqual(NOW - HOUR, decided.postponed_since)
        decided = decide(
            samples.candidate(status="attaching"),
            model.History(record=samples.record()),
        )
        self.assertEqual(NOW, decided.postponed_since)

    def test_only_a_due_volume_is_postponed_or_failed(self) -> None:
        young = model.History(last_success_at=NOW - HOUR)
        for status in ("attaching", "error", "migrating", "in-use"):
            decided = decide(
                samples.candidate(status=status, server_busy=True),
                young,
                service_up=False,
            )
            self.assertEqual(What.SKIP, decided.what)
            self.assertIn("until", decided.why)

    def test_an_odd_status_fails_once_until_it_is_reported(self) -> None:
        candidate = samples.candidate(status="error")
        decided = decide(candidate)
        self.assertEqual(What.FAIL, decided.what)
        self.assertEqual("volume v1 is in error status", decided.why)
        told = model.History(unreported_failures=frozenset({decided.why}))
        again = decide(candidate, told)
        self.assertEqual(What.SKIP, again.what)
        self.assertIn("a task failed for it already", again.why)
        other = decide(samples.candidate(status="migrating"), told)
        self.assertEqual(What.FAIL, other.what)


def volumes_of(**counts: int) -> list[model.Candidate]:
    return [
        samples.candidate(f"{project_id}-v{number}", project_id=project_id)
        for project_id, count in counts.items()
        for number in range(count)
    ]


class OrderTest(base.TestCase):
    def order(
        self,
        candidates: list[model.Candidate],
        histories: dict[str, model.History],
    ) -> list[str]:
        made = make(samples.inventory(*candidates), histories)
        ranks = [each.rank for each in made.decisions]
        self.assertEqual(sorted(set(ranks)), ranks)
        return [each.candidate.volume.id for each in made.decisions]

    def test_longest_unprotected_first(self) -> None:
        ages = {"v1": 2, "v2": 9, "v3": 5}
        histories = {
            volume_id: model.History(last_success_at=NOW - days * DAY)
            for volume_id, days in ages.items()
        }
        candidates = [samples.candidate(f"v{number}") for number in (1, 2, 3)]
        candidates.append(samples.candidate("v4"))  # never backed up
        for shuffled in itertools.permutations(candidates):
            self.assertEqual(
                ["v4", "v2", "v3", "v1"], self.order(list(shuffled), histories)
            )

    def test_to_the_microsecond(self) -> None:
        histories = {
            "v1": model.History(last_success_at=NOW - 2 * DAY),
            "v2": model.History(
                last_success_at=NOW - 2 * DAY - samples.MICROSECOND
            ),
            "v3": model.History(
                last_success_at=NOW - 2 * DAY + samples.MICROSECOND
            ),
        }
        candidates = [samples.candidate(each) for each in histories]
        self.assertEqual(["v2", "v1", "v3"], self.order(candidates, histories))

    def test_a_large_project_does_not_starve_a_small_one(self) -> None:
        order = self.order(volumes_of(big=50, small=2), {})
        self.assertEqual(
            {"small-v0", "small-v1"},
            set(order[:4]) & {"small-v0", "small-v1"},
        )

    @hypothesis.given(
        st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.data()
    )
    def test_fair_between_projects(
        self, one: int, two: int, three: int, data: st.DataObject
    ) -> None:
        candidates = volumes_of(p1=one, p2=two, p3=three)
        histories = {
            each.volume.id: model.History(
                last_success_at=NOW - data.draw(st.integers(1, 30)) * DAY
            )
            for each in candidates
            if data.draw(st.booleans())
        }
        order = self.order(candidates, histories)
        left = Counter(each.split("-")[0] for each in order)
        had: Counter[str] = Counter()
        for volume_id in order:
            project_id = volume_id.split("-")[0]
            had[project_id] += 1
            left[project_id] -= 1
            counts = [had[each] for each in left if left[each]]
            if counts:
                # Nobody who still waits had two turns fewer than another.
                self.assertLessEqual(max(had.values()) - min(counts), 1)

        def age(volume_id: str) -> str:
            last = histories.get(volume_id, model.History()).last_success_at
            return last.isoformat() if last else ""

        for project_id in left:
            ages = [age(each) for each in order if each.startswith(project_id)]
            self.assertEqual(sorted(ages), ages)


class PlanTest(base.TestCase):
    @hypothesis.given(samples.candidates(), st.data(), st.booleans())
    def test_one_decision_for_each_candidate(
        self,
        candidates: list[model.Candidate],
        data: st.DataObject,
        service_up: bool,
    ) -> None:
        histories = {
            each.volume.id: data.draw(samples.histories())
            for each in candidates
            if data.draw(st.booleans())
        }
        made = make(
            samples.inventory(*candidates), histories, service_up=service_up
        )
        self.assertEqual(
            sorted(each.volume.id for each in candidates),
            sorted(each.candidate.volume.id for each in made.decisions),
        )
        backups = made.of(What.BACK_UP)
        self.assertEqual(backups, list(made.decisions[: len(backups)]))
        for each in made.decisions:
            self.assertTrue(each.why)
            volume = each.candidate.volume
            history = histories.get(volume.id, model.History())
            backed_up = each.what is What.BACK_UP
            self.assertEqual(backed_up, each.mode is not None)
            self.assertEqual(
                each.what is What.POSTPONE, each.postponed_since is not None
            )
            if each.what is not What.SKIP:
                self.assertIsNone(history.live_task)
            if backed_up:
                self.assertTrue(service_up)
                self.assertFalse(each.candidate.server_busy)
                self.assertIn(volume.status, plan.READY)

    def test_complete_inventories_cancel(self) -> None:
        made = self.make(["v1"], {"v1": "t1", "v2": "t2", "v3": "t3"}, True)
        self.assertEqual(("t2", "t3"), made.cancelled)

    def test_incomplete_inventories_do_not(self) -> None:
        made = self.make([], {"v1": "t1"}, False)
        self.assertEqual((), made.cancelled)

    def make(
        self, volume_ids: list[str], planned: dict[str, str], complete: bool
    ) -> plan.Plan:
        return make(
            samples.inventory(
                *map(samples.candidate, volume_ids), complete=complete
            ),
            {},
            planned,
        )

    @hypothesis.given(
        st.sets(st.integers(0, 9)),
        st.sets(st.integers(0, 9)),
        st.sets(st.integers(0, 9)),
        st.booleans(),
    )
    def test_only_absence_from_a_complete_inventory_cancels(
        self,
        shown: set[int],
        lost: set[int],
        planned: set[int],
        complete: bool,
    ) -> None:
        tasks = {f"v{number}": f"t{number}" for number in planned}
        ids = [f"v{number}" for number in sorted(shown)]
        shorter = [f"v{number}" for number in sorted(shown - lost)]
        before = set(self.make(ids, tasks, complete).cancelled)
        after = set(self.make(shorter, tasks, complete).cancelled)
        if not complete:
            self.assertEqual((set(), set()), (before, after))
            return
        self.assertEqual({f"t{each}" for each in planned - shown}, before)
        self.assertEqual(
            before | {f"t{each}" for each in lost & shown & planned}, after
        )
