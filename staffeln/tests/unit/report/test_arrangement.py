# SPDX-License-Identifier: Apache-2.0
import dataclasses

from staffeln.domain import report, task
from staffeln.report import arrangement, view
from staffeln.report import rows as rows_module
from staffeln.report.view import Tone
from staffeln.tests import base
from staffeln.tests.unit.report import samples


def rows(shown: view.View) -> int:
    return sum(
        len(listing.rows)
        for part in shown.detailed_parts
        for listing in (part.failed, *part.notices, part.succeeded)
    )


class OrderTest(base.TestCase):
    def test_what_needs_a_look_comes_first(self) -> None:
        quiet = {
            "failed": (),
            "notices": (),
            "removed": (),
            "forecast": None,
        }
        tight = report.Forecast(backups=1, gigabytes=1, fits=False, why="")
        shown = arrangement.of(
            samples.whole(
                samples.project(project_name="a", **quiet),
                samples.project(
                    project_name="b", **{**quiet, "forecast": tight}
                ),
                samples.project(project_name="c"),
                samples.project(project_name="d", **quiet),
                samples.project(project_name="e"),
            )
        )
        self.assertEqual(
            [
                ("c", Tone.BAD),
                ("e", Tone.BAD),
                ("b", Tone.TIGHT),
                ("a", Tone.GOOD),
                ("d", Tone.GOOD),
            ],
            [(part.name, part.tone) for part in shown.parts],
        )
        self.assertEqual(Tone.BAD, shown.tone)

    def test_notices_by_topic(self) -> None:
        part = arrangement.of(samples.whole()).parts[0]
        self.assertEqual(
            [("Never protected", 2), ("Will be kept for less long", 1)],
            [(each.title, each.total) for each in part.notices],
        )
        self.assertEqual(3, part.noticed)

    def test_a_heading_keeps_its_names(self) -> None:
        notice = dataclasses.replace(
            samples.project().notices[0], topic=report.Topic.BROKEN
        )
        (part,) = arrangement.of(
            samples.whole(samples.project(notices=(notice,)))
        ).parts
        self.assertEqual("Broken in Cinder", part.notices[0].title)

    def test_one_project_needs_no_overview(self) -> None:
        self.assertEqual((), arrangement.of(samples.whole()).overview)
        self.assertLength(40, arrangement.of(samples.many()).overview)

    def assertLength(self, length: int, things: tuple[object, ...]) -> None:
        self.assertEqual(length, len(things))


class RoomTest(base.TestCase):
    def test_a_long_list_is_cut_and_counted(self) -> None:
        part = arrangement.of(samples.long()).parts[0]
        self.assertEqual((200, 50), shape(part.failed))
        self.assertEqual((200, 300), shape(part.succeeded))

    def test_failures_get_the_room_first(self) -> None:
        projects = (
            samples.project(
                failed=tuple(samples.failed(each, "no") for each in range(25)),
                succeeded=tuple(samples.finished(each) for each in range(90)),
            )
            for _ in range(30)
        )
        shown = arrangement.of(samples.whole(*projects))
        self.assertEqual(arrangement.MOST_ROWS, rows(shown))
        for part in shown.parts:
            self.assertEqual((25, 0), shape(part.failed))
            self.assertIn(len(part.succeeded.rows), (38, 39))

    def test_many_projects_are_named_only(self) -> None:
        shown = arrangement.of(samples.many(600))
        self.assertEqual(view.MOST_PROJECTS, len(shown.detailed_parts))
        self.assertEqual(view.LONGEST_OVERVIEW, len(shown.overview))
        self.assertEqual(600, len(shown.parts))
        self.assertLessEqual(rows(shown), arrangement.MOST_ROWS)


def shape(listing: view.Listing) -> tuple[int, int]:
    return len(listing.rows), listing.left_out


class CountTest(base.TestCase):
    def counted(self, *reasons: str) -> list[str]:
        project = samples.project(
            removed=(),
            cancelled=tuple(
                samples.finished(
                    number, state=task.State.CANCELLED, reason=reason
                )
                for number, reason in enumerate(reasons)
            ),
        )
        part = arrangement.of(samples.whole(project)).parts[0]
        return [each.words for each in part.counts]

    def test_removed_and_cancelled(self) -> None:
        part = arrangement.of(samples.whole()).parts[0]
        self.assertEqual(
            [
                "1 backup not removed: expired, held by backup "
                + samples.ident(4),
                "7 backups removed: expired, Cinder does not know it any more",
                "2 backups cancelled: no candidate any more",
            ],
            [each.words for each in part.counts],
        )

    def test_ids_and_times_make_no_other_reason(self) -> None:
        self.assertEqual(
            [
                "2 backups cancelled: held by … until …",
                f"1 backup cancelled: volume {samples.ident(3)} is gone",
            ],
            self.counted(
                f"held by {samples.ident(1)} until 2026-11-20 02:00:00Z",
                f"held by {samples.ident(2)} until 2026-11-21 02:00:00Z",
                f"volume {samples.ident(3)} is gone",
            ),
        )

    def test_many_reasons_are_summed_up(self) -> None:
        said = self.counted(*(chr(97 + each) * 3 for each in range(15)))
        self.assertEqual(rows_module.MOST_REASONS + 1, len(said))
        self.assertEqual("5 backups cancelled for other reasons", said[-1])
