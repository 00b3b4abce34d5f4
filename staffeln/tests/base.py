# SPDX-License-Identifier: Apache-2.0
"""The class that every test inherits: nothing of the host leaks in."""

import logging
import os
import pathlib
from typing import ClassVar

import fixtures
import hypothesis
import testtools
from testtools import content

# A property must not fail because the machine is slow, nor leave files in
# the checkout; in CI the same commit gives the same result twice.
hypothesis.settings.register_profile(
    "staffeln",
    database=None,
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("staffeln")

# The environment as it was before any test: for fixtures that run the
# project's own tools, which keep what they install in the user's cache.
HOST_ENVIRONMENT = dict(os.environ)

# It tells at DEBUG of each plugin that is installed, each time that it looks.
logging.getLogger("stevedore").setLevel(logging.INFO)

_LONGEST_DETAIL = 1_000_000
"""Characters; stestr ends all tests where a detail of one is above 4 MiB."""

# Variables that would make a test depend on who runs it and where.
_LEAKING_PREFIXES = ("OS_", "STAFFELN_", "KUBE", "XDG_", "MYSQL_", "PG")


class TestCase(testtools.TestCase):
    """A test with an empty home, a clean environment and a captured log.

    ``self.home`` is an empty folder and HOME points at it. ``self.log``
    holds what was logged, from DEBUG up; a failed test shows it.
    """

    hang_limit: ClassVar[int] = 900
    """Seconds after which a test is taken to hang, and fails.

    Wide enough for the first one that waits for a server to be installed.
    """

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.Timeout(self.hang_limit, gentle=True))
        for name in os.environ:
            if name.startswith(_LEAKING_PREFIXES):
                self.useFixture(fixtures.EnvironmentVariable(name, None))
        self.useFixture(fixtures.EnvironmentVariable("TZ", "UTC"))
        self.home = self.make_temp_dir()
        self.useFixture(fixtures.EnvironmentVariable("HOME", str(self.home)))
        # Registered before the log, so run when that was taken.
        self.addCleanup(self._shorten_details)
        self.log = self.useFixture(
            fixtures.FakeLogger(
                level=logging.DEBUG,
                format="%(levelname)s %(name)s: %(message)s",
            )
        )

    def _shorten_details(self) -> None:
        """Keep the end of what is too long for the results."""
        for name, found in list(self.getDetails().items()):
            if found.content_type.type != "text":
                continue
            text = found.as_text()
            if len(text) > _LONGEST_DETAIL:
                self.addDetail(
                    name, content.text_content(text[-_LONGEST_DETAIL:])
                )

    def make_temp_dir(self) -> pathlib.Path:
        """Return a new empty folder that goes when the test ends."""
        return pathlib.Path(self.useFixture(fixtures.TempDir()).path)
