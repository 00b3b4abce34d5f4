# SPDX-License-Identifier: Apache-2.0
"""Which database a URL means, and how it is shown."""

from __future__ import annotations

from staffeln.db import limits, urls
from staffeln.domain import errors
from staffeln.tests import base


class UrlTest(base.TestCase):
    def text(self, url: str) -> str:
        return urls.normalised(url).render_as_string(hide_password=False)

    def test_a_url_without_a_driver_gets_the_one_that_is_tested(self) -> None:
        self.assertEqual(
            "mysql+pymysql://u:p@h/d?charset=utf8mb4",
            self.text("mysql://u:p@h/d"),
        )
        self.assertEqual(
            "postgresql+psycopg2://u:p@h/d", self.text("postgresql://u:p@h/d")
        )
        self.assertEqual("sqlite:////a/b", self.text("sqlite:////a/b"))

    def test_what_a_url_says_is_kept(self) -> None:
        for url in (
            "mysql+mysqldb://u:p@h:3307/d?charset=utf8mb4&ssl_ca=x",
            "postgresql+pg8000://h/d?sslmode=require",
        ):
            self.assertEqual(url, self.text(url))

    def test_texts_are_sent_whole_whatever_the_url_says(self) -> None:
        self.assertEqual(
            "mysql+pymysql://h/d?charset=utf8mb4",
            self.text("mysql+pymysql://h/d?charset=utf8"),
        )

    def test_parameters_follow_those_of_the_url(self) -> None:
        url = urls.normalised("mysql://h/d?ssl_ca=x", "charset=utf8&ssl_key=y")
        self.assertEqual(
            {"charset": "utf8mb4", "ssl_ca": "x", "ssl_key": "y"},
            dict(url.query),
        )

    def test_a_server_is_not_silent_for_ever(self) -> None:
        for url, name, limit in (
            ("mysql://h/d", "read_timeout", "30"),
            ("mysql://h/d?read_timeout=7", "read_timeout", "7"),
            ("postgresql://h/d", "tcp_user_timeout", "30000"),
            ("mysql+mysqldb://h/d", "read_timeout", None),
            ("sqlite:////a/b", "read_timeout", None),
        ):
            found = limits.with_silence(urls.normalised(url))
            self.assertEqual(limit, found.query.get(name), url)

    def test_a_url_is_shown_without_secrets(self) -> None:
        url = urls.normalised("mysql://u:s3cret@h/d?ssl_key=s3cret")
        self.assertEqual("mysql+pymysql://u:***@h/d", urls.shown(url))

    def test_what_is_no_url_is_not_repeated(self) -> None:
        for text in (
            "",
            "s3cret",
            "mysql://u:s3cret@h:port/d",
            "s3cret:x",
            "mysql://u:a@s3cret@h/d",
        ):
            error = self.assertRaises(
                errors.ConfigurationError, urls.normalised, text
            )
            self.assertNotIn("s3cret", str(error))

    def test_an_at_sign_in_a_password(self) -> None:
        error = self.assertRaises(
            errors.ConfigurationError, urls.normalised, "mysql://u:a@b@h/d"
        )
        self.assertIn("%40", str(error))

    def test_other_kinds_are_refused(self) -> None:
        error = self.assertRaises(
            errors.ConfigurationError, urls.normalised, "oracle://u:p@h/d"
        )
        self.assertIn("oracle is not one of", str(error))
