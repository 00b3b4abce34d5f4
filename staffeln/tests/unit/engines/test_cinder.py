# SPDX-License-Identifier: Apache-2.0
"""What the engine asks of the cloud, and how often."""

import datetime
import math

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import errors, model, naming, task
from staffeln.engines import cinder, following
from staffeln.tests import base
from staffeln.tests.fakes import fake_cloud

DEPLOYMENT = "dddddddd-dddd-dddd-dddd-dddddddddddd"
SECOND = datetime.timedelta(seconds=1)


def row(
    cloud: fake_cloud.FakeCloud,
    backup_id: str,
    created_at: datetime.datetime | None = None,
) -> model.Backup:
    """Our row of a backup of the cloud."""
    return model.Backup(
        id=backup_id,
        project_id="p",
        volume_id="v",
        state=model.BackupState.CREATING,
        incremental=None,
        created_at=created_at or cloud.now(),
    )


class TestCinderEngine(base.TestCase):
    """One call each."""

    def setUp(self) -> None:
        super().setUp()
        self.cloud = fake_cloud.FakeCloud()
        self.engine = cinder.CinderEngine(self.cloud)
        self.project = self.cloud.add_project()
        self.volume = self.cloud.add_volume(self.project, name="data")

    def work(self, **changes: object) -> task.Task:
        values: dict[str, object] = {
            "id": "task-1",
            "kind": task.Kind.BACKUP,
            "state": task.State.STARTING,
            "project_id": self.project,
            "volume_id": self.volume,
            "volume_name": "data",
            "volume_status": "available",
            "server_name": "web",
            "mode": task.Mode.FULL,
            "attempt": 1,
            "attempted_at": self.cloud.now(),
            "created_at": self.cloud.now(),
            "updated_at": self.cloud.now(),
        }
        return task.Task(**{**values, **changes})  # type: ignore[arg-type]

    def test_a_backup_carries_name_and_origin(self) -> None:
        found = self.engine.start(self.work(), DEPLOYMENT)
        made = self.cloud.backups[found]
        self.assertEqual("web_data_20260101T120000Z", self.cloud.names[found])
        self.assertEqual(
            naming.backup_metadata(DEPLOYMENT, "task-1", 1), made.metadata
        )
        self.assertFalse(made.incremental)

    def test_force_only_for_volumes_in_use(self) -> None:
        for status, force in (("available", False), ("in-use", True)):
            self.cloud.change_volume(self.volume, status=status)
            self.engine.start(self.work(volume_status=status), DEPLOYMENT)
            (request,) = self.cloud.calls[-1].args or (None,)
            if self.cloud.calls[-1].name == "token":
                (request,) = self.cloud.calls[-2].args
            assert isinstance(request, model.BackupRequest)
            self.assertIs(force, request.force)

    def test_an_incremental_is_asked_for(self) -> None:
        self.cloud.finish(self.engine.start(self.work(), DEPLOYMENT))
        found = self.engine.start(
            self.work(mode=task.Mode.INCREMENTAL, attempt=2), DEPLOYMENT
        )
        self.assertTrue(self.cloud.backups[found].incremental)

    def test_no_attempt_no_call(self) -> None:
        work = self.work(attempted_at=None)
        self.assertRaises(ValueError, self.engine.start, work, DEPLOYMENT)
        self.assertEqual([], self.cloud.calls)

    def test_the_newest_attempt_is_found(self) -> None:
        made = [
            self.cloud.add_backup(
                self.project,
                self.volume,
                metadata=naming.backup_metadata(deployment, name, attempt),
            )
            for deployment, name, attempt in (
                (DEPLOYMENT, "task-1", 2),
                (DEPLOYMENT, "task-1", 1),
                (DEPLOYMENT, "task-2", 9),
                ("another", "task-1", 9),
            )
        ]
        self.cloud.add_backup(self.project, self.volume)
        found = self.engine.find(self.work(), DEPLOYMENT)[0]
        self.assertEqual(made[0], found.id)
        self.assertEqual(
            [], self.engine.find(self.work(id="task-3"), DEPLOYMENT)
        )

    def test_an_attempt_that_cannot_be_read_is_the_oldest(self) -> None:
        metadata = naming.backup_metadata(DEPLOYMENT, "task-1", 1)
        good = self.cloud.add_backup(
            self.project, self.volume, metadata=metadata
        )
        self.cloud.add_backup(
            self.project,
            self.volume,
            metadata={**metadata, naming.METADATA_ATTEMPT: "many"},
        )
        found = self.engine.find(self.work(), DEPLOYMENT)[0]
        self.assertEqual(good, found.id)

    def test_looking_and_deleting(self) -> None:
        found = self.cloud.add_backup(self.project, self.volume)
        shown = self.engine.look(found)
        assert shown is not None
        self.assertEqual(found, shown.id)
        self.engine.delete(row(self.cloud, found))
        self.assertEqual("deleting", self.cloud.backups[found].status)
        self.cloud.finish(found)
        self.assertIsNone(self.engine.look(found))
        self.assertEqual("available", self.engine.volume_status(self.volume))
        self.assertIsNone(self.engine.volume_status("unknown"))

    def test_lost_rights_are_no_proof_of_an_absence(self) -> None:
        found = self.cloud.add_backup(self.project, self.volume)
        self.cloud.administrator = False
        for call, name in (
            (self.engine.look, found),
            (self.engine.volume_status, self.volume),
        ):
            self.assertRaises(errors.NotAdministratorError, call, name)

    def test_what_is_shown_needs_no_proof_of_rights(self) -> None:
        self.engine.look(self.cloud.add_backup(self.project, self.volume))
        self.engine.volume_status(self.volume)
        self.assertEqual(0, self.cloud.count("backup_services"))


