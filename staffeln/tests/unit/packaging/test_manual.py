# SPDX-License-Identifier: Apache-2.0
"""Every command has a page, and every page has all of its commands."""

from __future__ import annotations

import argparse
import configparser
import contextlib
import importlib
import io
import re

import fixtures

from staffeln.cmd import db_manage
from staffeln.conf import reading
from staffeln.tests import base
from staffeln.tests.unit.packaging.manifests import ROOT

PAGES = ROOT / "doc/source/cli"


def entry_points(group: str) -> list[str]:
    """The names of a group of setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["entry_points"][group].split("\n")
    return [line.split(" = ")[0] for line in lines if line]


LOG = "_shared/log-options.txt"
"""What the pages of the services include."""

NO_USE = {
    # oslo.config's wheel has no templates for it.
    "--shell_completion"
}
"""Options that the libraries bring along and that no page names."""


def text_of_help(module: str, *words: str) -> str:
    """What a program prints for ``--help``."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        importlib.import_module(module).main([*words, "--help"])
    return printed.getvalue()


def page_of(program: str) -> str:
    """The page of a program, with what it includes."""
    return re.sub(
        r"^\.\. include:: (.+)$",
        lambda found: (PAGES / found[1]).read_text(),
        (PAGES / f"{program}.rst").read_text(),
        flags=re.M,
    )


def options_in(text: str) -> set[str]:
    """The long options that a text names."""
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))


class ManualTest(base.TestCase):
    def test_options_of_help_and_of_the_page_are_the_same(self) -> None:
        # Wide enough that no option is broken at a hyphen.
        self.useFixture(fixtures.EnvironmentVariable("COLUMNS", "9999"))
        commands = {
            "staffeln": [
                name.replace("_", " ").split()
                for name in entry_points("staffeln.cli")
            ],
            "staffeln-db-manage": [["upgrade"], ["export-2x"], ["rebind"]],
            "staffeln-status": [["upgrade"]],
        }
        setup = configparser.ConfigParser()
        setup.read(ROOT / "setup.cfg")
        for line in setup["entry_points"]["console_scripts"].split("\n"):
            if not line:
                continue
            program, module = line.removesuffix(":main").split(" = ")
            helped = set()
            for words in ([], *commands.get(program, [])):
                found = options_in(text_of_help(module, *words))
                self.assertIn("--help", found, f"{program} {words}")
                helped |= found
            paged = options_in(page_of(program))
            if "It keeps no log." in page_of(program):
                helped -= options_in((PAGES.parent / LOG).read_text())
            with self.subTest(program=program):
                self.assertEqual(set(), paged - helped)
                self.assertEqual(
                    set(),
                    {each for each in helped if self.counts(each)} - paged,
                )

    def test_help_of_a_command_says_what_it_does(self) -> None:
        commands = argparse.ArgumentParser().add_subparsers()
        db_manage._add_commands(commands)
        for name, parser in commands.choices.items():
            self.assertRegex(parser.description or "", r"[.]$", name)

    def test_help_names_the_file_that_is_read(self) -> None:
        self.useFixture(fixtures.EnvironmentVariable("COLUMNS", "9999"))
        for module in ("conductor", "api", "db_manage", "status"):
            said = text_of_help(f"staffeln.cmd.{module}")
            self.assertIn(f"It reads {reading.DEFAULT_FILE}", said)

    @staticmethod
    def counts(option: str) -> bool:
        """Whether a page has to name it: no older name, no opposite."""
        older = option in ("--logdir", "--logfile", "--log-config")
        return not older and "_" not in option and option not in NO_USE

    def test_every_program_has_a_page(self) -> None:
        programs = set(entry_points("console_scripts"))
        pages = {path.stem for path in PAGES.iterdir()} - {"index"}
        self.assertEqual(programs, pages)
        index = (PAGES / "index.rst").read_text()
        settings = (ROOT / "doc/source/conf.py").read_text()
        for name in programs:
            self.assertIn(f"   {name}\n", index)
            self.assertIn(f'    "{name}": (', settings)

    def test_every_command_is_on_its_page(self) -> None:
        page = (PAGES / "staffeln.rst").read_text()
        for name in entry_points("staffeln.cli"):
            self.assertIn(f"``{name.replace('_', ' ')}", page)

    def test_every_command_of_the_database_is_on_its_page(self) -> None:
        page = (PAGES / "staffeln-db-manage.rst").read_text()
        commands = argparse.ArgumentParser().add_subparsers()
        db_manage._add_commands(commands)
        self.assertLess(2, len(commands.choices))
        for name, parser in commands.choices.items():
            self.assertIn(f"``{name}``\n", page)
            for action in parser._actions:
                for option in action.option_strings:
                    if option not in ("-h", "--help"):
                        self.assertIn(option, page, name)
