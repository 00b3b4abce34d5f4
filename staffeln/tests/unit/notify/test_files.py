# SPDX-License-Identifier: Apache-2.0
"""Copies of reports: whole files with plain names, or a line in the log."""

import dataclasses
import datetime
import pathlib
import stat

from staffeln.domain import report
from staffeln.notify.files import ReportFolder
from staffeln.tests import base

WHEN = datetime.datetime(2026, 5, 1, 2, 3, 4)  # noqa: DTZ001 - UTC, naive
RENDERED = report.Rendered(
    subject="s",
    text="text ☃",
    html="<p>html</p>",
    attachments=(
        report.Attachment(
            name="backups.csv", media_type="text/csv", content=b"a,b\r\n"
        ),
    ),
)


class TestReportFolder(base.TestCase):
    """One folder."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = self.make_temp_dir()
        self.shelf = ReportFolder(self.folder)

    def files(self) -> dict[str, bytes]:
        return {
            each.name: each.read_bytes()
            for each in sorted(self.folder.iterdir())
        }

    def test_html_text_and_files(self) -> None:
        self.shelf.keep("id-1", WHEN, RENDERED)
        expected = {
            "20260501T020304Z-id-1-backups.csv": b"a,b\r\n",
            "20260501T020304Z-id-1.html": b"<p>html</p>",
            "20260501T020304Z-id-1.txt": "text ☃".encode(),
        }
        self.assertEqual(expected, self.files())
        for each in self.folder.iterdir():
            self.assertEqual(0, stat.S_IMODE(each.stat().st_mode) & 0o007)
        self.shelf.keep("id-1", WHEN, RENDERED)
        self.assertEqual(expected, self.files())

    def test_names_are_no_paths(self) -> None:
        evil = dataclasses.replace(
            RENDERED.attachments[0], name="../../etc/passwd\x00\n"
        )
        what = dataclasses.replace(RENDERED, attachments=(evil,), html="")
        self.shelf.keep("../x\n/y", WHEN, what)
        names = list(self.files())
        self.assertEqual(2, len(names))
        for name in names:
            self.assertRegex(name, r"\A2026[\w.-]+\Z")
        self.assertEqual([], list(self.home.iterdir()))

    def test_half_letters_are_no_failure(self) -> None:
        self.shelf.keep(
            "i", WHEN, dataclasses.replace(RENDERED, text="\ud800")
        )
        self.assertEqual(3, len(self.files()))

    def test_a_folder_that_cannot_be_written_to_is_a_line(self) -> None:
        for folder in (self.home / "gone", pathlib.Path("/dev/null")):
            ReportFolder(folder).keep("id-2", WHEN, RENDERED)
            self.assertIn(f"report_dir {folder}: ", self.log.output)
        self.assertEqual(2, self.log.output.count("ERROR"))

    def test_nothing_unfinished_is_left(self) -> None:
        (self.folder / "20260501T020304Z-id-3.txt").mkdir()
        self.shelf.keep("id-3", WHEN, RENDERED)
        self.assertIn("No copy of report id-3", self.log.output)
        self.assertEqual(
            ["20260501T020304Z-id-3.txt"],
            [each.name for each in self.folder.iterdir()],
        )
