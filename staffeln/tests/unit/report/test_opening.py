# SPDX-License-Identifier: Apache-2.0
import email.message
import email.policy

from hypothesis import given
from hypothesis import strategies as st

from staffeln.domain import report
from staffeln.report import opening
from staffeln.tests import base
from staffeln.tests.unit.report import samples


class SubjectTest(base.TestCase):
    def test_one_project(self) -> None:
        self.assertEqual(
            "[staffeln] project demo: 2 of 14 backups failed, 2 volumes "
            "unprotected",
            opening.subject(samples.whole()),
        )

    def test_all_went_well(self) -> None:
        well = samples.project(
            failed=(), notices=(), succeeded=(samples.finished(1),)
        )
        self.assertEqual(
            "[staffeln] project demo: 1 backup succeeded",
            opening.subject(samples.whole(well)),
        )

    def test_all_projects(self) -> None:
        self.assertEqual(
            "[staffeln] all projects: 4 of 84 backups failed in 4 of 40 "
            "projects",
            opening.subject(samples.many()),
        )

    def test_nothing_but_removals(self) -> None:
        removals = samples.project(failed=(), succeeded=(), notices=())
        self.assertEqual(
            "[staffeln] project demo: no backups were tried, 7 removed",
            opening.subject(samples.whole(removals)),
        )

    def test_nothing_at_all(self) -> None:
        self.assertEqual(
            "[staffeln] all projects: no backups were tried",
            opening.subject(samples.whole(projects=())),
        )

    def test_a_volume_counts_once(self) -> None:
        twice = samples.project(
            failed=(),
            notices=(
                samples.notice(1, report.Topic.NEVER_PROTECTED),
                samples.notice(1, report.Topic.STALE),
                samples.notice(2, report.Topic.HELD),
            ),
        )
        self.assertEndsWith(
            opening.subject(samples.whole(twice)), ", 1 volume unprotected"
        )

    def test_an_unknown_name_is_the_id(self) -> None:
        unnamed = samples.project(project_name=None, project_id="abc")
        self.assertStartsWith(
            opening.subject(samples.whole(unnamed)), "[staffeln] project abc:"
        )

    @given(st.text(max_size=300))
    def test_no_name_breaks_a_header(self, name: str) -> None:
        named = samples.project(project_name=name)
        said = opening.subject(samples.whole(named))
        self.assertTrue(
            all(each.isprintable() or each in "\u200c\u200d" for each in said)
        )
        self.assertLess(len(said), 1000)
        message = email.message.EmailMessage(policy=email.policy.SMTP)
        message["Subject"] = said
        read = email.message_from_bytes(
            message.as_bytes(), policy=email.policy.SMTP
        )
        self.assertEqual(["Subject"], read.keys())

    def assertStartsWith(self, text: str, start: str) -> None:
        self.assertEqual(start, text[: len(start)])

    def assertEndsWith(self, text: str, end: str) -> None:
        self.assertEqual(end, text[-len(end) :])
