# SPDX-License-Identifier: Apache-2.0
"""A configuration is right as a whole, or refused in one line."""

import collections
import contextlib
import io
import itertools
import os

import fixtures
import hypothesis
from hypothesis import strategies

from staffeln import conf
from staffeln.cmd import api, conductor, db_manage
from staffeln.domain import durations, errors
from staffeln.tests.unit.conf import files

# What an editor can write on one line.
_LINE = strategies.text(
    strategies.characters(
        codec="utf-8",
        exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029",
    ),
    max_size=60,
)
_OPTIONS = sorted(
    (str(group or "DEFAULT"), option.dest)
    for group, options in conf.list_opts()
    for option in options
)

_PYTHONS_WORDS = (
    r"invalid literal|could not convert|Unexpected|None|\(\)|Should be|"
    r"argument --|e\+"
)

WRONG = [
    ("conductor", "backup_workers", "0", "from 1 to 1000"),
    ("conductor", "backup_workers", "many", "whole number"),
    ("conductor", "rotation_workers", "1.5", "whole number"),
    ("conductor", "backup_service_period", "0", "from 1 to 31536000"),
    ("conductor", "backup_service_period", "30min", "whole number"),
    ("conductor", "backup_min_interval", "-1", "from 0 to"),
    ("conductor", "backup_cycle_timeout", "5", "not a duration"),
    ("conductor", "backup_cycle_timout", "0s", "zero"),
    ("conductor", "backup_metadata_key", "a b", "white space"),
    ("conductor", "backup_metadata_key", "x" * 256, "255"),
    ("conductor", "backup_metadata_key", "$backup_metadata_key", "itself"),
    ("conductor", "backup_metadata_key", "$nothing", "nothing"),
    ("conductor", "retention_metadata_key", "__staffeln_backup", "differ"),
    ("conductor", "honour_volume_opt_out", "perhaps", "true or false"),
    ("conductor", "full_backup_depth", "-1", "from 0 to 1000"),
    ("conductor", "retention_time", "101y", "longer than 100 years"),
    ("conductor", "retention_time", "", "not a duration"),
    ("conductor", "retention_service_period", "x", "whole number"),
    ("conductor", "failure_backoff", "1mon", "no fixed length"),
    ("conductor", "failure_backoff_max", "1min", "failure_backoff"),
    ("conductor", "full_only_period", "never", "not a duration"),
    ("conductor", "task_poll_period", "0", "from 1 to 3600"),
    ("conductor", "absence_settle_time", "1y", "no fixed length"),
    ("conductor", "absence_settle_time", "119s", "settle_time (2min)"),
    ("conductor", "orphan_settle_time", "119s", "settle_time (2min)"),
    ("conductor", "heartbeat_timeout", "0s", "zero"),
    ("openstack", "create_settle_time", "59s", "heartbeat_timeout (1min)"),
    ("conductor", "heartbeat_timeout", "10min", "heartbeat_timeout (10min)"),
    ("openstack", "create_settle_time", "120", "not a duration"),
    ("openstack", "retry_timeout", "5min", "whole number"),
    ("openstack", "page_size", "0", "from 1 to 1000"),
    ("openstack", "skip_retry_codes", "404,x", "with commas between"),
    ("coordination", "lease_duration", "10", "lease_renew_deadline (10)"),
    ("coordination", "lease_duration", "1", "from 2 to 3600"),
    ("coordination", "lease_renew_deadline", "2", "1.2 x lease_retry_period"),
    ("coordination", "lease_retry_period", "", "must not be empty"),
    ("coordination", "lease_retry_period", "0", "from 1 to 600"),
    ("DEFAULT", "state_path", "var", "absolute path"),
    ("DEFAULT", "state_path", "/a?b", "absolute path"),
    ("DEFAULT", "graceful_shutdown_timeout", "-1", "0 (no limit)"),
    ("DEFAULT", "graceful_shutdown_timeout", "2147483648", "to 31536000"),
    ("DEFAULT", "graceful_shutdown_timeout", "", "must not be empty"),
    ("DEFAULT", "max_logfile_count", "", "must not be empty"),
    ("DEFAULT", "default_log_levels", "a=INFO,b", "'b' is no pair of a"),
    ("DEFAULT", "default_log_levels", "a=LOUD", "'a=LOUD' is no pair of a"),
    ("DEFAULT", "rate_limit_burst", "x", "= 'x': must be a whole number"),
    ("conductor", "retention_max_fraction", "nan", "number from 0 to 1"),
    ("openstack", "read_timeout", "nan", "a number from 0.1 to 3600"),
    ("DEFAULT", "debug", "perhaps", "= 'perhaps': must be true or"),
]


