# SPDX-License-Identifier: Apache-2.0
"""Misspelt options are found; what libraries read is not called one."""

from staffeln.conf import files as room
from staffeln.tests.unit.conf import files

EARLIER_RELEASE = """
[DEFAULT]
debug = true
log_file = /var/log/staffeln.log
[conductor]
backup_workers = 1
rotation_workers = 1
backup_service_period = 1800
backup_min_interval = 1800
report_period = 86400
backup_cycle_timout = 5min
backup_metadata_key = __staffeln_backup
retention_metadata_key = __staffeln_retention
full_backup_depth = 2
retention_service_period = 1200
retention_time = 2w3d
[openstack]
retry_timeout = 300
max_retry_interval = 30
skip_retry_codes = 404
[coordination]
backend_url =
[notification]
receiver = a@example.org
project_receiver_domain = example.org
sender_email = b@example.org
sender_pwd = secret
smtp_server_domain = smtp.example.org
smtp_server_port = 587
[api]
host = 127.0.0.1
port = 8808
enabled_ssl = false
ssl_key_file = /k
ssl_cert_file = /c
[database]
connection = sqlite://
mysql_engine = InnoDB
"""


class UnknownTest(files.ConfTestCase):
    def unknown(self, text: str) -> list[str]:
        return room.unknown(self.read(text))

    def test_a_file_of_an_earlier_release_is_known(self) -> None:
        self.assertEqual([], self.unknown(EARLIER_RELEASE))

    def test_what_this_release_does_not_read_of_it_is_named(self) -> None:
        unread = room.unread(self.read(EARLIER_RELEASE))
        self.assertEqual(
            ["[database] mysql_engine (all tables are InnoDB)"], unread
        )

    def test_what_is_called_otherwise_now_is_named_with_its_new_name(
        self,
    ) -> None:
        (line,) = room.renamed(self.read(EARLIER_RELEASE))
        self.assertIn("'backup_cycle_timout' in group [conductor]", line)
        self.assertIn("is called 'backup_cycle_timeout' now", line)

    def test_names_of_libraries_that_changed_are_named_too(self) -> None:
        (line,) = room.renamed(self.read("[DEFAULT]\nlogfile = /x\n"))
        self.assertIn("is called 'log_file' now", line)

    def test_names_of_this_release_are_no_news(self) -> None:
        text = "[conductor]\nbackup_cycle_timeout = 1d\n"
        self.assertEqual([], room.renamed(self.read(text)))

    def test_nothing_is_unread_in_a_file_of_this_release(self) -> None:
        self.assertEqual(
            [], room.unread(self.read("[conductor]\nbackup_workers = 1\n"))
        )

    def test_an_unread_option_is_named_once(self) -> None:
        folder = self.make_temp_dir()
        text = "[database]\nmysql_engine = InnoDB\n"
        (folder / "a.conf").write_text(text)
        read = self.read(text, "--config-dir", str(folder))
        self.assertEqual(1, len(room.unread(read)))

    def test_a_misspelt_option_is_named_with_file_and_group(self) -> None:
        (line,) = self.unknown("[conductor]\nbackup_worker = 3\n")
        self.assertIn("staffeln.conf", line)
        self.assertIn("'backup_worker' in group [conductor]", line)

    def test_a_misspelt_group_is_named(self) -> None:
        (line,) = self.unknown("[conductor2]\nbackup_workers = 3\n")
        self.assertIn("[conductor2]", line)

    def test_dashes_are_no_underscores(self) -> None:
        self.assertEqual(1, len(self.unknown("[conductor]\nbackup-workers=3")))

    def test_groups_are_known_in_any_case(self) -> None:
        self.assertEqual([], self.unknown("[Conductor]\nbackup_workers = 3\n"))

    def test_groups_of_libraries_are_left_alone(self) -> None:
        self.assertEqual(
            [],
            self.unknown(
                "[DEFAULT]\ntransport_url = rabbit://h/\n"
                "[oslo_messaging_notifications]\ndriver = noop\n"
            ),
        )

    def test_earlier_names_of_libraries_are_known(self) -> None:
        self.assertEqual([], self.unknown("[DEFAULT]\nlogfile = /x\n"))

    def test_the_usual_credentials_are_known(self) -> None:
        self.assertEqual(
            [],
            self.unknown(
                "[openstack]\nauth_type = password\nauth_url = http://k/v3\n"
                "username = u\npassword = p\nproject_name = service\n"
                "user_domain_name = Default\nproject_domain_name = Default\n"
            ),
        )

    def test_credentials_of_other_plugins_are_left_alone(self) -> None:
        self.assertEqual(
            [],
            self.unknown(
                "[openstack]\nauth_type = v3oidcpassword\nclient_id = x\n"
            ),
        )
        self.assertEqual(
            [],
            self.unknown(
                "[openstack]\nauth_section = Service\n[service]\nuser_id = x\n"
            ),
        )

    def test_every_file_of_a_folder_is_looked_at(self) -> None:
        folder = self.make_temp_dir()
        (folder / "a.conf").write_text("[conductor]\nwrong = 1\n")
        (folder / "b.txt").write_text("[conductor]\nwrong = 1\n")
        read = self.read("", "--config-dir", str(folder))
        (line,) = room.unknown(read)
        self.assertIn("a.conf", line)

    def test_a_file_that_has_gone_is_left_out(self) -> None:
        read = self.read("[conductor]\nwrong = 1\n")
        (self.home / "staffeln.conf").unlink()
        self.assertEqual([], room.unknown(read))
