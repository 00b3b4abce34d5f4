# SPDX-License-Identifier: Apache-2.0
"""Group [api], and who reads which groups of a shared file."""

from __future__ import annotations

from oslo_config import cfg
from oslo_service import opts as service_opts

from staffeln import conf
from staffeln.conf import files as conf_files
from staffeln.domain import errors
from staffeln.tests.unit.conf import files

WRONG = [
    ("host", "a b", "a b"),
    ("host", "", "host"),
    ("port", "0", "whole number from 1 to"),
    ("port", "65536", "65535"),
    ("port", "http", "whole number from"),
    ("workers", "0", "whole number from 1 to"),
    ("workers", "", "must not be empty"),
    ("threads", "257", "256"),
    ("enabled_ssl", "perhaps", "perhaps"),
    ("enabled_ssl", "true", "must be set with enabled_ssl"),
    ("ssl_ca_file", "/ca.pem", "needs enabled_ssl"),
    ("max_body", "1023", "1024"),
    ("request_timeout", "0", "whole number from 1 to"),
    ("worker_timeout", "4", "whole number from 5 to"),
    ("graceful_timeout", "-1", "whole number from 1 to"),
    ("proxied", "2", "2"),
    ("metrics_port", "8808\nmetrics_enabled = 1", "must differ from port"),
]


class ApiTest(files.ConfTestCase):
    def read(self, text: str, *arguments: str) -> cfg.ConfigOpts:
        path = str(self.file(text))
        return conf.load(
            ["--config-file", path, *arguments],
            prog="test",
            reader=conf.Reader.API,
        )

    def test_defaults(self) -> None:
        read = self.read("").api
        self.assertEqual(("127.0.0.1", 8808), (read.host, read.port))
        self.assertFalse(read.enabled_ssl)
        self.assertFalse(read.metrics_enabled)

    def test_options_of_release_2_mean_what_they_meant(self) -> None:
        read = self.read(
            "[api]\nhost = 192.0.2.1\nport = 1\nenabled_ssl = true\n"
            "ssl_key_file = /k\nssl_cert_file = /c\n"
        ).api
        self.assertEqual(
            ("192.0.2.1", 1, True, "/k", "/c"),
            (
                read.host,
                read.port,
                read.enabled_ssl,
                read.ssl_key_file,
                read.ssl_cert_file,
            ),
        )

    def test_each_wrong_value_is_one_line_that_names_it(self) -> None:
        for name, text, why in WRONG:
            with self.subTest(name, text=text):
                line = self.refused(f"[api]\n{name} = {text}\n")
                self.assertIn("[api] ", line)
                self.assertIn(why, line)

    def test_what_the_conductor_reads_keeps_no_api_from_starting(self) -> None:
        text = "[conductor]\nfull_backup_depth = deep\n"
        self.read(text)
        self.assertRaises(errors.ConfigurationError, super().read, text)

    def test_what_the_api_reads_keeps_no_conductor_from_starting(self) -> None:
        super().read("[api]\nport = deep\nenabled_ssl = true\n")

    def test_options_of_others_are_not_unknown(self) -> None:
        read = self.read(
            "[DEFAULT]\ngraceful_shutdown_timeout = 9\n"
            "[openstack]\nauth_section = creds\n"
            "[creds]\npassword = x\n[conductor]\nfull_backup_depth = 1\n"
        )
        self.assertEqual([], conf_files.unknown(read))

    def test_a_misspelt_option_is_named_by_who_reads_the_group(self) -> None:
        text = "[api]\nprot = 1\n[conductor]\nbackup_wrokers = 1\n"
        (line,) = conf_files.unknown(self.read(text))
        self.assertIn("'prot' in group [api]", line)
        (line,) = conf_files.unknown(super().read(text))
        self.assertIn("'backup_wrokers' in group [conductor]", line)

    def test_the_options_of_oslo_service_are_those_that_are_known(
        self,
    ) -> None:
        bare = cfg.ConfigOpts()
        before = set(bare)
        service_opts.register_service_opts(bare)
        self.assertEqual(conf_files.OF_THE_CONDUCTOR, set(bare) - before)
