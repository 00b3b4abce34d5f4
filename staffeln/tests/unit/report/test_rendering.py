# SPDX-License-Identifier: Apache-2.0
"""The page, the text and the log: what they hold, and what they must not."""

import html.parser
from collections.abc import Sequence

from staffeln import ports
from staffeln.domain import report, task
from staffeln.report import Pages, words
from staffeln.tests import base
from staffeln.tests.unit.report import samples

TAGS = {
    "b", "body", "br", "div", "head", "html", "meta", "p", "span", "table",
    "td", "title", "tr",
}  # fmt: skip
ATTRIBUTES = {
    "align", "bgcolor", "border", "cellpadding", "cellspacing", "charset",
    "colspan", "content", "height", "lang", "name", "role", "style",
    "valign", "width",
}  # fmt: skip


class Page(html.parser.HTMLParser):
    """What a reader of a page gets: tags, attributes and texts."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.styles: set[str] = set()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    def handle_starttag(
        self, tag: str, attrs: Sequence[tuple[str, str | None]]
    ) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "style":
                self.styles.add(value or "")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise AssertionError(f"{tag} is closed and was not open")

    def handle_data(self, data: str) -> None:
        self.texts.append(" ".join(data.split()))


def everywhere(said: str, *, detailed: bool) -> report.Report:
    """A report that says it wherever something is said in words."""
    cancelled = task.State.CANCELLED
    return samples.whole(
        samples.project(
            failed=(samples.failed(1, said),),
            cancelled=(samples.finished(2, state=cancelled, reason=said),),
            removed=(
                samples.removed(3, reason=said),
                samples.removed(4, state=cancelled, reason=said),
            ),
            notices=(samples.notice(5, report.Topic.HELD, why=said),),
            forecast=report.Forecast(
                backups=1, gigabytes=1, fits=True, why=said
            ),
        ),
        remarks=(said,),
        detailed=detailed,
    )


class RenderingTest(base.TestCase):
    renderer: ports.Renderer = Pages()

    def page(self, what: report.Report) -> Page:
        return Page(self.renderer.render(what).html)

    def test_only_what_mail_programs_know(self) -> None:
        for what in (samples.whole(), samples.many(), samples.hostile()):
            page = self.page(what)
            self.assertEqual(set(), page.tags - TAGS)
            self.assertEqual(set(), page.attributes - ATTRIBUTES)
            self.assertEqual([], page.open)
            for style in page.styles:
                self.assertNotRegex(
                    style, r"grid|flex|float|position|url|important|;;"
                )

    def test_names_are_text(self) -> None:
        page = self.page(samples.hostile())
        plain = self.renderer.render(samples.hostile()).text
        for name in samples.HOSTILE:
            shown = words.shown(name)
            self.assertIn(shown, page.texts)
            self.assertIn(f"on {shown}", page.texts)
            self.assertIn(shown, plain)
        for text in (page.text, plain):
            for character in "\r\t\x1b\x00\u202e":
                self.assertNotIn(character, text)

    def test_failures_come_first(self) -> None:
        for text in (
            self.page(samples.whole()).text,
            self.renderer.render(samples.whole()).text,
        ):
            places = [
                text.index(each)
                for each in (
                    "2 of 14 backups failed",
                    "34 of 100 (34%)",
                    "Next cycle:",
                    "Failed (2)",
                    "Never protected (2)",
                    "Will be kept for less long (1)",
                    "Succeeded (12)",
                    "7 backups removed",
                )
            ]
            self.assertEqual(sorted(places), places)
            self.assertEqual(1, text.count("All times are UTC."))

    def test_each_task_is_told_of(self) -> None:
        what = samples.whole()
        page = self.page(what).text
        plain = self.renderer.render(what).text
        for each in (*what.projects[0].failed, *what.projects[0].succeeded):
            for value in (
                each.work.volume_id,
                each.work.volume_name,
                each.work.server_name,
                each.work.backup_id or "",
                str(each.mode),
            ):
                self.assertIn(value, page)
                self.assertIn(value, plain)

    def test_tenants_see_no_hosts(self) -> None:
        hidden = self.renderer.render(samples.whole())
        for text in (hidden.html, hidden.text):
            self.assertIn("the backend [host] at [address] is down", text)
            self.assertNotIn("ceph01", text)
            self.assertNotIn("/v3/", text)
        for text in (
            self.page(samples.whole(detailed=True)).text,
            self.renderer.render(samples.whole(detailed=True)).text,
        ):
            self.assertIn("ceph01@rbd#pool at 10.0.3.7:8776", text)

    def test_nothing_said_tells_tenants_of_hosts(self) -> None:
        said = "lost ctl1@lvm#LVM, 10.9.8.7, /etc/cinder, https://rgw/v1"
        for detailed in (False, True):
            what = everywhere(said, detailed=detailed)
            rendered = self.renderer.render(what)
            for text in (
                rendered.html,
                rendered.text,
                *(each.content.decode() for each in rendered.attachments),
                "\n".join(self.renderer.log_lines(what)),
            ):
                for word in ("ctl1", "LVM", "10.9.8.7", "/etc", "rgw"):
                    self.assertEqual(detailed, word in text)

    def test_what_is_left_out_is_in_the_file(self) -> None:
        rendered = self.renderer.render(samples.long())
        for text in (Page(rendered.html).text, rendered.text):
            self.assertIn("and 50 more: see the attached file", text)
            self.assertIn("and 300 more: see the attached file", text)
        self.assertEqual(1, len(rendered.attachments))

    def test_many_projects(self) -> None:
        rendered = self.renderer.render(samples.many(600))
        text = Page(rendered.html).text
        self.assertIn("and 100 more projects: see the attached file", text)
        self.assertIn(
            "500 more projects are not shown one by one: see the attached",
            text,
        )
        self.assertIn(
            "and 500 more projects: see the attached file", rendered.text
        )

    def test_quotas_in_words(self) -> None:
        text = self.page(samples.many()).text
        for said in (
            "12, no limit",
            "0, none allowed: the limit is 0",
            "10 of 10 (100%)",
            "40 of 100 GiB (95%), 55 reserved",
            "The quotas could not be read.",
            "Project without a known name",
        ):
            self.assertIn(said, text)

    def test_remarks_are_at_the_top(self) -> None:
        what = samples.many()
        for text in (
            self.page(what).text.replace("\n", " "),
            self.renderer.render(what).text,
        ):
            self.assertLess(
                text.index("Deletes are paused in all projects since"),
                text.index("Failed (1)"),
            )

    def test_nothing_at_all(self) -> None:
        rendered = self.renderer.render(samples.whole(projects=()))
        self.assertIn("No backups were tried", rendered.html)
        self.assertEqual((), rendered.attachments)

    def test_the_same_report_is_rendered_the_same(self) -> None:
        self.assertEqual(
            self.renderer.render(samples.whole()),
            self.renderer.render(samples.whole()),
        )


class LogTest(base.TestCase):
    def test_the_subject_is_first(self) -> None:
        renderer = Pages()
        lines = renderer.log_lines(samples.whole())
        rendered = renderer.render(samples.whole())
        self.assertEqual(rendered.subject, lines[0])
        self.assertEqual(len(lines), len(set(lines)))

    def test_each_line_tells_which_volume_it_is_about(self) -> None:
        what = samples.whole()
        lines = Pages().log_lines(what)
        (project,) = what.projects
        for title, tasks in (
            ("Failed", project.failed),
            ("Succeeded", project.succeeded),
        ):
            for each in tasks:
                (line,) = (
                    line
                    for line in lines
                    if line.startswith(f"  {title}: ")
                    and f"({each.work.volume_id})" in line
                )
                self.assertIn(each.work.backup_id or "", line)

    def test_each_line_is_one(self) -> None:
        for line in Pages().log_lines(samples.hostile()):
            self.assertEqual(1, len(line.splitlines()), line)

    def test_no_file_is_spoken_of(self) -> None:
        text = "\n".join(Pages().log_lines(samples.long()))
        self.assertIn("\n  Failed: and 50 more\n", text)
        self.assertNotIn("attached", text)
