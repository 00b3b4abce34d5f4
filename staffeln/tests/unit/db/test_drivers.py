# SPDX-License-Identifier: Apache-2.0
"""Which URLs a driver takes, before anything is connected to."""

from __future__ import annotations

from staffeln.db import drivers, urls
from staffeln.domain import errors
from staffeln.tests import base


class DriverTest(base.TestCase):
    def test_what_is_taken(self) -> None:
        for url in (
            "sqlite:////a/b",
            "mysql://u:p@h/d?connect_timeout=5&ssl_check_hostname=false",
            "postgresql://u:p@h/d?connect_timeout=-1&sslmode=require",
        ):
            drivers.check(urls.normalised(url))

    def test_what_is_not(self) -> None:
        for url, why in (
            ("mysql+nothing://u:s3cret@h/d", "mysql.nothing"),
            ("mysql+oursql://u:s3cret@h/d", "oursql"),
            ("mysql://u:s3cret@h/d?connect_timeout=abc", "'abc'"),
            ("mysql://u:s3cret@h/d?connect_timeout=0", "connect_timeout"),
            ("mysql://u:s3cret@h/d?nothing=1", "'nothing'"),
            ("mysql://u:s3cret@h/d?ssl_ca=/nowhere/x", "No such file"),
            ("postgresql://u:s3cret@h/d?nothing=1", '"nothing"'),
            ("postgresql://u:s3cret@h/d?connect_timeout=abc", "no number"),
            ("sqlite:////a/b?timeout=abc", "'abc'"),
        ):
            error = self.assertRaises(
                errors.ConfigurationError,
                drivers.check,
                urls.normalised(url),
            )
            self.assertIn("[database] connection", str(error))
            self.assertIn(why, str(error))
            self.assertNotIn("s3cret", str(error))
            self.assertNotIn("\n", str(error))
