# SPDX-License-Identifier: Apache-2.0
"""The application: its options, and one line for whatever is wrong."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from staffeln.cli.doors import Doors
from staffeln.domain import errors
from staffeln.tests.unit.cli import stage

COMMANDS = ("plan", "task list", "task show", "backup list", "backup show")


class HelpTest(stage.CommandTestCase):
    def test_it_names_every_command(self) -> None:
        said = self.succeed("--help")
        for name in COMMANDS:
            self.assertIn(f"\n  {name} ", said.out)

    def test_every_command_has_its_own(self) -> None:
        for name in COMMANDS:
            with self.subTest(name):
                said = self.succeed(*name.split(), "--help")
                self.assertIn(f"usage: staffeln {name}", said.out)

    def test_it_reads_no_configuration(self) -> None:
        self.succeed("--help")
        self.succeed("help", "plan")
        self.assertEqual([], self.config_files)

    def test_the_version(self) -> None:
        self.assertRegex(self.succeed("--version").out, r"^staffeln 3\.")


class UsageTest(stage.CommandTestCase):
    def test_no_command(self) -> None:
        said = self.run_command()
        self.assertEqual((2, ""), (said.code, said.out))
        self.assertIn("which command?", said.err)

    def test_half_a_command(self) -> None:
        said = self.run_command("task")
        self.assertEqual(2, said.code)
        self.assertIn("task list\n  task show", said.out)

    def test_an_unknown_option(self) -> None:
        for arguments in (("--nix",), ("plan", "--nix")):
            with self.subTest(arguments):
                said = self.run_command(*arguments)
                self.assertEqual((2, ""), (said.code, said.out))
                self.assertIn("--nix", said.err)

    def test_a_negative_limit(self) -> None:
        said = self.run_command("task", "list", "--limit", "-1")
        self.assertEqual(2, said.code)
        self.assertIn("must be 0 or more", said.err)


class OptionsTest(stage.CommandTestCase):
    def test_configuration_files_are_handed_on_in_order(self) -> None:
        self.succeed(
            "--config-file", "a", "task", "list", "--config-file", "b"
        )
        self.assertEqual([["a", "b"]], self.config_files)

    def test_quiet_leaves_hints_out(self) -> None:
        self.assertNotEqual("", self.succeed("task", "list").err)
        self.assertEqual("", self.succeed("-q", "task", "list").err)

    def test_the_log_is_one_escaped_line_each(self) -> None:
        def speak(_: Sequence[str]) -> Doors:
            for name in ("staffeln.x", "library"):
                log = logging.getLogger(name)
                log.debug("%s: every\ncall", name)
                log.info("%s: at work", name)
                log.warning("%s: red\x1b[31m\nalert", name)
            return self.doors(())

        self.open_doors = speak
        log = {
            option: [
                line.removeprefix("staffeln: ")
                for line in self.succeed(option, "task", "list").err.split(
                    "\n"
                )
                if "staffeln.x:" in line or "library:" in line
            ]
            for option in ("-q", "--debug", "-v", "-vv")
        }
        warning = "warning: staffeln.x: red\\x1b[31m\\nalert"
        info = "info: staffeln.x: at work"
        foreign = "warning: library: red\\x1b[31m\\nalert"
        self.assertEqual([], log["-q"])
        self.assertEqual([warning], log["--debug"])
        self.assertEqual([info, warning, foreign], log["-v"])
        self.assertEqual(6, len(log["-vv"]))

    def test_no_handler_stays(self) -> None:
        before = list(logging.getLogger().handlers)
        self.run_command("task", "list")
        self.run_command("task", "show", "nix")
        self.assertEqual(before, logging.getLogger().handlers)


class FailureTest(stage.CommandTestCase):
    def fail_with(self, error: Exception) -> None:
        """Let the configuration be the first that fails."""

        def refuse(_: Sequence[str]) -> Doors:
            raise error

        self.open_doors = refuse

    def test_whatever_is_wrong_is_one_line(self) -> None:
        for error in (
            errors.ConfigurationError("[x] y = 'z': why"),
            errors.SchemaError("the database is not upgraded"),
            errors.StoreError("the database cannot be reached"),
            errors.WrongCloudError("the database belongs to another cloud"),
            errors.NotSentError("no connection to Keystone"),
        ):
            with self.subTest(type(error)):
                self.fail_with(error)
                for name in ("plan", "task list", "backup list"):
                    self.assertEqual(
                        f"staffeln: {error}", self.refused(*name.split())
                    )

    def test_nothing_in_it_moves_the_cursor(self) -> None:
        self.fail_with(errors.StaffelnError("a\nb\x1b[2J"))
        self.assertEqual("staffeln: a\\nb\\x1b[2J", self.refused("plan"))

    def test_a_mistake_of_ours_says_what_it_is(self) -> None:
        self.fail_with(KeyError("x"))
        self.assertEqual(
            "staffeln: KeyError: 'x' (--debug shows more)",
            self.refused("plan"),
        )

    def test_debug_shows_where(self) -> None:
        self.fail_with(errors.StaffelnError("no"))
        said = self.run_command("--debug", "plan")
        self.assertEqual(1, said.code)
        self.assertIn("Traceback", said.err)
        self.assertIn("staffeln: no\n", said.err)

    def test_an_unknown_column(self) -> None:
        self.world.protect()
        self.world.lead()
        self.assertIn("nix", self.refused("task", "list", "-c", "nix"))
