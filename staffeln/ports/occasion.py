# SPDX-License-Identifier: Apache-2.0
"""What is being done: the ids that go with each line of the log.

Whoever begins something says what it is about; every line that is logged
meanwhile in that thread carries the ids, also those of libraries, and so does
every request to OpenStack, whose services write the id into logs of their own.
"""

from __future__ import annotations

import contextlib
import contextvars
import types
import uuid
from collections.abc import Iterator, Mapping

from staffeln.domain import task

REQUEST = "request"
"""The id in OpenStack's form of what is done: ``req-`` and a uuid."""

_NOTHING: Mapping[str, str] = types.MappingProxyType({})

_IDS: contextvars.ContextVar[Mapping[str, str]] = contextvars.ContextVar(
    "staffeln_occasion", default=_NOTHING
)


def new_request() -> str:
    """An id for something that nobody else has named."""
    return f"req-{uuid.uuid4()}"


def ids() -> Mapping[str, str]:
    """What this thread is at: ids by what they are ids of."""
    return _IDS.get()


@contextlib.contextmanager
def about(**given: str | None) -> Iterator[None]:
    """Say what follows is about; what was said before goes on to hold.

    :param given: ids by what they are ids of; empty ones are left out.
    """
    found = {name: value for name, value in given.items() if value}
    token = _IDS.set({**_IDS.get(), **found})
    try:
        yield
    finally:
        _IDS.reset(token)


def about_task(work: task.Task) -> contextlib.AbstractContextManager[None]:
    """Say that what follows is about a task.

    Its requests carry the task's own id: whoever looks for it in Cinder's
    log finds the call that made the backup.
    """
    return about(
        request=f"req-{work.id}",
        task=work.id,
        volume=work.volume_id,
        backup=work.backup_id,
        project=work.project_id,
    )
