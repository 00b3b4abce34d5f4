# SPDX-License-Identifier: Apache-2.0
"""The files of TLS: each that cannot be used is one line."""

from __future__ import annotations

import pathlib
import ssl

from staffeln.api import tls
from staffeln.domain import errors
from staffeln.tests import base, certificates


class ContextTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.authority = certificates.Authority(self.home, "authority")
        self.certificate, self.key = self.authority.sign("server")

    def refused(
        self,
        certificate: pathlib.Path | str,
        key: pathlib.Path | str,
        authorities: pathlib.Path | str = "",
    ) -> str:
        error = self.assertRaises(
            errors.ConfigurationError,
            tls.context,
            str(certificate),
            str(key),
            str(authorities),
        )
        self.assertEqual(1, len(str(error).splitlines()))
        return str(error)

    def junk(self) -> pathlib.Path:
        path = self.home / "junk"
        path.write_text("junk\n")
        return path

    def test_without_authorities_clients_are_not_asked(self) -> None:
        made = tls.context(str(self.certificate), str(self.key), "")
        self.assertEqual(ssl.CERT_NONE, made.verify_mode)
        self.assertEqual(ssl.TLSVersion.TLSv1_2, made.minimum_version)

    def test_with_authorities_clients_must_show_one(self) -> None:
        made = tls.context(
            str(self.certificate), str(self.key), str(self.authority.file)
        )
        self.assertEqual(ssl.CERT_REQUIRED, made.verify_mode)

    def test_one_file_may_hold_both(self) -> None:
        both = self.home / "both"
        both.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
        tls.context(str(both), "", "")

    def test_files_that_are_not_there(self) -> None:
        nowhere = self.home / "nowhere"
        for name, files in (
            ("ssl_cert_file", (nowhere, self.key, "")),
            ("ssl_key_file", (self.certificate, nowhere, "")),
            ("ssl_ca_file", (self.certificate, self.key, nowhere)),
        ):
            line = self.refused(*files)
            self.assertIn(f"[api] {name} = '{nowhere}': cannot be read", line)
            self.assertIn("No such file", line)

    def test_files_that_are_something_else(self) -> None:
        junk = self.junk()
        for expected, files in (
            ("ssl_cert_file", (junk, self.key, "")),
            ("ssl_cert_file", (junk, "", "")),
            ("ssl_key_file", (self.certificate, junk, "")),
            ("ssl_ca_file", (self.certificate, self.key, junk)),
            ("ssl_ca_file", (self.certificate, self.key, self.key)),
        ):
            self.assertIn(f"[api] {expected} = ", self.refused(*files))

    def test_a_folder_is_no_file(self) -> None:
        self.assertIn("ssl_cert_file", self.refused(self.home, self.key))

    def test_a_key_of_another_certificate(self) -> None:
        _, other = self.authority.sign("other")
        line = self.refused(self.certificate, other)
        self.assertIn("ssl_key_file", line)
        self.assertIn("does not belong to the certificate", line)

    def test_a_key_with_a_passphrase_asks_nobody(self) -> None:
        certificate, key = self.authority.sign("locked", b"geheim")
        line = self.refused(certificate, key)
        self.assertIn("passphrase", line)

    def test_a_certificate_without_its_key(self) -> None:
        line = self.refused(self.certificate, "")
        self.assertIn("ssl_cert_file", line)
        self.assertIn("no private key", line)
