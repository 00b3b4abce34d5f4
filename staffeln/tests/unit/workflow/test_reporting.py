# SPDX-License-Identifier: Apache-2.0
"""Who is told what, when, and what is kept of it."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import fixtures

from staffeln.domain import errors, model, receivers, report, task
from staffeln.tests.fakes import post
from staffeln.tests.unit.workflow import reporting_case, world
from staffeln.tests.unit.workflow.reporting_case import DAY, SECOND
from staffeln.workflow.press import Press


class MembersTest(reporting_case.ReportingCase):
    """Each project has a message of its own."""

    def test_what_ended_is_told_once_and_purged(self) -> None:
        self.end("t1", "t2")
        self.end("t3", project="pb")
        self.round()
        told = {"pa@example.org": ["t1", "t2"], "pb@example.org": ["t3"]}
        self.assertEqual(told, self.told())
        self.assertEqual([], self.left())
        self.assertEqual(0, self.not_done())
        self.pass_time()
        self.round()
        self.assertEqual(told, self.told())
        self.assertEqual(
            [
                (("pa",), ("pa@example.org",)),
                (("pb",), ("pb@example.org",)),
            ],
            sorted(self.witness.sent),
        )
        self.assertEqual(2, len(self.folder.kept))

    def test_nobody_is_told_before_it_is_time(self) -> None:
        self.end("young", age=DAY - SECOND)
        self.round()
        self.assertEqual({}, self.told())
        self.pass_time(SECOND)
        self.end("younger", age=SECOND)
        self.round()
        self.assertEqual({"pa@example.org": ["young", "younger"]}, self.told())

    def test_a_report_says_all_there_is_to_say(self) -> None:
        ends: dict[str, dict[str, Any]] = {
            "failed": {},
            "made": {"state": task.State.SUCCEEDED},
            "dropped": {"state": task.State.CANCELLED},
            "gone": {
                "state": task.State.SUCCEEDED,
                "kind": task.Kind.DELETE,
                "mode": None,
                "backup_id": "b1",
            },
        }
        for name, changes in ends.items():
            self.end(name, **changes)
        self.cloud.change_project("pa", max_backups=7)
        notice = report.Notice(
            topic=report.Topic.STALE, project_id="pa", volume_id="v", why="."
        )
        brake = model.Brake(kind=task.Kind.BACKUP, since=self.time)
        self.concerns = dataclasses.replace(
            self.concerns,
            notices={"pa": (notice,)},
            brakes=(brake,),
            hands=("a secret of the operators",),
        )
        self.round()
        (what,) = self.scribe.reports
        (project,) = what.projects
        self.assertEqual("name of pa", project.project_name)
        self.assertEqual(
            [["failed"], ["made"], ["dropped"], ["gone"]],
            [
                [each.work.id for each in found]
                for found in (
                    project.failed,
                    project.succeeded,
                    project.cancelled,
                    project.removed,
                )
            ],
        )
        assert project.quotas
        self.assertEqual(7, project.quotas.backups.limit)
        self.assertEqual((notice,), project.notices)
        self.assertFalse(what.detailed)
        self.assertEqual((brake.in_words(),), what.remarks)
        self.assertEqual(self.time - DAY, what.since)

    def test_a_server_that_is_away_makes_one_line(self) -> None:
        for number in range(3):
            self.end(f"t{number}", project=f"p{number}")
            self.add_project(f"p{number}")
        self.post.away = True
        self.round()
        self.assertEqual(1, len(self.calls("quotas")))
        self.assertEqual(1, len(self.calls("members")))
        (line,) = (
            line
            for line in self.log.output.splitlines()
            if line.startswith("ERROR")
        )
        self.assertIn("3 report(s) were not sent: not tried again", line)
        self.assertEqual(3, len(self.left()))
        self.post.away = False
        self.pass_time()
        self.round()
        self.assertEqual([], self.left())
        self.assertEqual(3, len(self.told()))

    def test_one_projects_failure_holds_nobody_else_up(self) -> None:
        self.end("t1")
        self.end("t2", project="pb")
        self.post.fails = self.failing("pa@example.org")
        self.round()
        self.assertEqual({"pb@example.org": ["t2"]}, self.told())
        self.assertEqual(["t1"], self.left())
        self.assertEqual([("pa",)], self.witness.failed)
        self.assertIn("550 no such user", self.log.output)
        self.end("t3", age=SECOND)
        self.post.fails = lambda _to: False
        self.round()
        self.assertEqual(["t1", "t3"], self.told()["pa@example.org"])
        self.assertEqual([], self.left())

    def test_those_that_failed_come_last_the_next_time(self) -> None:
        self.end("t1", age=2 * DAY)
        self.end("t2", project="pb")
        self.post.fails = self.failing("pa@example.org")
        self.round()
        self.end("t3", project="pb")
        self.round()
        self.assertEqual(
            [("pa",), ("pb",), ("pb",), ("pa",)],
            [(to[0][:2],) for to in self.post.asked],
        )

    def test_messages_that_fail_take_not_all_the_time(self) -> None:
        """However many projects hang, the others are served in the end."""
        for number in range(20):
            self.add_project(f"p{number}")
            self.end(f"t{number}", project=f"p{number}")

        def hang(_to: tuple[str, ...]) -> bool:
            self.time += datetime.timedelta(minutes=2)
            return True

        self.post.fails = hang
        self.round()
        self.assertEqual(3, len(self.post.asked))
        self.assertIn("17 of them wait for the next round", self.log.output)
        for _ in range(6):
            self.round()
        asked = [to[0] for to in self.post.asked]
        self.assertEqual(20, len(set(asked)))
        self.assertEqual(asked[0], asked[20])

    def test_slow_failures_starve_nobody(self) -> None:
        """Twenty projects hang, at each try; twenty younger ones do not."""
        for number in range(20):
            for kind, age in (("bad", 2 * DAY), ("good", DAY)):
                name = f"{kind}{number:02}"
                self.add_project(name)
                self.end(f"t of {name}", project=name, age=age)

        def hang(to: tuple[str, ...]) -> bool:
            if to[0].startswith("bad"):
                self.time += datetime.timedelta(seconds=60)
            return to[0].startswith("bad")

        self.post.fails = hang
        for _ in range(5):
            self.round()
        self.assertEqual(20, len(self.told()))

    def test_hanging_members_keep_nothing_from_the_operators(self) -> None:
        self.obey(operators=("ops@example.org",))
        for number in range(9):
            self.add_project(f"p{number}")
            self.end(f"t{number}", project=f"p{number}")
        self.end("t", project="deleted", age=2 * DAY)

        def hang(to: tuple[str, ...]) -> bool:
            self.time += datetime.timedelta(minutes=2)
            return to != ("ops@example.org",)

        self.post.fails = hang
        self.round()
        self.assertEqual({"ops@example.org": ["t"]}, self.told())

    def test_a_process_that_is_to_end_begins_no_other_message(self) -> None:
        self.end("t1")
        self.stopping = True
        self.round()
        self.assertEqual({}, self.told())
        self.assertEqual(["t1"], self.left())

    def test_what_cannot_be_rendered_is_told_later(self) -> None:
        self.end("t1")
        self.scribe.failure = ValueError("a bug")
        self.round()
        self.assertEqual(["t1"], self.left())
        self.assertEqual(0, self.not_done())
        self.scribe.failure = None
        self.round()
        self.assertEqual({"pa@example.org": ["t1"]}, self.told())

    def test_quotas_that_cannot_be_read_hold_nothing_up(self) -> None:
        names = [f"p{number}" for number in range(6)]
        for name in names:
            self.add_project(name)
            self.end(f"t of {name}", project=name)
        self.cloud.fail("quotas", errors.NoAnswerError("timed out"), times=9)
        self.round()
        self.assertEqual(6, len(self.told()))
        self.assertEqual(
            {None},
            {
                each.quotas
                for what in self.scribe.reports
                for each in what.projects
            },
        )
        self.assertEqual(3, len(self.calls("quotas")))

    def calls(self, name: str) -> list[Any]:
        return [each for each in self.cloud.calls if each.name == name]

    # -- what cannot be made -------------------------------------------------

    def test_it_goes_to_the_operators_in_the_end(self) -> None:
        self.obey(operators=("ops@example.org",))
        self.scribe.spoils = "pa"
        self.end("t1", volume_id="v1")
        self.end("t2", project="pb")
        self.round()
        self.assertEqual({"pb@example.org": ["t2"]}, self.told())
        self.assertIn("(project pa) cannot be made", self.log.output)
        self.pass_time(3 * DAY)
        self.round()
        self.assertEqual(["t1"], self.left())
        self.pass_time(SECOND)
        self.round()
        self.assertEqual(
            ["project pa: task t1, backup of volume v1, failed"],
            self.told()["ops@example.org"],
        )
        self.assertEqual([], self.left())

    def test_without_operators_the_log_gets_what_cannot_be_made(self) -> None:
        self.scribe.spoils = "pa"
        self.end("t1", project="pa", age=4 * DAY + SECOND)
        self.round()
        self.assertIn("project pa: task t1, backup of", self.log.output)
        self.assertEqual([], self.left())

    def test_among_what_is_for_the_operators(self) -> None:
        """A deleted project, and one that was: both are told of."""
        self.obey(operators=("ops@example.org",))
        self.scribe.spoils = "gone"
        self.end("t1", project="gone", volume_id="v1")
        self.end("t2", project="away")
        self.round()
        self.assertEqual(
            {
                "ops@example.org": [
                    "t2",
                    "project gone: task t1, backup of volume v1, failed",
                ]
            },
            self.told(),
        )
        self.assertEqual([], self.left())

    def test_sent_before_and_not_to_be_made_any_more(self) -> None:
        self.obey(operators=("ops@example.org",))
        self.end("t1", volume_id="v1")
        self.post.loses = True
        self.round()
        self.post.loses = False
        self.scribe.spoils = "pa"
        self.round()
        self.assertEqual({}, self.told())
        self.pass_time(3 * DAY + SECOND)
        self.round()
        self.assertEqual(
            ["project pa: task t1, backup of volume v1, failed"],
            self.told()["ops@example.org"],
        )

    # -- a task that took long -----------------------------------------------

    def test_a_task_that_took_long_is_not_late_at_once(self) -> None:
        self.obey(operators=("ops@example.org",))
        self.end("t1", age=9 * DAY, finished_at=self.time)
        self.post.fails = self.failing("pa@example.org")
        self.round()
        self.assertEqual({}, self.told())
        self.pass_time(3 * DAY)
        self.round()
        self.assertEqual({}, self.told())
        self.pass_time(SECOND)
        self.round()
        self.assertEqual({"ops@example.org": ["t1"]}, self.told())

    # -- who, and who not ----------------------------------------------------

    def test_without_a_reader_it_waits(self) -> None:
        self.cloud.add_project("lonely", name="lonely")
        self.end("t1", project="lonely")
        self.round()
        self.assertEqual({}, self.told())
        self.assertEqual(["t1"], self.left())
        self.assertIn("no member has an e-mail address", self.log.output)

    def test_what_finds_no_reader_for_long_goes_to_the_operators(
        self,
    ) -> None:
        self.obey(operators=("ops@example.org",))
        self.cloud.add_project("lonely", name="lonely")
        self.cloud.add_project("lost", name="lost")
        self.end("t1", project="lonely", age=4 * DAY)
        self.end("t2", project="lost", age=4 * DAY)
        self.round()
        self.assertEqual({}, self.told())
        self.pass_time(SECOND)
        self.round()
        self.assertEqual({"ops@example.org": ["t1", "t2"]}, self.told())
        self.assertEqual([], self.left())
        self.assertTrue(self.scribe.reports[-1].detailed)

    def test_the_news_of_deleted_projects_go_to_the_operators(self) -> None:
        self.obey(operators=("ops@example.org",))
        self.end("t1", project="deleted")
        self.end("t2", project="")
        self.round()
        self.assertEqual({"ops@example.org": ["t1", "t2"]}, self.told())
        asked = [each for each in self.cloud.calls if each.name == "project"]
        self.assertEqual([("deleted",)], [each.args for each in asked])

    def test_nobody_takes_a_project_for_deleted_without_a_proof(self) -> None:
        self.obey(operators=("ops@example.org",))
        self.end("t1", project="unknown")
        self.cloud.fail("project", errors.NoAnswerError("502"))
        self.round()
        self.assertEqual({}, self.told())

    def test_without_operators_the_log_gets_it(self) -> None:
        self.end("t1", project="deleted")
        self.round()
        self.assertEqual({}, self.told())
        self.assertEqual([], self.left())
        self.assertIn("t1", self.log.output)

    def test_refused_for_long_it_goes_to_the_operators(self) -> None:
        self.obey(operators=("ops@example.org",))
        self.end("t1", age=4 * DAY + SECOND)
        self.post.fails = self.failing("pa@example.org")
        self.round()
        self.assertEqual({"ops@example.org": ["t1"]}, self.told())
        self.assertEqual([], self.left())

    def test_however_old_the_readers_are_asked_first(self) -> None:
        self.obey(operators=("ops@example.org",))
        self.end("t1", age=100 * DAY)
        self.round()
        self.assertEqual({"pa@example.org": ["t1"]}, self.told())

    def test_a_projects_mailbox(self) -> None:
        self.cloud.change_project("pa", name="team-a")
        self.obey(project_domain="teams.example.org")
        self.end("t1")
        self.end("t2", project="pb")
        self.round()
        self.assertEqual(
            {"team-a@teams.example.org": ["t1"], "pb@example.org": ["t2"]},
            self.told(),
        )

    def test_members_do_not_get_what_belongs_into_a_mailbox(self) -> None:
        """Whatever Keystone does not tell at this moment."""
        self.obey(project_domain="teams.example.org")
        self.end("t1")
        self.cloud.fail("project_list", errors.NoAnswerError("502"))
        self.round()
        self.assertEqual({}, self.told())
        self.assertEqual(["t1"], self.left())

    # -- a message whose outcome nobody knows -------------------------------

    def test_it_is_sent_again_under_the_same_id(self) -> None:
        self.end("t1")
        self.post.silent = True
        self.round()
        self.assertEqual(["t1"], self.left())
        self.end("t2")
        self.post.silent = False
        self.round()
        self.assertEqual([], self.left())
        told = self.post.told()
        self.assertEqual(2, len(told["t1"]))
        self.assertEqual(1, len(set(told["t1"])))
        self.assertEqual(1, len(told["t2"]))
        self.assertNotIn(told["t2"][0], told["t1"])

    def rounds(self, hours: int) -> list[int]:
        """A round each half an hour; in which of them something was sent."""
        found = []
        for number in range(2 * hours):
            before = len(self.post.asked)
            self.round()
            if len(self.post.asked) > before:
                found.append(number)
            self.pass_time(DAY / 48)
        return found

    def test_it_comes_again_at_growing_intervals_and_not_for_ever(
        self,
    ) -> None:
        """A server takes each message, and no answer ever tells so."""
        self.obey(operators=("ops@example.org",))
        self.end("t1")
        self.post.silent = True
        self.assertEqual([0, 1, 2, 4, 8, 16], self.sent_in(self.rounds(96)))
        self.assertEqual(
            [("pa@example.org",)] * 5 + [("ops@example.org",)],
            [letter.to for letter in self.post.arrived],
        )
        self.assertEqual([], self.left())
        self.assertEqual(0, self.not_done())
        self.assertIn("was sent 5 times and no answer", self.log.output)

    def sent_in(self, rounds: list[int]) -> list[int]:
        """Without the summaries, that come each day."""
        return rounds[: len(self.post.arrived)]

    def test_nobody_but_the_log_is_left(self) -> None:
        """The operators are those of whom no answer comes."""
        self.obey(operators=("o@example.org",), receivers=("o@example.org",))
        self.end("t1")
        self.post.loses = True
        self.rounds(20)
        self.assertEqual([], self.left())
        self.assertIn("INFO staffeln.workflow.press: t1", self.log.output)

    def test_refusals_bring_it_no_nearer_to_its_end(self) -> None:
        self.end("t1")
        self.post.loses = True
        self.round()
        self.post.fails = self.failing()
        for _ in range(9):
            self.round()
        (known,) = self.store.reports_not_done()
        self.assertEqual(1, known.attempts)
        self.post.fails = lambda _to: False
        self.post.loses = False
        self.round()
        self.assertEqual({"pa@example.org": ["t1"]}, self.told())

    def test_readers_and_operators_do_not_get_it_in_turns(self) -> None:
        """However late it is: no answer is no refusal."""
        self.obey(operators=("ops@example.org",))
        self.end("t1", age=9 * DAY)
        self.post.silent = True
        self.round()
        self.round()
        self.assertEqual(
            {("pa@example.org",)}, {letter.to for letter in self.post.arrived}
        )

    def test_those_open_for_long_starve_no_other(self) -> None:
        """The one tried longest ago comes first."""
        for number in range(9):
            self.add_project(f"p{number}")
            self.end(f"t{number}", project=f"p{number}")
        self.post.loses = True
        self.round()
        self.post.loses = False
        self.post.asked.clear()

        def hang(to: tuple[str, ...]) -> bool:
            self.time += datetime.timedelta(minutes=2)
            if to[0] != "p8@example.org":
                raise errors.MailUncertainError("no answer")
            return False

        self.post.fails = hang
        for _ in range(3):
            self.round()
        self.assertEqual({"p8@example.org": ["t8"]}, self.told())

    def test_it_is_said_that_nobody_reads_it(self) -> None:
        self.end("t1")
        self.post.loses = True
        self.round()
        self.cloud.assignments.clear()
        self.round()
        self.assertIn("Nobody reads report", self.log.output)

    def test_it_keeps_its_tasks_and_id_while_it_is_refused(self) -> None:
        self.end("t1")
        self.post.silent = True
        self.round()
        self.post.fails = self.failing()
        self.end("t2")
        self.round()
        self.assertEqual(1, self.not_done())
        self.post.fails = lambda _to: False
        self.post.silent = False
        self.round()
        self.assertEqual(1, len(set(self.post.told()["t1"])))
        self.assertEqual([], self.left())

    def test_for_long_it_goes_to_the_operators(self) -> None:
        self.obey(operators=("ops@example.org",))
        self.end("t1")
        self.post.loses = True
        self.round()
        self.pass_time(3 * DAY + SECOND)
        self.post.loses = False
        self.post.fails = self.failing("pa@example.org")
        self.round()
        self.assertEqual({"ops@example.org": ["t1"]}, self.told())
        self.assertEqual([], self.left())

    def test_under_other_options_its_tasks_go_into_other_reports(
        self,
    ) -> None:
        self.obey(receivers=("all@example.org",))
        self.end("t1")
        self.end("t2", project="pb")
        self.post.loses = True
        self.round()
        self.post.loses = False
        self.obey(receivers=())
        self.round()
        self.round()
        self.assertEqual(
            {"pa@example.org": ["t1"], "pb@example.org": ["t2"]}, self.told()
        )

    def test_without_a_reader_by_now_it_waits_for_one(self) -> None:
        """Who might have got it before, gets no other one."""
        self.obey(operators=("ops@example.org",))
        self.end("t1")
        self.post.loses = True
        self.round()
        self.post.loses = False
        self.cloud.assignments.clear()
        self.round()
        self.assertEqual({}, self.told())
        self.assertEqual(1, self.not_done())
        self.pass_time(3 * DAY + SECOND)
        self.round()
        self.assertEqual({"ops@example.org": ["t1"]}, self.told())

    def test_one_to_the_operators_stays_one_to_the_operators(self) -> None:
        self.obey(operators=("ops@example.org",))
        self.end("t1", project="deleted")
        self.post.silent = True
        self.round()
        self.post.silent = False
        self.round()
        self.assertEqual(
            [("ops@example.org",)] * 2,
            [letter.to for letter in self.post.arrived],
        )
        self.assertEqual(1, len(set(self.post.told()["t1"])))
        self.assertTrue(self.scribe.reports[-1].detailed)

    def test_members_never_get_what_was_made_for_all(self) -> None:
        """It may be of one project only, and has hosts and paths in it."""
        self.obey(receivers=("all@example.org",))
        self.end("t1")
        self.post.loses = True
        self.round()
        self.post.loses = False
        self.obey(receivers=())
        self.round()
        self.round()
        self.assertEqual({"pa@example.org": ["t1"]}, self.told())
        self.assertFalse(self.scribe.reports[-1].detailed)

    # -- what the database and the office do ---------------------------------

    def test_another_scheduler_ends_the_round(self) -> None:
        self.end("t1")
        self.term = self.store.take_office("c2")
        self.assertRaises(errors.OvertakenError, self.round)
        self.assertEqual({}, self.told())

    def let_fail(self, method: str, error: Exception, *, times: int) -> None:
        """Let a method of the database fail."""
        real, left = getattr(self.store, method), times

        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left >= 0:
                raise error
            return real(*arguments, **named)

        self.useFixture(
            fixtures.MonkeyPatch(
                f"staffeln.tests.fakes.memory_store.MemoryStore.{method}",
                lambda _self, *arguments, **named: call(*arguments, **named),
            )
        )

    def test_a_database_that_stumbles_holds_no_other_report_up(self) -> None:
        self.end("t1", age=2 * DAY)
        self.end("t2", project="pb")
        self.let_fail("finished", errors.StoreError("deadlock"), times=1)
        self.round()
        self.assertEqual({"pb@example.org": ["t2"]}, self.told())
        self.assertIn("project pa: deadlock", self.log.output)
        self.round()
        self.assertEqual(["t1"], self.told()["pa@example.org"])
        self.assertEqual([], self.left())

    def test_a_database_that_is_away_ends_the_round(self) -> None:
        for number in range(5):
            self.add_project(f"p{number}")
            self.end(f"t{number}", project=f"p{number}")
        self.let_fail("finished", errors.StoreError("away"), times=9)
        self.assertRaises(errors.StoreError, self.round)
        self.assertEqual(3, self.not_done())
        self.assertEqual({}, self.told())

    def test_what_was_sent_and_not_noted_is_sent_again(self) -> None:
        self.end("t1")
        self.let_fail("note_delivered", errors.StoreError("away"), times=1)
        self.round()
        self.assertEqual(["t1"], self.left())
        self.round()
        self.assertEqual(2, len(self.post.arrived))
        self.assertEqual(1, len(set(self.post.told()["t1"])))
        self.assertEqual([], self.left())

    def test_what_was_noted_is_purged_by_the_next_round(self) -> None:
        self.end("t1")
        self.let_fail("purge_report", errors.StoreError("away"), times=1)
        self.round()
        self.assertEqual(["t1"], self.left())
        self.round()
        self.assertEqual([], self.left())
        self.assertEqual(1, len(self.post.arrived))

    def test_members_that_cannot_be_read_are_asked_for_later(self) -> None:
        self.end("t1")
        self.cloud.fail("members", errors.NoAnswerError("502"))
        self.round()
        self.assertEqual({}, self.told())
        self.assertIn("502", self.log.output)
        self.round()
        self.assertEqual({"pa@example.org": ["t1"]}, self.told())

    def test_an_observer_or_a_shelf_that_fails_sends_nothing_twice(
        self,
    ) -> None:
        """Neither may raise; were one to, the message is sent all the same."""
        self.end("t1")
        self.useFixture(
            fixtures.MonkeyPatch(
                "staffeln.tests.fakes.post.Folder.keep", _raise
            )
        )
        self.round()
        self.assertIn("an unexpected error", self.log.output)
        self.round()
        self.assertEqual(1, len(self.post.arrived))
        self.assertEqual([], self.left())

    def test_rows_of_reports_go_after_a_month(self) -> None:
        self.end("t1")
        self.round()
        self.pass_time(29 * DAY)
        self.round()
        self.assertEqual(
            0, self.store.forget_reports(self.term, START_OF_TIME)
        )
        self.pass_time(2 * DAY)
        self.round()
        self.assertEqual(0, self.store.forget_reports(self.term, self.time))


def _raise(*_: object) -> None:
    raise RuntimeError("a bug")


START_OF_TIME = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  UTC by rule


class EverybodyTest(reporting_case.ReportingCase):
    """One message with all due projects."""

    def test_receivers_get_all_due_projects_in_one(self) -> None:
        self.obey(receivers=("x@example.org", "y@example.org"))
        self.end("t1")
        self.end("t2", project="pb", age=2 * DAY)
        self.add_project("pc")
        self.end("young", project="pc", age=SECOND)
        self.concerns = dataclasses.replace(
            self.concerns, hands=("retention waits for a yes",)
        )
        self.round()
        self.assertEqual(
            {"x@example.org, y@example.org": ["t1", "t2"]}, self.told()
        )
        (what,) = self.scribe.reports
        self.assertEqual(
            ["pa", "pb"], [each.project_id for each in what.projects]
        )
        self.assertTrue(what.detailed)
        self.assertEqual(("retention waits for a yes",), what.remarks)
        self.assertEqual(["young"], self.left())

    def test_without_a_sender_the_log_gets_all(self) -> None:
        self.obey(sender=None, receivers=("x@example.org",))
        self.end("t1")
        self.end("t2", project="pb")
        self.round()
        self.assertEqual([], self.post.asked)
        self.assertEqual([], self.left())
        for line in ("INFO staffeln.workflow.press: t1", "the log"):
            self.assertIn(line, self.log.output)

    def test_nothing_is_asked_where_nothing_is_due(self) -> None:
        self.obey(receivers=("x@example.org",))
        self.cloud.calls.clear()
        self.round()
        self.assertEqual([], self.cloud.calls)

    def test_for_long_it_goes_to_the_operators(self) -> None:
        self.obey(receivers=("x@example.org",), operators=("o@example.org",))
        self.end("t1", age=4 * DAY + SECOND)
        self.end("t2", project="pb")
        self.post.fails = self.failing("x@example.org")
        self.round()
        self.assertEqual({"o@example.org": ["t1", "t2"]}, self.told())

    def test_what_cannot_be_made_holds_nobody_else_up(self) -> None:
        self.obey(receivers=("x@example.org",), operators=("o@example.org",))
        self.scribe.spoils = "pa"
        self.end("t1", volume_id="v1")
        self.end("t2", project="pb")
        self.round()
        self.assertEqual({"x@example.org": ["t2"]}, self.told())
        self.assertIn("Project(s) pa are left out", self.log.output)
        self.pass_time(3 * DAY + SECOND)
        self.round()
        self.assertEqual(
            ["project pa: task t1, backup of volume v1, failed"],
            self.told()["o@example.org"],
        )
        self.assertEqual([], self.left())

    def test_a_server_that_is_away_loses_nothing(self) -> None:
        self.obey(receivers=("x@example.org",))
        self.end("t1")
        self.post.fails = self.failing()
        for _ in range(5):
            self.round()
            self.assertEqual(["t1"], self.left())
            self.pass_time(DAY / 2)
        self.post.fails = lambda _to: False
        self.round()
        self.assertEqual({"x@example.org": ["t1"]}, self.told())
        self.assertEqual(1, len(self.post.arrived))


class SchedulerTest(world.WorldTest):
    """After each cycle, once."""

    def setUp(self) -> None:
        super().setUp()
        self.post = post.PostOffice()
        self.world = self.new_world(
            press=Press(
                policy=receivers.Policy(
                    sender="staffeln@example.org",
                    receivers=("x@example.org",),
                    period=world.HOUR,
                ),
                renderer=post.Scribe(),
                mailer=self.post,
            )
        )
        self.scheduler = self.world.processes["c1"].scheduler

    def test_what_a_cycle_did_is_told_after_a_later_one(self) -> None:
        volume_id = self.world.protect()
        self.world.backup_cycle()
        made = self.world.task_of(volume_id)
        self.assertEqual(0, self.scheduler.report())
        self.assertEqual([], self.post.arrived)
        self.world.pass_time(world.HOUR - SECOND)
        self.scheduler.report()
        self.assertEqual([], self.post.arrived)
        self.world.pass_time(SECOND)
        self.world.lead()
        self.scheduler.report()
        self.assertIn(made.id, self.post.told())
        self.assertIsNone(self.world.store.get_task(made.id))
        self.assertEqual(1, len(self.world.rows(volume_id)))

    def test_a_term_waits_for_its_first_cycle_but_not_for_ever(self) -> None:
        """While Keystone is away mail may work, and people are told."""
        volume_id = self.world.protect()
        self.world.backup_cycle()
        made = self.world.task_of(volume_id)
        self.world.pass_time(world.DAY)
        self.scheduler.take_office()
        self.scheduler.report()
        self.world.pass_time(world.HOUR - SECOND)
        self.scheduler.report()
        self.assertEqual([], self.post.arrived)
        self.world.pass_time(SECOND)
        self.world.cloud.fail("project_list", errors.NoAnswerError("502"))
        self.scheduler.report()
        self.assertIn(made.id, self.post.told())

    def test_while_no_cycle_ends_it_goes_on_at_their_pace(self) -> None:
        self.world.lead()
        asked = []
        self.useFixture(
            fixtures.MonkeyPatch(
                "staffeln.workflow.reporting.Reporting.round",
                lambda _self: asked.append(self.world.clock()),
            )
        )
        for _ in range(13):
            self.scheduler.report()
            self.world.pass_time(world.HOUR / 4)
        self.assertEqual(4, len(asked))

    def test_it_is_said_that_no_cycle_ends(self) -> None:
        """To all readers; what an old harvest showed is left out."""
        concerns = self.scheduler._protecting.concerns
        self.assertIn(
            "no complete backup cycle has ended yet", str(concerns())
        )
        self.world.protect(status="attaching")
        self.world.lead()
        found = concerns()
        self.assertEqual("", found.silence)
        self.assertNotEqual({}, found.demands)
        self.assertIsNotNone(found.cycle)
        self.world.pass_time(3 * world.HOUR + SECOND)
        found = concerns()
        self.assertIn("no backup cycle has ended since 20", found.silence)
        self.assertIn(found.silence, found.for_operators)
        self.assertIn(found.silence, found.remarks("p"))
        self.assertEqual(({}, {}), (found.notices, found.demands))
        self.assertIsNone(found.cycle)
        self.world.lead()
        self.assertEqual("", concerns().silence)

    def test_a_volume_goes_on_being_protected_after_the_purge(self) -> None:
        volume_id = self.world.protect()
        for _ in range(6):
            self.world.backup_cycle()
            self.scheduler.report()
            self.world.pass_time(world.DAY)
        self.assertEqual(6, len(self.world.made(volume_id)))
        self.assertEqual(
            [False, True, True] * 2,
            [row.incremental for row in self.world.rows(volume_id)],
        )


class NobodyTest(world.WorldTest):
    def test_without_a_press_there_are_no_reports(self) -> None:
        made = self.new_world()
        made.lead()
        self.assertEqual(0, made.processes["c1"].scheduler.report())
