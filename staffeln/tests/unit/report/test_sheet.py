# SPDX-License-Identifier: Apache-2.0
import csv
import gzip
import io

from hypothesis import given
from hypothesis import strategies as st

from staffeln.domain import report
from staffeln.report import sheet
from staffeln.tests import base
from staffeln.tests.unit.report import samples


def read(attached: report.Attachment | None) -> list[dict[str, str]]:
    assert attached is not None
    content = attached.content
    if attached.name.endswith(".gz"):
        content = gzip.decompress(content)
    text = content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


class SheetTest(base.TestCase):
    def test_all_rows_are_there(self) -> None:
        what = samples.long()
        rows = read(sheet.attachment(what))
        counted: dict[tuple[str, str], int] = {}
        for row in rows:
            key = (row["kind"], row["outcome"])
            counted[key] = counted.get(key, 0) + 1
        self.assertEqual(
            {
                ("backup", "failed"): 250,
                ("backup", "succeeded"): 500,
                ("backup", "cancelled"): 2,
                ("delete", "succeeded"): 7,
                ("delete", "failed"): 1,
                ("notice", "never protected"): 2,
                ("notice", "will be kept for less long"): 1,
            },
            counted,
        )

    def test_a_row(self) -> None:
        only = samples.project(failed=(), notices=(), cancelled=(), removed=())
        what = samples.whole(only)
        row = read(sheet.attachment(what))[0]
        work = only.succeeded[0].work
        self.assertEqual(
            {
                "project_id": only.project_id,
                "project_name": "demo",
                "kind": "backup",
                "outcome": "succeeded",
                "volume_id": work.volume_id,
                "volume_name": "data-10",
                "volume_gib": "20",
                "server_id": work.server_id,
                "server_name": "web-10",
                "backup_id": work.backup_id,
                "mode": "incremental",
                "at": "2026-11-19T23:55:09Z",
                "seconds": "300",
                "reason": "",
            },
            row,
        )

    def test_its_name_and_kind(self) -> None:
        attached = sheet.attachment(samples.whole())
        assert attached is not None
        self.assertEqual("staffeln-20261120T020509Z.csv", attached.name)
        self.assertEqual("text/csv", attached.media_type)

    def test_a_large_one_is_compressed(self) -> None:
        what = samples.long(10000)
        attached = sheet.attachment(what)
        assert attached is not None
        self.assertEqual("staffeln-20261120T020509Z.csv.gz", attached.name)
        self.assertEqual("application/gzip", attached.media_type)
        self.assertEqual(15013, len(read(attached)))
        self.assertEqual(attached, sheet.attachment(what))

    def test_nothing_needs_no_file(self) -> None:
        empty = samples.project(
            failed=(), succeeded=(), cancelled=(), removed=(), notices=()
        )
        self.assertIsNone(sheet.attachment(samples.whole(empty)))

    def test_tenants_see_no_hosts(self) -> None:
        content = str(read(sheet.attachment(samples.whole())))
        self.assertNotIn("ceph01", content)
        self.assertNotIn("10.0.3.7", content)
        content = str(read(sheet.attachment(samples.whole(detailed=True))))
        self.assertIn("ceph01@rbd#pool at 10.0.3.7:8776", content)

    @given(
        st.sampled_from(
            ("", "=", "+", "-", "@", "\t", "\r", "\n", "＝", " =", "\xa0=")  # noqa: RUF001
        ),
        st.text(max_size=30) | st.text(alphabet=';"= +-@x\t', max_size=12),
    )
    def test_no_cell_is_a_formula(self, start: str, rest: str) -> None:
        name = start + rest
        only = samples.project(
            project_name=name,
            failed=(),
            notices=(),
            succeeded=(
                samples.finished(1, volume_name=name, server_name=name),
            ),
            cancelled=(),
            removed=(),
        )
        row = read(sheet.attachment(samples.whole(only)))[0]
        for column in ("project_name", "volume_name", "server_name"):
            # Where semicolons part cells each of them would be one.
            for cell in row[column].split(";"):
                self.assertFalse(
                    cell.lstrip(' "\xa0').startswith(tuple("=+-@\t\r\n＝"))  # noqa: RUF001
                )
            self.assertEqual(row["project_name"], row[column])
