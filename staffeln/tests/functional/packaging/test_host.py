# SPDX-License-Identifier: Apache-2.0
"""What a host with systemd is given, tried with the programs it is for."""

from __future__ import annotations

import functools
import grp
import os
import pathlib
import pwd
import re
import subprocess

from staffeln.tests import base
from staffeln.tests.functional.service import running
from staffeln.tests.servers import process
from staffeln.tests.unit.packaging.manifests import ROOT

ETC = ROOT / "etc"
_FOLDERS = [pathlib.Path(each) for each in ("/usr/bin", "/usr/sbin", "/bin")]

MOST_EXPOSED = 15
"""Tenths that systemd-analyze may give a unit: 100 is no protection, and 11
what a service that talks to a network and is nobody can come to."""


def run(
    package: str, name: str, *arguments: str | pathlib.Path
) -> subprocess.CompletedProcess[str]:
    """Run a program of the host's."""
    return subprocess.run(
        [process.find(name, package, _FOLDERS), *arguments],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _mine() -> str:
    return grp.getgrgid(os.getgid()).gr_name


def _has_lines(path: pathlib.Path) -> bool:
    return bool(path.read_text())


class SystemdTest(base.TestCase):
    def ran(self, name: str, *arguments: str | pathlib.Path) -> str:
        done = run("systemd", name, *arguments)
        self.assertEqual(0, done.returncode, done.stdout)
        return done.stdout

    def units(self) -> list[pathlib.Path]:
        units = sorted((ETC / "systemd").iterdir())
        self.assertEqual(2, len(units))
        return units

    def test_the_units_have_no_mistakes(self) -> None:
        # The manual pages are there when the package is installed.
        self.assertEqual(
            "",
            self.ran("systemd-analyze", "verify", "--man=no", *self.units()),
        )

    def test_the_units_protect_the_host(self) -> None:
        for unit in self.units():
            said = self.ran(
                "systemd-analyze",
                "security",
                "--offline=true",
                "--no-pager",
                f"--threshold={MOST_EXPOSED}",
                unit,
            )
            self.assertIn("Overall exposure level", said)

    def test_user_and_folders_are_made(self) -> None:
        root = self.home
        secret = root / "etc/staffeln/staffeln.conf"
        secret.parent.mkdir(parents=True)
        secret.touch(0o644)
        self.ran(
            "systemd-sysusers",
            f"--root={root}",
            ETC / "sysusers.d/staffeln.conf",
        )
        user = (root / "etc/passwd").read_text()
        self.assertRegex(
            user, r"^staffeln:.*:/var/lib/staffeln:/usr/sbin/nologin\n$"
        )
        folders = root / "folders.conf"
        text = (ETC / "tmpfiles.d/staffeln.conf").read_text()
        if os.getuid():
            # Only root can give files away.
            text = re.sub(
                r"(root|staffeln) +(root|staffeln) +-",
                f"{_me()} {_mine()} -",
                text,
            )
        folders.write_text(text)
        for _ in range(2):
            self.ran("systemd-tmpfiles", f"--root={root}", "--create", folders)
        for name, mode in (
            ("etc/staffeln", 0o755),
            ("etc/staffeln/staffeln.conf", 0o640),
            ("var/lib/staffeln", 0o750),
            ("var/log/staffeln", 0o750),
        ):
            self.assertEqual(mode, (root / name).stat().st_mode & 0o777, name)
        if not os.getuid():
            _, _, uid, gid, *_ = user.split(":")
            state = (root / "var/lib/staffeln").stat()
            self.assertEqual(
                (uid, gid), (str(state.st_uid), str(state.st_gid))
            )
            kept = secret.stat()
            self.assertEqual((0, gid), (kept.st_uid, str(kept.st_gid)))

    def test_units_and_folders_agree(self) -> None:
        text = (ETC / "tmpfiles.d/staffeln.conf").read_text()
        modes = dict(re.findall(r"^d +(\S+) +(\d+) ", text, re.MULTILINE))
        for unit in self.units():
            lines = unit.read_text().splitlines()
            for kind, folder in (
                ("Configuration", "/etc/staffeln"),
                ("State", "/var/lib/staffeln"),
                ("Logs", "/var/log/staffeln"),
            ):
                self.assertIn(f"{kind}Directory=staffeln", lines)
                self.assertIn(f"{kind}DirectoryMode={modes[folder]}", lines)


class RotationTest(running.ServiceCase):
    def test_both_services_go_on_in_the_new_files(self) -> None:
        deployment = self.deployment()
        self.make_schema(deployment)
        services = {
            "conductor": "is up",
            "api": "Booting worker",
        }
        for module, expression in services.items():
            deployment.start(module)
            deployment.wait_for_log(module, expression)
        self.rotate(deployment.folder)
        sizes = {}
        for module in services:
            old = deployment.log_file(module).with_suffix(".log.1")
            self.assertIn(services[module], old.read_text())
            sizes[old] = old.stat().st_size
        deployment.check(running.NO_BACKUP)
        for module in services:
            new = deployment.log_file(module)
            process.await_true(
                functools.partial(_has_lines, new), f"nothing in {new}"
            )
            self.assertEqual(0o640, new.stat().st_mode & 0o777)
        for old, size in sizes.items():
            self.assertEqual(size, old.stat().st_size)
        for module in services:
            self.assertEqual(0, deployment.stop(module))

    def rotate(self, folder: pathlib.Path) -> None:
        """Rotate its logs at once, as these lines say."""
        text = (ETC / "logrotate.d/staffeln").read_text()
        text = text.replace("/var/log/staffeln/", f"{folder}/")
        settings = self.home / "logrotate.conf"
        settings.write_text(
            text.replace("staffeln staffeln", f"{_me()} {_mine()}")
        )
        settings.chmod(0o600)
        done = run(
            "logrotate",
            "logrotate",
            "--force",
            "--state",
            self.home / "state",
            settings,
        )
        self.assertEqual((0, ""), (done.returncode, done.stdout))
