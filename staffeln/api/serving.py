# SPDX-License-Identifier: Apache-2.0
"""The server of the API: gunicorn, told everything by our configuration.

A master process holds the sockets and starts workers; each makes its own
application and answers with threads. At SIGHUP the configuration is read
anew and workers that have it take over from the old ones, on the same
sockets; one that is wrong, or an address that cannot be had, changes
nothing. At SIGTERM what has been sent is answered before the workers end.

gunicorn before 27.0.1 closes kept connections at once when a worker ends, and
so loses the request that a client is just sending on one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import ssl
import sys
from collections.abc import Callable, Iterable
from typing import Any

from gunicorn import arbiter, config, glogging, util
from gunicorn.app.base import BaseApplication
from gunicorn.http import errors as faults
from gunicorn.workers.gthread import ThreadWorker

from staffeln.api import errors, sockets, trace
from staffeln.domain.errors import StaffelnError
from staffeln.metrics import folder

LOG = logging.getLogger(__name__)

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_CODES: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
    ((faults.LimitRequestLine,), 414),
    ((faults.LimitRequestHeaders,), 431),
    ((faults.ExpectationFailed,), 417),
    ((faults.UnsupportedTransferCoding,), 501),
    ((faults.ParseException, ssl.SSLError), 400),
)
"""The status for each kind of what gunicorn cannot read; first one first."""

_METRICS_PATH = "/metrics"
_KEEPALIVE = 5
"""Seconds for which a connection without a request is kept."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the server obeys; times in seconds."""

    addresses: tuple[sockets.Address, ...]
    tls: ssl.SSLContext | None
    workers: int
    threads: int
    request_timeout: int
    worker_timeout: int
    graceful_timeout: int
    metrics: bool
    """Workers count together, so that each can tell all numbers."""


class Server:
    """One server: first :meth:`prepare`, then :meth:`run`."""

    def __init__(self) -> None:
        self._prepared: tuple[Settings, list[sockets.Listener]] | None = None
        self._listeners: list[sockets.Listener] = []
        self._folder = folder.Folder()

    def prepare(self, settings: Settings) -> None:
        """Take the sockets that settings need beside those there are.

        :raises AddressError: an address cannot be had now.
        :raises FolderError: there is no place for the numbers.
        :raises ConfigurationError: an address can never be had.
        """
        self.drop()
        places = {each.place for each in self._listeners}
        with contextlib.ExitStack() as opened:
            fresh = [
                opened.enter_context(sockets.Listener(address))
                for address in settings.addresses
                if (address.host, address.port) not in places
            ]
            if settings.metrics:
                self._folder.make()
            opened.pop_all()
        self._prepared = settings, fresh

    def drop(self) -> None:
        """Let go of what was prepared and is not used."""
        if self._prepared is not None:
            sockets.close(self._prepared[1])
        self._prepared = None

    def adopt(self) -> tuple[Settings, list[sockets.Listener]]:
        """Go over to what was prepared; the sockets in use from now on."""
        if self._prepared is None:
            raise RuntimeError("nothing was prepared")
        settings, fresh = self._prepared
        self._prepared = None
        known = {each.place: each for each in (*self._listeners, *fresh)}
        self._listeners = []
        for address in settings.addresses:
            listener = known.pop((address.host, address.port))
            listener.address = address
            listener.patience = float(settings.request_timeout)
            self._listeners.append(listener)
        sockets.close(known.values())
        if settings.tls is not None:
            settings.tls.sslsocket_class = sockets.secure_connection(
                settings.request_timeout
            )
        self._folder.use(wanted=settings.metrics)
        return settings, self._listeners

    def run(
        self, application: Callable[[], Wsgi], reread: Callable[[], bool]
    ) -> int:
        """Serve until told to stop; returns the exit code.

        :param application: makes a worker's application, in its process.
        :param reread: reads the configuration anew and prepares what
            follows; False: all stays as it is.
        """
        me = os.getpid()
        try:
            _Master(_Application(self, application), reread).run()
        except SystemExit as leaving:
            if os.getpid() != me:
                raise  # a worker's end, which means something to the master
            return 1 if leaving.code else 0
        finally:
            if os.getpid() == me:
                self._folder.remove()
        return 0


