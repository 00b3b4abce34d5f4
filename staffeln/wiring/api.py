# SPDX-License-Identifier: Apache-2.0
"""The REST API, from its configuration to its end."""

from __future__ import annotations

import logging
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from oslo_config import cfg

from staffeln.domain import errors

if TYPE_CHECKING:
    import flask

    from staffeln.api import serving

LOG = logging.getLogger(__name__)


def run(load: Callable[[], cfg.ConfigOpts]) -> int:
    """Run the server of the API until it is told to stop; the exit code.

    The database is not asked: while it is away every answer is a refusal,
    and when it is back the next one is right.

    :param load: reads the configuration; called again on SIGHUP.
    :raises StaffelnError: one line that says why it cannot start.
    """
    from staffeln.conf import Rereadable, logs

    def prepare(conf: cfg.ConfigOpts) -> None:
        _stand_somewhere()
        check(conf)
        server.prepare(_settings(conf))

    conf = Rereadable(load, prepare)
    logs.begin(conf.now)
    _stand_somewhere()
    from staffeln.api import serving

    server = serving.Server()
    try:
        prepare(conf.now)
    except errors.StaffelnError as error:
        if logs.goes_elsewhere(conf.now):
            LOG.critical("The API cannot start: %s", error)
        raise
    return server.run(lambda: _served(conf.now), conf.reload_config_files)


def _stand_somewhere() -> None:
    """Leave a working directory that somebody has deleted.

    gunicorn asks for it whenever it reads its settings, and would end. Paths
    that are relative to it lead nowhere in any case.
    """
    try:
        os.getcwd()
    except OSError:
        os.chdir("/")


def check(conf: cfg.ConfigOpts) -> None:
    """Look at what would keep the application from working, ever.

    :raises StaffelnError: the database's URL is none, names no file, or
        says what its driver cannot use; or nothing can be remembered below
        state_path.
    """
    from staffeln.db import drivers, keeping, urls

    drivers.check(urls.check(conf))
    keeping.check_folder(pathlib.Path(conf.state_path))


def _settings(conf: cfg.ConfigOpts) -> serving.Settings:
    """How the server serves.

    :raises ConfigurationError: a file of TLS cannot be used.
    """
    from staffeln.api import serving, sockets, tls

    group = conf.api
    secure = group.enabled_ssl
    addresses = [sockets.Address(group.host, group.port, "host, port", secure)]
    if group.metrics_enabled:
        addresses.append(
            sockets.Address(
                group.metrics_host,
                group.metrics_port,
                "metrics_host, metrics_port",
                secure,
            )
        )
    return serving.Settings(
        addresses=tuple(addresses),
        tls=(
            tls.context(
                group.ssl_cert_file, group.ssl_key_file, group.ssl_ca_file
            )
            if secure
            else None
        ),
        workers=group.workers,
        threads=group.threads,
        request_timeout=group.request_timeout,
        worker_timeout=group.worker_timeout,
        graceful_timeout=group.graceful_timeout,
        metrics=group.metrics_enabled,
    )


def _served(conf: cfg.ConfigOpts) -> serving.Wsgi:
    """What a worker answers with."""
    from staffeln.api import serving
    from staffeln.metrics import prometheus

    if not conf.api.metrics_enabled:
        return application(conf)
    return serving.with_metrics_apart(
        application(conf, prometheus.render), conf.api.metrics_port
    )


def application(
    conf: cfg.ConfigOpts, metrics: Callable[[], bytes] | None = None
) -> flask.Flask:
    """The REST API as a WSGI application; the database is not asked yet.

    :param metrics: renders what is counted; None: /metrics is not answered.
    :raises ConfigurationError: the database's URL is none.
    """
    from staffeln.api.app import Parts, create_app
    from staffeln.db.check import LARGEST_POOL, SqlLookup
    from staffeln.db.remembered import Remembered
    from staffeln.db.seen import FILE, SeenFile
    from staffeln.workflow.requests import DeletionRequests, Readiness

    lookup = SqlLookup(conf, min(conf.api.threads, LARGEST_POOL))
    memory = Remembered(SeenFile(pathlib.Path(conf.state_path) / FILE))
    return create_app(
        Parts(
            check=DeletionRequests(lookup, memory),
            health=Readiness(lookup, memory),
            metrics=metrics,
            max_body=conf.api.max_body,
            proxied=conf.api.proxied,
        )
    )
