# SPDX-License-Identifier: Apache-2.0
"""Times between MariaDB and us: as its driver converts them, but quicker."""

from __future__ import annotations

import datetime
from typing import Any

import sqlalchemy as sa
from pymysql import converters
from pymysql.constants import FIELD_TYPE

from staffeln.db import times
from staffeln.tests import base
from staffeln.tests.unit.domain import samples


class _Asked(Exception):
    """A connection would be made."""


def conversions(url: str) -> dict[Any, Any]:
    """What a connection of a quickened engine would convert by."""
    engine = sa.create_engine(url)
    times.quicken(engine)
    found: dict[Any, Any] = {}

    @sa.event.listens_for(engine, "do_connect")
    def _connects(*what: Any) -> None:
        found.update(what[3].get("conv", {}))
        raise _Asked

    try:
        engine.connect()
    except _Asked:
        return found
    raise AssertionError("nobody connected")


class TimesTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.conversions = conversions("mysql+pymysql://u@127.0.0.1/d")

    def test_times_are_read_as_the_driver_reads_them(self) -> None:
        for text in (
            "2026-11-21 18:32:19.123456",
            "2026-11-21 18:32:19.000001",
            "2026-11-21 18:32:19.5",
            "2026-11-21 18:32:19",
            "1000-01-01 00:00:00",
            "9999-12-31 23:59:59.999999",
            "0000-00-00 00:00:00",
            "2026-02-31 00:00:00",
        ):
            expected = converters.convert_datetime(text)
            for kind in (FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP):
                self.assertEqual(expected, self.conversions[kind](text))

    def test_times_are_written_as_the_driver_writes_them(self) -> None:
        convert = self.conversions[datetime.datetime]
        for when in (
            samples.NOW,
            samples.NOW.replace(microsecond=123456),
            samples.NOW.replace(year=1, month=1, day=1),
            samples.NOW.replace(tzinfo=datetime.UTC),
        ):
            self.assertEqual(
                converters.escape_datetime(when, {}), convert(when, {})
            )

    def test_all_else_is_the_drivers(self) -> None:
        self.assertEqual(
            converters.conversions.keys(), self.conversions.keys()
        )
        for kind, convert in converters.conversions.items():
            if kind not in (
                FIELD_TYPE.DATETIME,
                FIELD_TYPE.TIMESTAMP,
                datetime.datetime,
            ):
                self.assertIs(convert, self.conversions[kind])

    def test_other_databases_are_left_alone(self) -> None:
        engine = sa.create_engine("sqlite://")
        times.quicken(engine)
        with engine.connect() as connection:
            self.assertEqual(1, connection.scalar(sa.text("SELECT 1")))