class Mixture:
    """A cloud with backups of ours and of others, from old to new.

    ``e``: ours, ended; ``b``: ours, busy; ``x``: ours, known to have ended;
    ``f``: foreign, done; ``c``: foreign, busy.
    """

    def __init__(self, page: int, kinds: str) -> None:
        self.cloud = fake_cloud.FakeCloud(page_size=page)
        self.ours: list[model.Backup] = []
        self.known: list[datetime.datetime] = []
        self.ended: set[str] = set()
        for kind in kinds:
            self.cloud.pass_time(SECOND * 7)
            made = self.cloud.add_backup(
                "p", "v", status="creating" if kind in "bc" else "available"
            )
            if kind in "ebx":
                self.known.append(self.cloud.now())
            if kind in "eb":
                self.ours.append(row(self.cloud, made))
            if kind == "e":
                self.ended.add(made)
        busy = sum(kind in "bc" for kind in kinds)
        newer = len(kinds) - 1 - kinds.index("e") if self.ended else 0
        self.cheap = min(len(self.ended), math.ceil(newer / page))
        self.busy_pages = math.ceil(busy / page)
        self.bound = self.busy_pages + self.cheap + 2

    def follow(self) -> int:
        """A round, which must tell the truth; how many calls it took."""
        found = cinder.CinderEngine(self.cloud).ended(
            self.ours, "creating", self.known
        )
        assert set(found) == self.ended, (found, self.ended)
        assert None not in found.values()
        return len(self.cloud.calls)


PAGES = st.integers(1, 12)


