# SPDX-License-Identifier: Apache-2.0
"""The operators' summary as it is read."""

from __future__ import annotations

import dataclasses
from html import parser
from typing import Any

from staffeln.domain import model, report, summary
from staffeln.report import overview
from staffeln.report.rendering import Pages
from staffeln.report.view import Tone
from staffeln.tests import base
from staffeln.tests.unit.report import samples
from staffeln.tests.unit.report.samples import DAY, HOSTILE, MADE


def cycle(**changes: Any) -> model.Cycle:
    """A complete cycle that found one volume of each sort."""
    values: dict[str, Any] = {
        "ended_at": MADE,
        "seconds": 1.0,
        "term": 1,
        "complete": True,
        "selected": 1200,
        "dropped": 1,
        "never_protected": 1,
        "stale": 1,
        "oldest_protection_at": MADE - 9 * DAY,
    }
    return model.Cycle(**{**values, **changes})


def sample(**changes: Any) -> summary.Summary:
    """A summary with something in each section."""
    what = summary.Summary(
        id=samples.ident(1),
        created_at=MADE,
        since=MADE - DAY,
        projects=40,
        totals=report.Totals(failed=12, succeeded=988, gigabytes=40_000),
        causes=(
            summary.Cause(
                words="volume … is in error status", backups=9, projects=2
            ),
            summary.Cause(words=HOSTILE[0], backups=3, projects=1),
        ),
        failing=tuple(
            summary.ProjectLine(
                project_id=samples.ident(number),
                project_name=name,
                failed=9,
                succeeded=1,
            )
            for number, name in enumerate((*HOSTILE, None))
        ),
        cycle=cycle(),
        topics={
            report.Topic.STALE: 1,
            report.Topic.NEVER_PROTECTED: 1,
            report.Topic.DROPPED: 1,
        },
        hands=(
            "backups of all are paused since 2026-11-20 01:00:00Z",
            "60 of 100 managed backups would be deleted or forgotten: "
            "staffeln retention confirm lets it happen",
        ),
    )
    return dataclasses.replace(what, **changes)


class Words(parser.HTMLParser):
    """The text of a page, and the tags in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words = ""
        self.tags: set[str] = set()
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)


class OverviewTest(base.TestCase):
    def test_the_subject(self) -> None:
        found = Pages().render_summary(sample())
        self.assertEqual(
            "[staffeln] summary: 12 of 1,000 backups failed, 2 volumes "
            "unprotected, 2 things to look at",
            found.subject,
        )
        quiet = overview.rendered(
            sample(
                totals=report.Totals(succeeded=1),
                causes=(),
                failing=(),
                cycle=None,
                topics={},
                hands=(),
            )
        )
        self.assertEqual(
            "[staffeln] summary: 1 backup succeeded", quiet.subject
        )
        self.assertEqual(3, len(quiet.text.splitlines()))

    def test_text_and_page_say_the_same(self) -> None:
        found = overview.rendered(sample())
        page = Words(found.html)
        for section in overview.of(sample()).sections:
            for line in (section.title, *section.lines):
                self.assertIn(line, found.text)
                self.assertIn(line, page.words.replace("\u00a0", " "))

    def test_nobody_writes_markup_or_lines(self) -> None:
        found = overview.rendered(sample())
        self.assertFalse({"script", "img"} & Words(found.html).tags)
        self.assertNotIn("\x1b", found.text)
        self.assertNotIn("\u202e", found.html)
        self.assertEqual(
            len(found.text.splitlines()), len(found.text.split("\n")) - 1
        )

    def test_long_lists_are_cut(self) -> None:
        many = tuple(f"thing {number}" for number in range(60))
        (hands, *_) = overview.of(sample(hands=many)).sections
        self.assertEqual(51, len(hands.lines))
        self.assertEqual("and 10 more", hands.lines[-1])

    def test_what_is_well_is_green(self) -> None:
        well = sample(
            hands=(),
            causes=(),
            failing=(),
            topics={},
            cycle=cycle(never_protected=0, stale=0, dropped=0),
        )
        self.assertEqual(Tone.GOOD, overview.of(well).tone)
        self.assertEqual(Tone.BAD, overview.of(sample()).tone)
        incomplete = dataclasses.replace(
            well, cycle=cycle(never_protected=0, stale=0, complete=False)
        )
        self.assertEqual(Tone.TIGHT, overview.of(incomplete).tone)
