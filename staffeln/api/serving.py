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
import errno
import logging
import os
import shutil
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

from gunicorn import arbiter, glogging
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from staffeln.domain import errors

LOG = logging.getLogger(__name__)

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where workers count together; prometheus_client reads the variable."""

_METRICS_PATH = "/metrics"
_BACKLOG = 2048
_KEEPALIVE = 5
"""Seconds for which a connection without a request is kept."""


class AddressError(errors.StaffelnError):
    """An address cannot be listened on at this moment."""


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens, and the options that say so."""

    host: str
    port: int
    options: str
    secure: bool

    def __str__(self) -> str:
        """As a URL has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.secure else ''}://{host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the server obeys; times in seconds."""

    addresses: tuple[Address, ...]
    tls: ssl.SSLContext | None
    workers: int
    threads: int
    request_timeout: int
    worker_timeout: int
    graceful_timeout: int


class Server:
    """One server: first :meth:`prepare`, then :meth:`run`."""

    def __init__(self) -> None:
        self._prepared: tuple[Settings, list[_Listener]] | None = None
        self._listeners: list[_Listener] = []

    def prepare(self, settings: Settings) -> None:
        """Take the sockets that settings need beside those there are.

        :raises AddressError: an address cannot be had now.
        :raises ConfigurationError: it never can.
        """
        self.drop()
        places = {each.place for each in self._listeners}
        with contextlib.ExitStack() as opened:
            fresh = [
                opened.enter_context(_Listener(address))
                for address in settings.addresses
                if (address.host, address.port) not in places
            ]
            opened.pop_all()
        self._prepared = settings, fresh

    def drop(self) -> None:
        """Let go of what was prepared and is not used."""
        if self._prepared is not None:
            _close(self._prepared[1])
        self._prepared = None

    def adopt(self) -> tuple[Settings, list[_Listener]]:
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
        _close(known.values())
        if settings.tls is not None:
            settings.tls.sslsocket_class = _secure_connection(
                settings.request_timeout
            )
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
        folder = tempfile.mkdtemp(prefix="staffeln-api-")
        # Before prometheus_client is imported, by whomever.
        os.environ[METRICS_FOLDER] = folder
        try:
            _Master(_Application(self, application), reread).run()
        except SystemExit as leaving:
            if os.getpid() != me:
                raise  # a worker's end, which means something to the master
            return 1 if leaving.code else 0
        finally:
            if os.getpid() == me:
                shutil.rmtree(folder, ignore_errors=True)
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
        body = b"Not found\n"
        start_response(
            "404 Not Found",
            [
                ("Content-Type", "text/plain"),
                ("Content-Length", str(len(body))),
            ],
        )
        return [body]

    return answer


# -- sockets -----------------------------------------------------------------


class _Listener(socket.socket):
    """A socket that listens; for gunicorn, which shows it by its name."""

    def __init__(self, address: Address) -> None:
        """:raises AddressError: or ConfigurationError; why not, in a line."""
        self.address = address
        self.patience = 0.0
        try:
            family, kind, protocol, _, found = socket.getaddrinfo(
                address.host,
                address.port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )[0]
            super().__init__(family, kind, protocol)
        except (OSError, UnicodeError) as error:
            raise _no_listener(address, error) from None
        try:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.bind(found)
            self.listen(_BACKLOG)
        except OSError as error:
            self.close()
            raise _no_listener(address, error) from None
        self.setblocking(False)

    def __str__(self) -> str:
        return str(self.address)

    @property
    def place(self) -> tuple[str, int]:
        """What it was asked to listen on."""
        return self.address.host, self.address.port

    def accept(self) -> tuple[socket.socket, Any]:
        """A connection that does not wait for its client for ever."""
        taken, peer = super().accept()
        made = _Connection(
            taken.family, taken.type, taken.proto, fileno=taken.detach()
        )
        made.patience = self.patience
        return made, peer


class _Patient:
    """A socket that is never blocking for ever, whoever wants it so.

    Else a client that falls silent in the midst of a handshake, a header
    or a body would hold its thread until it comes back.
    """

    patience: float
    settimeout: Callable[[float | None], None]

    def setblocking(self, flag: bool) -> None:
        """Wait for as long as it has patience, or not at all."""
        self.settimeout(self.patience if flag else 0.0)


class _Connection(_Patient, socket.socket):
    """A connection without TLS, or before it."""


def _secure_connection(seconds: int) -> type[ssl.SSLSocket]:
    """The class of connections with TLS, which the context makes."""

    class SecureConnection(_Patient, ssl.SSLSocket):
        patience = float(seconds)

    return SecureConnection


def _no_listener(address: Address, error: Exception) -> errors.StaffelnError:
    number = getattr(error, "errno", None)
    where = f"[api] {address.options}: {address}"
    if number == errno.EADDRINUSE:
        return AddressError(f"{where} is in use already")
    why = f"{where} cannot be listened on: "
    why += getattr(error, "strerror", None) or str(error)
    if number == errno.EACCES:
        return errors.ConfigurationError(why)
    return AddressError(why)


def _close(listeners: Iterable[socket.socket]) -> None:
    for listener in listeners:
        listener.close()


# -- gunicorn ----------------------------------------------------------------


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


class _Application(BaseApplication):
    """gunicorn's view of us: its settings, and what makes the callable."""

    def __init__(
        self, server: Server, application: Callable[[], Wsgi]
    ) -> None:
        self._server = server
        self._application = application
        self.listeners: list[_Listener] = []
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
        try:
            return self._application()
        except errors.StaffelnError as error:
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

    def handle_usr2(self) -> None:
        """There is no second master: SIGHUP changes what there is."""
        LOG.warning("SIGUSR2 is not known here")