class TestFollowing(base.TestCase):
    """A round of following."""

    @hypothesis.given(PAGES, st.text("eb", min_size=1, max_size=60))
    def test_the_bound_where_all_backups_are_ours(
        self, page: int, kinds: str
    ) -> None:
        mixture = Mixture(page, kinds)
        self.assertLessEqual(mixture.follow(), mixture.bound)

    @hypothesis.given(PAGES, st.text("ebx", min_size=1, max_size=60))
    def test_one_call_more_where_some_have_ended_before(
        self, page: int, kinds: str
    ) -> None:
        hypothesis.assume(set(kinds) & set("eb"))
        mixture = Mixture(page, kinds)
        self.assertLessEqual(mixture.follow(), mixture.bound + 1)

    @hypothesis.given(
        PAGES,
        st.text("fc", max_size=30),
        st.integers(1, 15),
        st.text("bc", max_size=30),
    )
    def test_the_bound_where_older_ones_end_first(
        self, page: int, foreign: str, ended: int, busy: str
    ) -> None:
        mixture = Mixture(page, foreign + "e" * ended + busy)
        self.assertLessEqual(mixture.follow(), mixture.bound)

    @hypothesis.given(PAGES, st.text("f", max_size=60), st.integers(1, 2))
    def test_the_bound_for_one_or_two(
        self, page: int, newer: str, count: int
    ) -> None:
        mixture = Mixture(page, "e" * count + newer)
        self.assertLessEqual(mixture.follow(), mixture.bound)

    @hypothesis.given(PAGES, st.text("ebfc", min_size=1, max_size=80))
    def test_any_cloud_stays_within_twice_what_is_needed(
        self, page: int, kinds: str
    ) -> None:
        hypothesis.assume(set(kinds) & set("eb"))
        mixture = Mixture(page, kinds)
        self.assertLessEqual(
            mixture.follow(), mixture.busy_pages + 2 * mixture.cheap + 4
        )

    def test_pages_alone_where_all_that_is_new_is_ours(self) -> None:
        """Whichever end: 11 pages hold them, and one call proves rights."""
        for first, step in ((0, 1), (900, 1), (400, 1), (3, 10)):
            kinds = ["b"] * 1000
            for number in range(first, first + 100 * step, step):
                kinds[number] = "e"
            for ended in (kinds, ["b"] * 1000):
                mixture = Mixture(100, "f" * 300 + "".join(ended))
                self.assertLessEqual(mixture.follow(), 12)

    def test_some_foreign_ones_between_ours(self) -> None:
        for share in (2, 3, 4, 5, 8, 20):
            for every in (10, 1001):
                kinds = "".join(
                    ("b" if number % every else "e")
                    + ("f" if number % share == 1 else "")
                    for number in range(1, 1000)
                )
                mixture = Mixture(100, "f" * 300 + kinds)
                self.assertLessEqual(mixture.follow(), mixture.bound + 2)

    def test_one_question_spares_many_pages(self) -> None:
        mixture = Mixture(2, "e" * 20 + "f" * 200 + "e")
        calls = mixture.follow()
        self.assertEqual(1, mixture.cloud.count("newest_backup"))
        self.assertEqual(20, mixture.cloud.count("backup"))
        self.assertLessEqual(calls, mixture.bound + 2)

    def test_one_question_spares_many_single_calls(self) -> None:
        mixture = Mixture(10, "f" * 500 + "e" * 40 + "f" * 20 + "e")
        calls = mixture.follow()
        self.assertEqual(1, mixture.cloud.count("newest_backup"))
        self.assertLessEqual(mixture.cloud.count("backup"), 1)
        self.assertLessEqual(calls, mixture.bound + 2)

    def test_backups_of_one_moment_are_told_apart(self) -> None:
        mixture = Mixture(4, "ebfcebfcebfcebfcebfcebfc")
        moment = mixture.cloud.now()
        for backup in list(mixture.cloud.backups):
            mixture.cloud.change_backup(backup, created_at=moment)
        mixture.ours = [
            row(mixture.cloud, backup.id, moment) for backup in mixture.ours
        ]
        mixture.follow()

    def test_rows_without_their_backups_end_the_pages_early(self) -> None:
        mixture = Mixture(2, "f" * 40 + "eee" + "f" * 3)
        hour = datetime.timedelta(hours=1)
        for backup in list(mixture.cloud.backups)[:40]:
            shown = mixture.cloud.backups[backup]
            mixture.cloud.change_backup(
                backup, created_at=shown.created_at - hour
            )
        gone = mixture.ours[0].id
        mixture.cloud.vanish(gone)
        found = cinder.CinderEngine(mixture.cloud).ended(
            mixture.ours, "creating"
        )
        self.assertEqual(3, len(found))
        self.assertIsNone(found[gone])
        self.assertLessEqual(len(mixture.cloud.calls), 7)

    def test_nothing_to_follow_asks_nothing(self) -> None:
        cloud = fake_cloud.FakeCloud()
        self.assertEqual({}, cinder.CinderEngine(cloud).ended([], "creating"))
        self.assertEqual([], cloud.calls)

    def test_no_administrator_no_list(self) -> None:
        mixture = Mixture(3, "eee")
        mixture.cloud.administrator = False
        engine = cinder.CinderEngine(mixture.cloud)
        self.assertRaises(
            errors.NotAdministratorError,
            engine.ended,
            mixture.ours,
            "creating",
        )
        self.assertEqual(1, len(mixture.cloud.calls))

    def test_a_list_that_fails_says_nothing(self) -> None:
        mixture = Mixture(3, "bbbbbbeee")
        mixture.cloud.fail("backup_pages", errors.NoAnswerError("x"))
        engine = cinder.CinderEngine(mixture.cloud)
        self.assertRaises(
            errors.NoAnswerError, engine.ended, mixture.ours, "creating"
        )

    def test_what_no_list_shows_is_asked_for(self) -> None:
        mixture = Mixture(4, "eeeeeeee")
        hidden, gone = mixture.ours[0].id, mixture.ours[1].id
        mixture.cloud.hidden.add(hidden)
        mixture.cloud.vanish(gone)
        found = cinder.CinderEngine(mixture.cloud).ended(
            mixture.ours, "creating"
        )
        self.assertEqual(8, len(found))
        self.assertIsNone(found[gone])
        self.assertIsNotNone(found[hidden])

    def test_what_cannot_be_read_is_left_out(self) -> None:
        mixture = Mixture(4, "eeee")
        first = mixture.ours[0].id
        mixture.cloud.malformed.add(first)
        mixture.cloud.fail("backup", errors.NoAnswerError("lost"))
        found = cinder.CinderEngine(mixture.cloud).ended(
            mixture.ours, "creating"
        )
        self.assertEqual(3, len(found))
        self.assertNotIn(first, found)
        self.assertIn(first, self.log.output)

    def test_a_cloud_that_does_not_answer_is_not_asked_for_each(self) -> None:
        mixture = Mixture(1, "e" * 20)
        mixture.cloud.fail("backup", errors.NoAnswerError("x"), times=99)
        found = cinder.CinderEngine(mixture.cloud).ended(
            mixture.ours, "creating"
        )
        self.assertEqual({}, found)
        self.assertEqual(
            following.FAILURES_TO_STOP, mixture.cloud.count("backup")
        )

    def test_a_row_with_our_own_time_is_found_all_the_same(self) -> None:
        mixture = Mixture(2, "eeeeee")
        ours = [
            row(mixture.cloud, backup.id, backup.created_at + SECOND * 500)
            for backup in mixture.ours
        ]
        found = cinder.CinderEngine(mixture.cloud).ended(ours, "creating")
        self.assertEqual(mixture.ended, set(found))

    def test_what_is_deleted_needs_its_own_proof(self) -> None:
        mixture = Mixture(3, "eeeeeeee")
        gone = [backup.id for backup in mixture.ours[:4]]
        for backup in mixture.ours:
            mixture.cloud.change_backup(backup.id, status="deleting")
        for backup_id in gone:
            mixture.cloud.finish(backup_id)
        found = cinder.CinderEngine(mixture.cloud).ended(
            mixture.ours, "deleting"
        )
        self.assertEqual(dict.fromkeys(gone), found)
        self.assertEqual(2, mixture.cloud.count("backup_pages"))
