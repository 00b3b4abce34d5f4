# SPDX-License-Identifier: Apache-2.0
"""Every command has a page, and every page has all of its commands."""

from __future__ import annotations

import argparse
import configparser

from staffeln.cmd import db_manage
from staffeln.tests import base
from staffeln.tests.unit.packaging.manifests import ROOT

PAGES = ROOT / "doc/source/cli"


def entry_points(group: str) -> list[str]:
    """The names of a group of setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["entry_points"][group].split("\n")
    return [line.split(" = ")[0] for line in lines if line]


class ManualTest(base.TestCase):
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
