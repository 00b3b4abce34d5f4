# SPDX-License-Identifier: Apache-2.0
"""The application: global options, and the commands of setup.cfg."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from typing import Any

from cliff import app, command, commandmanager

from staffeln import version
from staffeln.cli.doors import Doors, OpenDoors


class Application(app.App):
    """``staffeln``; its commands reach everything through ``doors``."""

    def __init__(self, open_doors: OpenDoors) -> None:
        super().__init__(
            description="Look at what Staffeln does and would do",
            version=version.version_string(),
            command_manager=commandmanager.CommandManager("staffeln.cli"),
            deferred_help=True,
        )
        self._open_doors = open_doors

    def build_option_parser(
        self, *arguments: Any, **more: Any
    ) -> argparse.ArgumentParser:
        """Add our global options to those of every cliff application."""
        parser = super().build_option_parser(*arguments, **more)
        for name, help_text in (
            ("file", "read this configuration file; may be given repeatedly"),
            ("dir", "read the configuration files of this directory"),
        ):
            parser.add_argument(
                f"--config-{name}",
                action="append",
                default=[],
                metavar="PATH",
                help=help_text,
            )
        return parser

    @functools.cached_property
    def doors(self) -> Doors:
        """The way to the database and the cloud."""
        return self._open_doors(_configuration_arguments(self.options))


def _configuration_arguments(options: argparse.Namespace) -> Sequence[str]:
    return [
        *(f"--config-file={path}" for path in options.config_file),
        *(f"--config-dir={path}" for path in options.config_dir),
    ]


def doors_of(which: command.Command) -> Doors:
    """The doors of the application that a command belongs to."""
    assert isinstance(which.app, Application)  # nosec
    return which.app.doors
