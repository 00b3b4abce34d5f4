# SPDX-License-Identifier: Apache-2.0
"""Files with secrets, and folders, that others can do too much with."""

from __future__ import annotations

import os
import pathlib

import fixtures
from oslo_config import cfg

from staffeln import conf
from staffeln.conf import logs, permissions
from staffeln.tests.unit.conf import files

URL = "mysql+pymysql://staffeln:geheim@db/staffeln"


class PermissionsTest(files.ConfTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.open_up(self.home)
        self.state = self.folder("state", 0o750)

    def open_up(self, folder: pathlib.Path) -> None:
        """Let others get at what is in a folder of the test's."""
        for each in (folder, *folder.parents):
            if each.stat().st_uid == os.getuid() and each != pathlib.Path("/"):
                mode = each.stat().st_mode
                each.chmod(mode | 0o001)
                self.addCleanup(each.chmod, mode)
            if each == pathlib.Path("/tmp"):
                return

    def folder(self, name: str, mode: int) -> pathlib.Path:
        path = self.home / name
        path.mkdir()
        path.chmod(mode)
        return path

    def given(self, text: str, mode: int = 0o600) -> cfg.ConfigOpts:
        found = self.read(f"[DEFAULT]\nstate_path = {self.state}\n{text}")
        (self.home / "staffeln.conf").chmod(mode)
        return found

    def warned(self, text: str, mode: int = 0o600) -> list[str]:
        return permissions.warnings(self.given(text, mode))

    def test_a_configuration_with_a_password_that_all_can_read(self) -> None:
        for text in (
            f"[database]\nconnection = {URL}\n",
            "[openstack]\npassword = geheim\nusername = x\nauth_url = http://k"
            "\n",
            "[notification]\nsender_pwd = geheim\n",
        ):
            (line,) = self.warned(text, 0o644)
            self.assertIn(f"{self.home}/staffeln.conf holds secrets", line)
            self.assertIn("read by every user", line)
            self.assertIn("mode 0644", line)
            self.assertIn("chmod 0640", line)
            self.assertNotIn("geheim", line)

    def test_one_that_others_can_change(self) -> None:
        (line,) = self.warned(f"[database]\nconnection = {URL}\n", 0o666)
        self.assertIn("changed by every user", line)

    def test_the_group_may_read(self) -> None:
        text = f"[database]\nconnection = {URL}\n"
        self.assertFalse(self.warned(text, 0o640))

    def test_one_without_secrets_may_be_read(self) -> None:
        text = "[database]\nconnection = sqlite:////x\n"
        self.assertFalse(self.warned(text, 0o644))

    def test_a_folder_above_may_keep_others_out(self) -> None:
        self.home.chmod(0o700)
        text = f"[database]\nconnection = {URL}\n"
        self.assertFalse(self.warned(text, 0o644))

    def test_files_that_options_name(self) -> None:
        for reader, text in (
            (conf.Reader.API, "[api]\nssl_key_file = {}\n"),
            (conf.Reader.CONDUCTOR, "[coordination]\nkubeconfig = {}\n"),
        ):
            path = self.home / "key"
            path.write_text("")
            path.chmod(0o644)
            of_file = str(self.file(text.format(path)))
            found = conf.load(
                ["--config-file", of_file], prog="test", reader=reader
            )
            (line,) = permissions.warnings(found)
            self.assertIn(f"{path} holds secrets", line)
            path.chmod(0o640)
            self.assertFalse(permissions.warnings(found))

    def test_the_clouds_file_that_is_used(self) -> None:
        path = self.home / "clouds.yaml"
        path.write_text("")
        path.chmod(0o644)
        self.useFixture(
            fixtures.EnvironmentVariable("OS_CLIENT_CONFIG_FILE", str(path))
        )
        (line,) = self.warned("[openstack]\ncloud = x\n")
        self.assertIn(str(path), line)
        self.assertFalse(self.warned(""))

    def test_clouds_files_where_clients_look(self) -> None:
        path = self.home / ".config/openstack/clouds.yaml"
        path.parent.mkdir(parents=True)
        path.write_text("")
        path.chmod(0o604)
        for each in path.parents[:2]:
            each.chmod(0o755)
        (line,) = self.warned("[openstack]\ncloud = x\n")
        self.assertIn(str(path), line)

    def test_folders_that_others_can_write_in(self) -> None:
        self.state.chmod(0o777)
        log = self.folder("log", 0o757)
        found = self.warned(f"log_dir = {log}\n")
        self.assertEqual(2, len(found))
        self.assertIn(f"{self.state} (state_path) can be written", found[0])
        self.assertIn(f"{log} (log_dir) can be written", found[1])
        (line, _) = self.warned(f"log_file = {log}/x\n")[::-1]
        self.assertIn("the folder of log_file", line)

    def test_a_sticky_folder_is_as_good_as_ones_own(self) -> None:
        self.state.chmod(0o1777)
        self.assertFalse(self.warned(""))

    def test_a_pod_is_alone_with_its_folders(self) -> None:
        self.state.chmod(0o777)
        self.useFixture(
            fixtures.EnvironmentVariable("KUBERNETES_SERVICE_HOST", "k")
        )
        self.assertFalse(self.warned(""))

    def test_what_is_not_there_is_no_matter_of_permissions(self) -> None:
        text = "[coordination]\nkubeconfig = /nowhere/kubeconfig\n"
        self.assertFalse(self.warned(text))

    def test_the_start_tells(self) -> None:
        self.keep_log_handlers()
        log = self.home / "x.log"
        text = f"log_file = {log}\n[database]\nconnection = {URL}\n"
        logs.begin(self.given(text, 0o644))
        lines = [x for x in log.read_text().splitlines() if "WARNING" in x]
        self.assertEqual(1, len(lines))
        self.assertIn("holds secrets", lines[0])
