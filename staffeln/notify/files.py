# SPDX-License-Identifier: Apache-2.0
"""Copies of reports as files in a folder.

The same report has the same names however often it is written, and nobody
ever reads half a file.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import pathlib

from staffeln.domain import report
from staffeln.notify import letter

LOG = logging.getLogger(__name__)

_MODE = 0o640


class ReportFolder:
    """A folder that keeps a copy of each report."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def keep(
        self,
        report_id: str,
        created_at: datetime.datetime,
        what: report.Rendered,
    ) -> None:
        """Write a report down; what goes wrong is logged and not raised.

        :param created_at: of the report; UTC.
        """
        base = letter.file_name(f"{created_at:%Y%m%dT%H%M%SZ}-{report_id}")
        files = {f"{base}.txt": what.text.encode("utf-8", "replace")}
        if what.html:
            files[f"{base}.html"] = what.html.encode("utf-8", "replace")
        for each in what.attachments:
            name = f"{base}-{letter.file_name(each.name)}"
            files[name] = each.content
        try:
            for name, content in files.items():
                self._write(name, content)
        except (OSError, ValueError) as error:
            LOG.error(
                "No copy of report %s in [notification] report_dir %s: %s",
                report_id,
                self._folder,
                getattr(error, "strerror", None) or error,
            )

    def _write(self, name: str, content: bytes) -> None:
        """Write beside it, then put it in its place."""
        unfinished = self._folder / f".{name}.{os.getpid()}"
        try:
            handle = os.open(
                unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE
            )
            with open(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, self._folder / name)
        except BaseException:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise
