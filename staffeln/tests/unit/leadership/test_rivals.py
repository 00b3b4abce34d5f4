# SPDX-License-Identifier: Apache-2.0
"""A lock of one host must not schedule beside a conductor of another."""

import datetime

from staffeln import leadership, ports
from staffeln.tests import base

NOW = datetime.datetime(2026, 1, 1, 12)  # noqa: DTZ001  UTC without a zone
TIMEOUT = datetime.timedelta(minutes=1)


def conductor(
    id_: str, host: str, age: int = 0, backend: str = "file lock /x"
) -> ports.Conductor:
    seen = NOW - datetime.timedelta(seconds=age)
    return ports.Conductor(
        id=id_,
        host=host,
        pid=1,
        backend=backend,
        started_at=seen,
        heartbeat_at=seen,
    )


MINE = conductor("me", "here")


class RivalTest(base.TestCase):
    def rival(
        self, *others: ports.Conductor, local: bool = True
    ) -> str | None:
        return leadership.rival(
            MINE, [MINE, *others], NOW, TIMEOUT, local=local
        )

    def test_alone(self) -> None:
        self.assertIsNone(self.rival())

    def test_another_one_of_the_same_host_shares_the_lock(self) -> None:
        self.assertIsNone(self.rival(conductor("other", "here")))

    def test_a_living_one_of_another_host_is_named(self) -> None:
        line = self.rival(conductor("other", "there", 59))
        assert line is not None
        self.assertIn("conductor other on there is alive", line)
        self.assertIn("backend_url", line)

    def test_a_silent_one_does_not_count(self) -> None:
        self.assertIsNone(self.rival(conductor("other", "there", 60)))

    def test_a_shared_backend_serves_all_hosts(self) -> None:
        self.assertIsNone(self.rival(conductor("other", "there"), local=False))

    def test_another_backend_is_a_rival_on_any_host(self) -> None:
        other = conductor("other", "here", backend="file lock /y")
        for local in (True, False):
            line = self.rival(other, local=local)
            assert line is not None
            self.assertIn("file lock /y", line)
            self.assertIn("file lock /x", line)
