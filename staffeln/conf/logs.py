# SPDX-License-Identifier: Apache-2.0
"""The log, as the options of oslo.log say."""

from __future__ import annotations

import contextlib
import copy
import logging
import sys
from collections.abc import Mapping

from oslo_config import cfg
from oslo_log import formatters, log

from staffeln import version
from staffeln.conf import files, permissions
from staffeln.domain import errors
from staffeln.ports import occasion

LOG = logging.getLogger(__name__)

_FAILURES = (
    log.LogConfigError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What the set-up of a log can come to: files, syslog, plugins, levels."""


_WITH_FIELDS = (formatters.JSONFormatter, formatters.FluentFormatter)
"""Formatters that keep a message apart from what belongs to it."""


class _OneLine(logging.Formatter):
    """The formatter of oslo.log, with ids and without summaries.

    It adds the text of whatever exception is being handled to every
    warning, also where the message has said it in better words. Only while
    a ValueError is handled it adds nothing.

    Of what a line is about, formats with fields get all ids; others get
    those behind the message that it does not name itself.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner
        self._has_fields = isinstance(inner, _WITH_FIELDS)

    def format(self, record: logging.LogRecord) -> str:
        if ids := occasion.ids():
            # Other handlers have the same record.
            record = copy.copy(record)
            if self._has_fields:
                said = getattr(record, "extra", {})
                record.extra = {**ids, **said}
            else:
                record.msg = record.getMessage() + _missing(record, ids)
                record.args = ()
        try:
            raise ValueError
        except ValueError:
            return self._inner.format(record)


def _missing(record: logging.LogRecord, ids: Mapping[str, str]) -> str:
    """The ids that a message does not name, to stand behind it.

    A task's requests have the task's own id: one of both is enough.
    """
    message = record.getMessage()
    found = [
        value if name == occasion.REQUEST else f"{name} {value}"
        for name, value in ids.items()
        if value not in message
        and not (name == occasion.REQUEST and "task" in ids)
    ]
    return f" [{', '.join(found)}]" if found else ""


def begin(conf: cfg.ConfigOpts) -> None:
    """Set the log up, and say which files were read and what is unknown.

    :raises ConfigurationError: the log cannot be opened.
    """
    try:
        log.setup(conf, "staffeln", version.version_string())
    except _FAILURES as error:
        raise errors.ConfigurationError(
            f"the log cannot be opened: {error}"
        ) from None
    for handler in logging.getLogger().handlers:
        if handler.formatter is not None:
            handler.setFormatter(_OneLine(handler.formatter))
        _never_raise(handler)
    LOG.info(
        "Staffeln %s; configuration: %s",
        version.version_string(),
        ", ".join(files.paths(conf)) or "defaults only",
    )
    for sentence in [*files.unknown(conf), *files.renamed(conf)]:
        LOG.warning("%s", sentence)
    unread = files.unread(conf)
    if unread:
        LOG.warning(
            "This release does not read these options of release 2.x, so "
            "what they stood for is not done: %s",
            ", ".join(unread),
        )
    for sentence in permissions.warnings(conf):
        LOG.warning("%s", sentence)


def _never_raise(handler: logging.Handler) -> None:
    """Let a log that cannot be written end nothing.

    The handler that reopens a rotated file raises where it cannot, out of
    whatever statement logged; others print a traceback for each line. The
    line goes to standard error instead.
    """
    emit, handle_error = handler.emit, handler.handleError

    def lost(record: logging.LogRecord) -> None:
        error = sys.exception()
        if isinstance(error, OSError):
            _say_elsewhere(record, error)
        else:
            handle_error(record)

    def guarded(record: logging.LogRecord) -> None:
        try:
            emit(record)
        except Exception as error:  # noqa: BLE001  logging ends nothing
            _say_elsewhere(record, error)

    handler.emit = guarded  # type: ignore[method-assign]
    handler.handleError = lost  # type: ignore[method-assign]


def _say_elsewhere(record: logging.LogRecord, error: Exception) -> None:
    with contextlib.suppress(Exception):
        sys.stderr.write(
            f"{record.levelname} {record.getMessage()} "
            f"(the log cannot be written: {error})\n"
        )


def goes_elsewhere(conf: cfg.ConfigOpts) -> bool:
    """Whether the log is not on the terminal, but in a file or a journal."""
    return bool(
        conf.log_file
        or conf.log_dir
        or conf.log_config_append
        or conf.use_syslog
        or conf.use_journal
    )
