# SPDX-License-Identifier: Apache-2.0
"""Configuration files of tests."""

from __future__ import annotations

import logging
import pathlib

from oslo_config import cfg

from staffeln import conf
from staffeln.domain import errors
from staffeln.tests import base


class ConfTestCase(base.TestCase):
    """A test that reads configuration files of its own."""

    def file(self, text: str, name: str = "staffeln.conf") -> pathlib.Path:
        """Write a configuration file."""
        path = self.home / name
        path.write_text(text)
        return path

    def read(self, text: str, *arguments: str) -> cfg.ConfigOpts:
        """Read a configuration file."""
        path = str(self.file(text))
        return conf.load(["--config-file", path, *arguments], prog="test")

    def refused(self, text: str, *arguments: str) -> str:
        """The one line with which a file is refused."""
        error = self.assertRaises(
            errors.ConfigurationError, self.read, text, *arguments
        )
        self.assertEqual(1, len(str(error).splitlines()), str(error))
        return str(error)

    def keep_log_handlers(self) -> None:
        """Give the process its log back when the test ends."""
        root = logging.getLogger()
        self.addCleanup(_restore, list(root.handlers), root.level)


def _restore(handlers: list[logging.Handler], level: int) -> None:
    root = logging.getLogger()
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers = handlers
    root.setLevel(level)