def with_metrics_apart(application: Wsgi, port: int) -> Wsgi:
    """Answer ``/metrics`` on the port of the metrics, and nothing else there.

    :param application: answers ``/metrics`` as well as all else.
    """

    def answer(
        environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        is_there = environ["SERVER_PORT"] == str(port)
        if is_there == (environ["PATH_INFO"] == _METRICS_PATH):
            return application(environ, start_response)
        status, headers, body = errors.refusal(
            404,
            trace.request_id(environ),
            environ.get("HTTP_ACCEPT", ""),
        )
        start_response(status, headers)
        return [body]

    return answer


# -- gunicorn ----------------------------------------------------------------

# It looks, whenever it reads its settings, for the directory where it was
# imported, and ends when that is gone; we never go there.
config.Chdir.default = "/"


class _Log(glogging.Logger):
    """gunicorn's lines go where all others go, and look like them."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self.error_log.propagate = True
        # The application writes the access log.
        self._access_log_enabled = False

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        """A client that fell silent is no fault of ours."""
        if isinstance(sys.exception(), TimeoutError):
            self.debug(msg, *args, **kwargs)
        else:
            super().exception(msg, *args, **kwargs)

    def reopen_files(self) -> None:
        """oslo.log does, by itself."""

    def close_on_exec(self) -> None:
        """Nothing is executed."""


class _Worker(ThreadWorker):
    """A worker that leaves nobody behind when it ends."""

    def set_accept_enabled(self, enabled: bool | None) -> None:
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            self._take_the_last()

    def _take_the_last(self) -> None:
        """Take whoever waits, and close the door at once.

        Who connects while the last answers are given would otherwise wait
        for nothing: the kernel takes connections as long as a socket is
        open. So it refuses them, or another worker has them.
        """
        for listener in self.sockets:
            count = -1
            while count != self.nr_conns:
                count = self.nr_conns
                self.accept(listener)
            listener.close()

    def handle_error(
        self,
        req: Any,  # noqa: ARG002  gunicorn's signature
        client: Any,
        addr: Any,
        exc: BaseException,
    ) -> None:
        """Answer what never became a request, in the form of all errors.

        Nothing of what was sent is logged: it may be a token.
        """
        request_id = trace.request_id({})
        code = _code(exc)
        if code == 500:
            errors.tell(exc, request_id)
        else:
            LOG.info(
                "%s sent what is no request: %s [%s]",
                trace.shown(str((addr or ("-",))[0])),
                type(exc).__name__,
                request_id,
            )
        if isinstance(exc, ssl.SSLError):
            return
        status, headers, body = errors.refusal(code, request_id, "")
        lines = [f"HTTP/1.1 {status}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers]
        head = "\r\n".join(lines) + "\r\n\r\n"
        with contextlib.suppress(OSError):
            util.write_nonblock(client, head.encode() + body)


def _code(error: BaseException) -> int:
    """The status of an answer to what gunicorn could not read."""
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return code
    return 500


class _Application(BaseApplication):
    """gunicorn's view of us: its settings, and what makes the callable."""

    def __init__(
        self, server: Server, application: Callable[[], Wsgi]
    ) -> None:
        self._server = server
        self._application = application
        self.listeners: list[sockets.Listener] = []
        super().__init__()

    def load_config(self) -> None:
        settings, self.listeners = self._server.adopt()
        values: dict[str, Any] = {
            "proc_name": "staffeln-api",
            "bind": [],
            "workers": settings.workers,
            "threads": settings.threads,
            "worker_class": _Worker,
            "timeout": settings.worker_timeout,
            "graceful_timeout": settings.graceful_timeout,
            "keepalive": _KEEPALIVE,
            "logger_class": _Log,
            "control_socket_disable": True,
            # Who is behind a proxy is for the application to say.
            "forwarded_allow_ips": "",
        }
        if settings.tls is not None:
            context = settings.tls
            # That there is a file is what switches TLS on; the context is
            # made once, and not for each connection.
            values["certfile"] = "see ssl_context"
            values["ssl_context"] = lambda _config, _usual: context
        for name, value in values.items():
            self.cfg.set(name, value)

    def drop(self) -> None:
        """Forget what was prepared for a configuration that is not used."""
        self._server.drop()

    def load(self) -> Any:
        folder.take_room()
        try:
            return self._application()
        except StaffelnError as error:
            LOG.critical("A worker cannot start: %s", error)
            sys.exit(arbiter.Arbiter.APP_LOAD_ERROR)


class _Master(arbiter.Arbiter):
    """The first process: it owns the sockets and looks after workers."""

    def __init__(
        self, application: _Application, reread: Callable[[], bool]
    ) -> None:
        self._ours = application
        self._reread = reread
        super().__init__(application)

    def setup(self, app: BaseApplication) -> None:
        super().setup(app)
        # One list for each instance, whatever the class has.
        vars(self)["LISTENERS"] = self._ours.listeners

    def reload(self) -> None:
        if self._reread():
            super().reload()
        else:
            self._ours.drop()

    def stop(self, graceful: bool = True) -> None:
        # Before the workers look for the last time who is waiting.
        for listener in self._ours.listeners:
            listener.take_no_newcomers()
        super().stop(graceful)

    def handle_usr2(self) -> None:
        """There is no second master: SIGHUP changes what there is."""
        LOG.warning("SIGUSR2 is not known here")
