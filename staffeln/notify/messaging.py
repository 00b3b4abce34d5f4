# SPDX-License-Identifier: Apache-2.0
"""Notifications on OpenStack's message bus, by oslo.messaging.

Off unless ``[oslo_messaging_notifications] driver`` is set. What happens is
put into a queue in memory; a thread sends it. A bus that is down holds
nobody up: the queue is bounded, the oldest go first, and are counted. What
waits when the process ends has two seconds left.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import logging
import threading
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from oslo_config import cfg

from staffeln.domain import errors, model, task
from staffeln.notify import bus_options

with warnings.catch_warnings():
    # A library beneath looks for eventlet, whose import warns; and it would
    # choose it for the whole process if nothing else was chosen before.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    from oslo_service import backend

    backend.init_backend(backend.BackendType.THREADING)
    import oslo_messaging

LOG = logging.getLogger(__name__)

GROUP = "oslo_messaging_notifications"
PAYLOAD_VERSION = "1.0"
"""The first number changes when a reader has to."""

MOST_WAITING = 10_000
"""Notifications that wait for the bus, at most; each takes some 2 KiB."""
FLUSH = 2.0
"""Seconds that the end waits for what is not sent yet."""
PAUSE = 5.0
"""Seconds between two tries while the bus is down."""

_DRIVERS = "oslo.messaging.notify.drivers"
_EVENTS = {
    task.State.RUNNING: "start",
    task.State.SUCCEEDED: "end",
    task.State.FAILED: "error",
}
_PREFIXES = {
    task.Kind.BACKUP: "staffeln.backup",
    task.Kind.DELETE: "staffeln.backup.delete",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Notification:
    """One message of the bus."""

    event_type: str
    payload: Mapping[str, Any]
    is_error: bool = False


class Bus:
    """An observer that sends notifications, in a thread of its own."""

    def __init__(
        self,
        publish: Callable[[Notification], None],
        deployment_uuid: str,
        count: Callable[[int, bool], None] = lambda *_: None,
        *,
        most_waiting: int = MOST_WAITING,
        pause: float = PAUSE,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """:param publish: sends one; raises when the bus did not take it.

        :param count: told how many were published (True) or dropped.
        :param pause: seconds between two tries while the bus is down.
        :param close: lets go of the bus; not called while it hangs.
        """
        self._publish = publish
        self._deployment_uuid = deployment_uuid
        self._count = count
        self._most_waiting = most_waiting
        self._pause = pause
        self._close = close
        self._waiting: deque[Notification] = deque()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._is_down = False
        self._dropped = 0
        self._thread = threading.Thread(
            target=self._run, name="notifications", daemon=True
        )

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send what waits, for at most two seconds, and end."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(FLUSH)
        with self._changed:
            lost = len(self._waiting)
            self._waiting.clear()
        # The one under way is neither here nor known to be there.
        if lost:
            LOG.warning("Notifications: %d were not sent before the end", lost)
            self._count(lost, False)

    # -- what happens ------------------------------------------------------

    def moved(self, _before: task.State | None, work: task.Task) -> None:
        """Tell of a task that began or ended its work."""
        event = _EVENTS.get(work.state)
        if event is not None:
            self._put(
                f"{_PREFIXES[work.kind]}.{event}",
                _told_of(work),
                is_error=event == "error",
            )

    def report_sent(
        self,
        report_id: str,
        project_ids: tuple[str, ...],
        receivers: tuple[str, ...],
    ) -> None:
        """Tell of a report; its readers' addresses stay out of it."""
        self._put(
            "staffeln.report.sent",
            {
                "report_id": report_id,
                "project_ids": list(project_ids),
                "receiver_count": len(receivers),
            },
        )

    def report_failed(
        self, report_id: str, project_ids: tuple[str, ...]
    ) -> None:
        """Nothing to tell of: it is tried again."""

    def cycle_ended(self, cycle: model.Cycle) -> None:
        """Nothing to tell of."""

    def retention_ended(self, seconds: float, *, complete: bool) -> None:
        """Nothing to tell of."""

    # -- the queue ---------------------------------------------------------

    def _put(
        self,
        event_type: str,
        payload: Mapping[str, Any],
        *,
        is_error: bool = False,
    ) -> None:
        head = {
            "payload_version": PAYLOAD_VERSION,
            "event_id": str(uuid.uuid4()),
            "deployment_id": self._deployment_uuid,
        }
        with self._changed:
            self._waiting.append(
                Notification(event_type, {**head, **payload}, is_error)
            )
            dropped = self._drop_surplus()
            self._changed.notify()
        if dropped:
            self._count(dropped, False)

    def _drop_surplus(self) -> int:
        """Let the oldest go of more than may wait; how many."""
        surplus = max(0, len(self._waiting) - self._most_waiting)
        for _ in range(surplus):
            self._waiting.popleft()
        self._dropped += surplus
        return surplus

    def _run(self) -> None:
        while True:
            is_last = self._stop.is_set()
            message = self._next()
            if message is None:
                break
            try:
                self._publish(message)
            except Exception as error:  # noqa: BLE001  the thread's border
                self._failed(message, error)
                if is_last:
                    return
                self._stop.wait(self._pause)
            else:
                self._succeeded()
        self._close()

    def _next(self) -> Notification | None:
        """Wait for one; None: it is the end, and all are sent."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting or self._stop.is_set()
            )
            return self._waiting.popleft() if self._waiting else None

    def _failed(self, message: Notification, error: Exception) -> None:
        """Keep it for another try, in its place."""
        with self._changed:
            self._waiting.appendleft(message)
            dropped = self._drop_surplus()
        if dropped:
            self._count(dropped, False)
        if not self._is_down:
            LOG.warning(
                "Notifications: the message bus does not take any: %s; up to "
                "%d wait, then the oldest are dropped",
                _in_words(error),
                self._most_waiting,
            )
        self._is_down = True

    def _succeeded(self) -> None:
        self._count(1, True)
        if self._is_down:
            LOG.info(
                "Notifications: the message bus takes them again; %d were "
                "dropped",
                self._dropped,
            )
            self._is_down, self._dropped = False, 0


def _told_of(work: task.Task) -> dict[str, Any]:
    """A task as readers of the bus get it; the docs name each field."""
    return {
        "task_id": work.id,
        "state": work.state.value,
        "attempt": work.attempt,
        "mode": work.mode.value if work.mode else None,
        "cause": work.cause.value if work.cause else None,
        "reason": work.reason,
        "project_id": work.project_id,
        "volume_id": work.volume_id,
        "volume_name": work.volume_name,
        "volume_size": work.volume_size,
        "server_id": work.server_id,
        "server_name": work.server_name,
        "backup_id": work.backup_id,
        "created_at": _text(work.created_at),
        "updated_at": _text(work.updated_at),
        "finished_at": _text(work.finished_at),
    }


def _text(when: datetime.datetime | None) -> str | None:
    return None if when is None else when.isoformat() + "Z"


def _in_words(error: BaseException) -> str:
    """One line of whatever a library raised."""
    words = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {words}" if words else repr(error)


# -- oslo.messaging ----------------------------------------------------------


def check(conf: cfg.ConfigOpts) -> None:
    """Look at what was configured, without asking a server.

    :raises ConfigurationError: it cannot be a bus.
    """
    _Publisher(conf, "check").forget()


def connect(
    conf: cfg.ConfigOpts,
    host: str,
    deployment_uuid: str,
    count: Callable[[int, bool], None],
) -> Bus:
    """The bus that is configured; nothing is sent yet.

    :raises ConfigurationError: it cannot be a bus.
    """
    publisher = _Publisher(conf, f"staffeln.{host}")
    return Bus(publisher, deployment_uuid, count, close=publisher.close)


def _opened(
    conf: cfg.ConfigOpts,
) -> tuple[oslo_messaging.Transport, list[str]]:
    """The way to the bus, and the drivers that use it.

    :raises ConfigurationError: there is none; what it says has no password.
    """
    try:
        transport = oslo_messaging.get_notification_transport(conf)
        return transport, conf[GROUP].driver
    except (
        oslo_messaging.DriverLoadFailure,
        oslo_messaging.InvalidTransportURL,
        ValueError,
    ) as error:
        # A driver that cannot be built may have been given wrong options.
        bus_options.check(conf)
        why = getattr(error, "ex", None)
        if type(why) is RuntimeError:
            # Numbers that do not fit each other; of a name that no
            # driver has, a class of its own tells.
            raise errors.ConfigurationError(
                f"[oslo_messaging_rabbit] {why}"
            ) from None
        # Their words hold the URL, with its password.
        raise errors.ConfigurationError(
            f"[{GROUP}] transport_url (or [DEFAULT] transport_url, where "
            "that is not set) is no URL of a message bus such as "
            "rabbit://user:password@host:5672/vhost"
        ) from None
    except cfg.Error:
        bus_options.check(conf)
        raise errors.ConfigurationError(f"[{GROUP}] cannot be read") from None


class _Publisher:
    """Sends one notification, once.

    The drivers of oslo.messaging keep failures to themselves: they log them
    with a traceback and the whole message. Here that is heard, and raised.
    """

    def __init__(self, conf: cfg.ConfigOpts, publisher_id: str) -> None:
        self._failure: BaseException | None = None
        # What they say is told once here, in other words.
        logging.getLogger("oslo_messaging._drivers").setLevel(logging.CRITICAL)
        self._voice = logging.getLogger("oslo_messaging.notify.messaging")
        self._voice.disabled = False
        self._voice.setLevel(logging.ERROR)
        self._transport, names = _opened(conf)
        known = {
            point.name
            for point in importlib.metadata.entry_points(group=_DRIVERS)
        }
        for name in names:
            if name not in known:
                raise errors.ConfigurationError(
                    f"[{GROUP}] driver = {name!r}: is not one of "
                    + ", ".join(sorted(known))
                )
        self._notifier = oslo_messaging.Notifier(
            self._transport, publisher_id, retry=0
        )
        bus_options.check(conf)
        if not all(conf[GROUP].topics) or not conf[GROUP].topics:
            raise errors.ConfigurationError(
                f"[{GROUP}] topics: must name one or more, such as "
                "notifications: else nothing is sent"
            )
        self._voice.addFilter(self._hear)

    def __call__(self, message: Notification) -> None:
        """Send one; raises what the driver failed with."""
        self._failure = None
        notifier = self._notifier
        send = notifier.error if message.is_error else notifier.info
        send({}, message.event_type, dict(message.payload))
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Let go of all connections."""
        self.forget()
        self._transport.cleanup()

    def forget(self) -> None:
        """Listen to the driver no more."""
        self._voice.removeFilter(self._hear)

    def _hear(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1]:
            self._failure = record.exc_info[1]
            return False
        return True
