# SPDX-License-Identifier: Apache-2.0
"""Wheel and source distribution: what they hold, and that they run."""

from __future__ import annotations

import configparser
import pathlib
import subprocess
import time

from testtools import content

from staffeln.tests import base
from staffeln.tests.functional.packaging import built

_DATA = f"staffeln-{built.VERSION}.data/data"
_INFO = f"staffeln-{built.VERSION}.dist-info"


class WheelTest(base.TestCase):
    """One class, for what is built is built once for all of it."""

    def setUp(self) -> None:
        super().setUp()
        self.built = built.distributions()

    def run_program(
        self, name: str, *arguments: str | pathlib.Path
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the installed wheel as a new user would."""
        return subprocess.run(
            [built.programs() / name, *arguments],
            cwd=self.home,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def configuration(self) -> pathlib.Path:
        path = self.home / "staffeln.conf"
        path.write_text(
            f"[DEFAULT]\nstate_path = {self.home}\n"
            f"[database]\nconnection = sqlite:///{self.home}/db.sqlite\n"
        )
        return path

    # -- what is in them ---------------------------------------------------

    def test_the_wheel_has_the_package_and_no_tests(self) -> None:
        package = {
            name
            for name in self.built.source_files("staffeln")
            if not name.startswith("staffeln/tests/")
        }
        self.assertIn("staffeln/py.typed", package)
        found = {
            name
            for name in built.members(self.built.wheel)
            if not name.startswith((f"{_DATA}/", f"{_INFO}/"))
        }
        self.assertEqual(package, found)

    def test_the_wheel_has_what_operators_copy(self) -> None:
        setup = configparser.ConfigParser()
        setup.read(self.built.source / "setup.cfg")
        expected = set()
        for line in setup["files"]["data_files"].split("\n"):
            target, _, source = line.partition("=")
            if source:
                folder = source.strip().removesuffix("*")
                expected |= {
                    f"{_DATA}/{target.strip()}/{name.removeprefix(folder)}"
                    for name in self.built.source_files(folder)
                }
        found = {
            name
            for name in built.members(self.built.wheel)
            if name.startswith(f"{_DATA}/")
        }
        self.assertEqual(expected, found)
        etc = self.built.source_files("etc")
        self.assertEqual(
            sorted(pathlib.Path(name).name for name in etc),
            sorted(
                pathlib.Path(name).name
                for name in found
                if "/share/man/" not in name
            ),
        )

    def test_the_source_distribution_has_all_of_the_source(self) -> None:
        self.assertEqual(
            set(),
            self.built.source_files()
            - self.built.packed()
            # What builds images and packages reads the checkout.
            - {"Containerfile"},
        )

    def test_a_wheel_of_it_is_the_same(self) -> None:
        self.assertEqual(
            built.members(self.built.wheel),
            built.members(self.built.second_wheel),
        )

    def test_the_image_has_all_of_the_package_and_nothing_of_etc(self) -> None:
        wheel, found = (
            built.members(path)
            for path in (self.built.wheel, self.built.image_wheel)
        )
        self.assertEqual(
            sorted(name for name in wheel if not name.startswith(f"{_DATA}/")),
            sorted(found),
        )
        for name in found:
            if name.startswith("staffeln/"):
                self.assertEqual(wheel[name], found[name], name)
        scripts = f"{_INFO}/entry_points.txt"
        self.assertEqual(wheel[scripts], found[scripts])

    # -- installed in a clean environment ----------------------------------

    def test_all_commands_say_what_they_are(self) -> None:
        """No command loads at --help what only its work needs."""
        setup = configparser.ConfigParser()
        setup.read(self.built.source / "setup.cfg")
        names = [
            line.split(" = ")[0]
            for line in setup["entry_points"]["console_scripts"].split("\n")
            if line
        ]
        self.assertEqual(
            sorted(names),
            sorted(path.name for path in built.programs().glob("staffeln*")),
        )
        took = []
        for name in names:
            for argument in ("--help", "--version"):
                began = time.monotonic()
                done = self.run_program(name, argument)
                seconds = time.monotonic() - began
                took.append(f"{name} {argument}: {seconds:.2f} s")
                self.assertEqual("", done.stderr)
                self.assertEqual(0, done.returncode)
                self.assertIn(
                    name if argument == "--help" else built.VERSION,
                    done.stdout,
                )
        self.addDetail("seconds", content.text_content("\n".join(took)))

    def test_an_empty_database_gets_its_schema(self) -> None:
        path = self.configuration()
        arguments = ("--config-file", path)
        upgraded = self.run_program(
            "staffeln-db-manage", *arguments, "upgrade", "head"
        )
        self.assertEqual("", upgraded.stderr)
        self.assertEqual(0, upgraded.returncode)
        said = self.run_program("staffeln-db-manage", *arguments, "version")
        self.assertIn(
            f"the schema is at {said.stdout.strip()}", upgraded.stdout
        )
        listed = self.run_program(
            "staffeln", *arguments, "task", "list", "-f", "json"
        )
        self.assertEqual((0, "[]\n"), (listed.returncode, listed.stdout))

    def test_a_conductor_without_configuration_refuses(self) -> None:
        done = self.run_program("staffeln-conductor")
        self.assertEqual(78, done.returncode)
        last = done.stderr.splitlines()[-1]
        self.assertTrue(last.startswith("staffeln-conductor: no credentials"))
        self.assertNotIn("Traceback", done.stderr)
