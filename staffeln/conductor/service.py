# SPDX-License-Identifier: Apache-2.0
"""The conductor as a service: one parent, one worker process, signals.

oslo.service forks the worker and starts another one whenever it ends; the
service object is made in the parent. So the parent checks everything that
can be wrong before it forks, and the worker makes its threads, engines and
connections in ``start()``.

SIGTERM ends both politely within ``graceful_shutdown_timeout``. SIGHUP
makes the parent read the configuration again and end the worker politely;
the next worker starts from what was read.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn, Protocol

from oslo_config import cfg

from staffeln.conductor import garbage, life, patience, preflight, pulse

with warnings.catch_warnings():
    # A library beneath looks for eventlet, whose import warns.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    from oslo_service import backend

    backend.init_backend(backend.BackendType.THREADING)
    from oslo_service import service

LOG = logging.getLogger(__name__)


class Rereadable(Protocol):
    """A configuration that SIGHUP reads again as a whole."""

    @property
    def now(self) -> cfg.ConfigOpts:
        """What was read last and is right."""

    def reload_config_files(self) -> bool:
        """Read all again; False: it is wrong, and the old values stay."""


Check = Callable[[cfg.ConfigOpts], object]
"""Looks at the database and the cloud; raises what is wrong."""
BuildFrom = Callable[[cfg.ConfigOpts], life.Build]
"""From a configuration to what puts a conductor together."""


def run(conf: Rereadable, check: Check, build_from: BuildFrom) -> int:
    """Check, then run until told to stop; returns the exit code.

    A cloud that cannot be reached is tried again for as long as it takes.

    :raises StaffelnError: one line that says why it cannot start.
    """
    try:
        _check_patiently(conf, check)
        launcher = service.ProcessLauncher(conf, restart_method="reload")
        launcher.launch_service(Conductor(conf, build_from), workers=1)
        launcher.wait()
    except _Stopped:
        # Python forgets handlers of ours at its end, and this it keeps.
        _on_stop(signal.SIG_IGN)
        LOG.info("Told to stop before the start was complete")
    except SystemExit as leaving:
        return int(leaving.code or 0)
    finally:
        _pulse(conf).end()
    return 0


class Conductor(service.Service):  # type: ignore[misc]
    """What the worker process runs."""

    def __init__(self, conf: Rereadable, build_from: BuildFrom) -> None:
        super().__init__()
        self._conf = conf
        self._build_from = build_from
        self._life: life.Life | None = None

    def start(self) -> None:
        """Begin, in this process; never fails."""
        garbage.seldom()
        self._life = life.Life(
            self._build_from(self._conf.now),
            _end_this_process,
            _pulse(self._conf),
        )
        self._life.start()

    def stop(self, graceful: bool = True) -> None:
        """End politely; oslo.service limits how long that may take."""
        if self._life is not None:
            self._life.stop()
        super().stop(graceful)

    def wait(self) -> None:
        """Wait for the end."""
        if self._life is not None:
            self._life.wait()


def _pulse(conf: Rereadable) -> pulse.Pulse:
    return pulse.Pulse(conf.now.conductor.alive_file)


def _end_this_process() -> None:
    """The parent starts another one."""
    os.kill(os.getpid(), signal.SIGTERM)


# -- before the fork ---------------------------------------------------------


class _Stopped(BaseException):
    """SIGTERM came; like KeyboardInterrupt, nobody in between catches it."""


class _ReadAgain(BaseException):
    """SIGHUP came, likewise."""


def _check_patiently(conf: Rereadable, check: Check) -> None:
    while True:
        try:
            with _signals():
                patience.until_done(
                    "Reaching the cloud",
                    lambda: _check_once(conf, check),
                    preflight.PASSING,
                    _sleep,
                )
            return
        except _ReadAgain:
            conf.reload_config_files()


def _check_once(conf: Rereadable, check: Check) -> object:
    # A cloud that is away is no reason to end a pod and start another.
    _pulse(conf).beat(pulse.Stage.STARTING)
    return check(conf.now)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Be stopped at once, also in the middle of a call that hangs."""
    _on_stop(_leave)
    signal.signal(signal.SIGHUP, _read_again)
    try:
        yield
    finally:
        # From here to the launcher's own handlers nothing can be read
        # again; what was read is a moment old.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    # No word to the log from here: it may be in the middle of a line.
    _on_stop(_leave_already)
    raise _Stopped


def _leave_already(_number: int, _frame: FrameType | None) -> None:
    """To be told twice is no reason to end in the middle of the end.

    Not SIG_IGN: Python complains of one that has come, and whose handler is
    gone before its turn.
    """


def _on_stop(
    handler: Callable[[int, FrameType | None], object] | signal.Handlers,
) -> None:
    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)


def _read_again(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _ReadAgain
