# SPDX-License-Identifier: Apache-2.0
"""What a start says first."""

import json
import logging
import shutil

import fixtures

from staffeln.conf import logs
from staffeln.domain import errors
from staffeln.ports import occasion
from staffeln.tests.unit.conf import files

LOG = logging.getLogger("staffeln.test")


class LogsTest(files.ConfTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.keep_log_handlers()
        self.log_file = self.home / "log"

    def begin(self, text: str = "") -> str:
        logs.begin(self.read(f"[DEFAULT]\nlog_file = {self.log_file}\n{text}"))
        return self.log_file.read_text()

    def test_version_and_files_are_told(self) -> None:
        text = self.begin()
        self.assertIn("Staffeln ", text)
        self.assertIn("staffeln.conf", text)

    def test_each_unknown_option_is_a_warning(self) -> None:
        text = self.begin("[conductor]\nfoo = 1\nbar = 2\n")
        lines = [x for x in text.splitlines() if " WARNING " in x]
        self.assertEqual(2, len(lines), text)

    def test_unread_options_of_release_2_are_one_warning(self) -> None:
        text = self.begin("[database]\nmysql_engine = geheim\n")
        (line,) = (x for x in text.splitlines() if " WARNING " in x)
        self.assertIn("[database] mysql_engine", line)
        self.assertNotIn("geheim", text)

    def test_a_warning_says_its_message_and_nothing_more(self) -> None:
        self.begin()
        try:
            raise errors.StoreError("inner words")
        except errors.StoreError:
            LOG.error("clear words")
        line = self.log_file.read_text().splitlines()[-1]
        self.assertTrue(line.endswith("clear words"), line)

    def test_an_unexpected_error_keeps_its_traceback(self) -> None:
        self.begin()
        try:
            raise errors.StoreError("inner words")
        except errors.StoreError:
            LOG.exception("clear words")
        self.assertIn("Traceback", self.log_file.read_text())

    def test_a_log_that_cannot_be_opened_is_one_line(self) -> None:
        for text in (
            "log_dir = /dev/null/x\nlog_file = x",
            "log_config_append = /nowhere/logging.conf",
            f"use_syslog = true\nsyslog_log_facility = x\nlog_dir={self.home}",
        ):
            with self.subTest(text):
                error = self.assertRaises(
                    errors.ConfigurationError,
                    logs.begin,
                    self.read(f"[DEFAULT]\n{text}\n"),
                )
                self.assertEqual(1, len(str(error).splitlines()))

    def test_whether_the_log_is_on_the_terminal(self) -> None:
        self.assertFalse(logs.goes_elsewhere(self.read("")))
        for text in ("log_file = /x", "use_syslog = true", "log_dir = /x"):
            read = self.read(f"[DEFAULT]\n{text}\n")
            self.assertTrue(logs.goes_elsewhere(read), text)

    def test_a_log_that_is_gone_ends_nothing(self) -> None:
        """As after a rotation into a folder that is not ours."""
        folder = self.home / "logs"
        folder.mkdir()
        logs.begin(self.read(f"[DEFAULT]\nlog_file = {folder}/log\n"))
        shutil.rmtree(folder)
        said = self.useFixture(fixtures.StringStream("stderr")).stream
        self.useFixture(fixtures.MonkeyPatch("sys.stderr", said))
        LOG.warning("still %s", "said")
        said.seek(0)
        self.assertIn("still said (the log cannot be written", said.read())

    def last_line(self) -> str:
        return self.log_file.read_text().splitlines()[-1]

    def test_ids_that_a_message_does_not_name_stand_behind_it(self) -> None:
        self.begin()
        with occasion.about(request="req-1", volume="v-1"):
            LOG.info("of %s", "v-1")
            self.assertTrue(self.last_line().endswith("of v-1 [req-1]"))
            with occasion.about(request="req-t", task="t-1", project="p-1"):
                LOG.info("100 %")
        self.assertTrue(
            self.last_line().endswith(
                "100 % [volume v-1, task t-1, project p-1]"
            ),
            self.last_line(),
        )
        LOG.info("nothing")
        self.assertTrue(self.last_line().endswith(" nothing"))

    def test_json_has_them_as_fields(self) -> None:
        self.begin("use_json = true\n")
        with occasion.about(request="req-1", volume="v-1"):
            LOG.info("of %s", "w", extra={"extra": {"mine": 1}})
        found = json.loads(self.last_line())
        self.assertEqual("of w", found["message"])
        self.assertEqual(
            {"request": "req-1", "volume": "v-1", "mine": 1}, found["extra"]
        )

    def test_other_handlers_see_the_message_as_it_was(self) -> None:
        self.begin()
        records: list[logging.LogRecord] = []
        other = logging.Handler()
        other.emit = records.append  # type: ignore[method-assign, assignment]
        LOG.addHandler(other)
        self.addCleanup(LOG.removeHandler, other)
        with occasion.about(request="req-1"):
            LOG.info("of %s", "w")
        self.assertTrue(self.last_line().endswith("of w [req-1]"))
        self.assertEqual(["of w"], [x.getMessage() for x in records])