def _is_secret(group: str, name: str) -> bool:
    return any(
        option.secret
        for listed, options in conf.list_opts()
        for option in options
        if (str(listed or "DEFAULT"), option.dest) == (group, name)
    )


class LoadTest(files.ConfTestCase):
    def test_defaults_are_good(self) -> None:
        read = conf.load([], prog="test", default_config_files=["/nowhere"])
        self.assertEqual(
            "__staffeln_backup", read.conductor.backup_metadata_key
        )
        self.assertEqual(
            durations.Duration(days=1), read.conductor.backup_cycle_timeout
        )
        self.assertEqual("/var/lib/staffeln", read.state_path)

    def test_each_wrong_value_is_one_line_that_names_it(self) -> None:
        for group, name, text, why in WRONG:
            with self.subTest(name, text=text):
                line = self.refused(f"[{group}]\n{name} = {text}\n")
                self.assertIn(name.replace("timout", "timeout"), line)
                self.assertIn(why, line)

    def test_a_log_that_would_never_end_to_rotate(self) -> None:
        """The standard library hung where it opened the log."""
        for kind, number, is_good in (
            ("Seconds", "0", False),
            ("days", "-1", False),
            ("midnight", "0", False),
            ("days", "1", True),
            ("weekday", "0", True),
        ):
            text = (
                "[DEFAULT]\nlog_rotation_type = Interval\n"
                f"log_rotate_interval_type = {kind}\n"
                f"log_rotate_interval = {number}\n"
            )
            with self.subTest(kind, number=number):
                if is_good:
                    self.read(text)
                    continue
                self.assertEqual(
                    f"[DEFAULT] log_rotate_interval = '{number}': must be 1 "
                    "or more",
                    self.refused(text),
                )
        self.read("[DEFAULT]\nlog_rotate_interval = 0\n")

    def test_a_wrong_value_is_shown(self) -> None:
        line = self.refused("[conductor]\nbackup_workers = many\n")
        self.assertIn("[conductor] backup_workers = 'many': ", line)

    def test_each_option_says_what_it_may_be(self) -> None:
        """All options by all readers; none says what Python said."""
        refused: collections.Counter[str] = collections.Counter()
        for reader, texts in (
            (conf.Reader.DOCTOR, ("many", "", "-1", "nan", "9" * 30)),
            (conf.Reader.CONDUCTOR, ("many",)),
            (conf.Reader.API, ("many",)),
        ):
            for (group, name), text in itertools.product(_OPTIONS, texts):
                with self.subTest(name, text=text, reader=reader):
                    line = self._complaint(group, name, text, reader)
                    if line is None:
                        continue
                    refused[name] += 1
                    self.assertIn(f"[{group}] {name}", line)
                    if not _is_secret(group, name):
                        self.assertIn(text, line)
                    elif text:
                        self.assertNotIn(text, line)
                    self.assertNotRegex(line, _PYTHONS_WORDS)
        self.assertGreater(len(refused), 60)

    def _complaint(
        self, group: str, name: str, text: str, reader: conf.Reader
    ) -> str | None:
        path = str(self.file(f"[{group}]\n{name} = {text}\n"))
        try:
            conf.load(["--config-file", path], prog="test", reader=reader)
        except errors.ConfigurationError as error:
            return str(error)
        return None

    def test_the_text_that_governs_is_shown(self) -> None:
        other = self.file("[conductor]\nbackup_workers = lots\n", "b.conf")
        line = self.refused(
            "[conductor]\nbackup_workers = 3\n", "--config-file", str(other)
        )
        self.assertIn("= 'lots'", line)

    def test_a_wrong_value_of_the_environment_is_shown(self) -> None:
        self.useFixture(
            fixtures.EnvironmentVariable("OS_CONDUCTOR__BACKUP_WORKERS", "few")
        )
        self.assertIn("= 'few'", self.refused(""))

    def test_a_line_that_cannot_be_read_is_not_shown(self) -> None:
        line = self.refused("[openstack]\npassword geheim\n")
        self.assertIn("staffeln.conf:2", line)
        self.assertNotIn("geheim", line)

    def test_files_that_are_none(self) -> None:
        for text in ("garbage", "[conductor\nx=1", "x = 1"):
            self.assertIn("staffeln.conf:1", self.refused(text))

    def test_files_that_cannot_be_read(self) -> None:
        binary = self.home / "binary.conf"
        binary.write_bytes(b"\xff\xfe\x00")
        for path in ("/nowhere/x.conf", str(self.home)):
            said = self.refused("", "--config-file", path)
            self.assertIn("cannot be read", said)
            self.assertIn(path, said)
        for words in (
            ["--config-file", str(binary)],
            [f"--config-file={binary}"],
        ):
            said = self.refused("", *words)
            self.assertIn(f"file {binary} is no UTF-8", said)
        self.assertIn("/nowhere", self.refused("", "--config-dir", "/nowhere"))

    def test_an_unknown_argument(self) -> None:
        self.assertIn("--bogus", self.refused("", "--bogus"))

    def test_both_spellings_of_the_timeout(self) -> None:
        for name in ("backup_cycle_timeout", "backup_cycle_timout"):
            read = self.read(f"[conductor]\n{name} = 3h\n")
            self.assertEqual(
                durations.Duration(hours=3),
                read.conductor.backup_cycle_timeout,
            )

    def test_version_and_help_end_well(self) -> None:
        for argument in ("--version", "--help"):
            output = self.useFixture(fixtures.StringStream("out")).stream
            with fixtures.MonkeyPatch("sys.stdout", output):
                leaving = self.assertRaises(
                    SystemExit, conf.load, [argument], prog="test"
                )
            self.assertEqual(0, leaving.code or 0)

    def test_help_says_what_the_program_does(self) -> None:
        for program in (api, conductor, db_manage):
            output = io.StringIO()
            with (
                contextlib.redirect_stdout(output),
                contextlib.suppress(SystemExit),
            ):
                program.main(["--help"])
            said = output.getvalue().partition("options:")[0]
            self.assertRegex(said, r"\n\n[A-Z][a-z]+s [^[]+\.\n", program)

    @hypothesis.settings(max_examples=150)
    @hypothesis.given(strategies.sampled_from(_OPTIONS), _LINE)
    def test_any_text_for_any_option_is_a_value_or_one_line(
        self, option: tuple[str, str], text: str
    ) -> None:
        group, name = option
        self._value_or_one_line(f"[{group}]\n{name} = {text}\n".encode())

    @hypothesis.settings(max_examples=80)
    @hypothesis.given(strategies.binary(max_size=80))
    def test_any_file_is_read_or_one_line(self, content: bytes) -> None:
        self._value_or_one_line(content)

    def _value_or_one_line(self, content: bytes) -> None:
        path = self.home / "any.conf"
        path.write_bytes(content)
        try:
            read = conf.load(["--config-file", str(path)], prog="test")
        except errors.ConfigurationError as error:
            self.assertEqual(1, len(str(error).splitlines()), str(error))
            self.assertTrue(str(error).isprintable(), repr(str(error)))
        else:
            self.assertTrue(os.path.isabs(read.state_path))
