# SPDX-License-Identifier: Apache-2.0
"""From a configuration to objects: the only place that puts things together.

Adapters are imported inside the functions that build them, so that a
program loads only what it uses.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import logging
import os
import pathlib
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from oslo_config import cfg

from staffeln import ports
from staffeln.domain import errors, freshness, model, receivers, selection
from staffeln.workflow.settings import Settings

if TYPE_CHECKING:
    import flask

    from staffeln.api import serving
    from staffeln.cloud.wire import Observe
    from staffeln.conductor.life import Build
    from staffeln.conductor.rounds import Aside, Parts, Rhythm
    from staffeln.db.store import SqlStore
    from staffeln.leadership import Settings as LeadershipSettings
    from staffeln.workflow.press import Press

LOG = logging.getLogger(__name__)

_HEARTBEATS_PER_TIMEOUT = 4
_LONGEST_DESCRIPTION = 255

# -- plain data --------------------------------------------------------------


def policy(conf: cfg.ConfigOpts) -> model.Policy:
    """The options that the rules of planning read."""
    group = conf.conductor
    return model.Policy(
        backup_min_interval=_seconds(group.backup_min_interval),
        full_backup_depth=group.full_backup_depth,
        failure_backoff=group.failure_backoff.fixed,
        failure_backoff_max=group.failure_backoff_max.fixed,
        full_only_period=group.full_only_period,
    )


def protection_policy(conf: cfg.ConfigOpts) -> model.ProtectionPolicy:
    """The options that say when a volume is not protected as it should be."""
    group = conf.conductor
    return model.ProtectionPolicy(
        interval=_seconds(
            max(group.backup_min_interval, group.backup_service_period)
        ),
        tolerance=group.protection_tolerance,
    )


def selection_rule(conf: cfg.ConfigOpts) -> selection.Rule:
    """Which servers and volumes are to be protected."""
    group = conf.conductor
    return selection.Rule(
        backup_key=group.backup_metadata_key,
        retention_key=group.retention_metadata_key,
        retention_time=group.retention_time,
        honour_volume_opt_out=group.honour_volume_opt_out,
    )


def retention_policy(conf: cfg.ConfigOpts) -> model.RetentionPolicy:
    """The options that the rules of retention read."""
    group = conf.conductor
    return model.RetentionPolicy(
        retention_time=group.retention_time,
        minimum=group.retention_minimum,
        keep_last=group.retention_keep_last,
        shortening_grace=group.retention_shortening_grace.fixed,
        max_fraction=group.retention_max_fraction,
        small_round=group.retention_small_round,
    )


def settings(conf: cfg.ConfigOpts) -> Settings:
    """All options that the workflow obeys."""
    group = conf.conductor
    return Settings(
        policy=policy(conf),
        protection=protection_policy(conf),
        backup_service_period=_seconds(group.backup_service_period),
        rule=selection_rule(conf),
        retention=retention_policy(conf),
        clock_tolerance=group.clock_tolerance.fixed,
        vanished_period=group.vanished_period,
        reconciliation_period=_seconds(group.reconciliation_period),
        orphan_settle_time=group.orphan_settle_time.fixed,
        backup_cycle_timeout=group.backup_cycle_timeout,
        create_settle_time=conf.openstack.create_settle_time.fixed,
        absence_settle_time=group.absence_settle_time.fixed,
        heartbeat_timeout=group.heartbeat_timeout.fixed,
        task_poll_period=_seconds(group.task_poll_period),
        max_running_backups=group.max_running_backups,
        max_running_backups_per_project=(
            group.max_running_backups_per_project
        ),
        max_running_deletes=group.max_running_deletes,
        backup_workers=group.backup_workers,
        rotation_workers=group.rotation_workers,
    )


def freshness_limits(conf: cfg.ConfigOpts) -> freshness.Limits:
    """How old rounds and last backups may be."""
    group = conf.conductor
    return freshness.Limits(
        cycle=freshness.missed(_seconds(group.backup_service_period)),
        retention=freshness.missed(_seconds(group.retention_service_period)),
        protection=protection_policy(conf).stale_after,
    )


def backup_key_is_set(conf: cfg.ConfigOpts) -> bool:
    """Whether somebody set ``backup_metadata_key``, to whatever value."""
    location = conf.get_location("backup_metadata_key", "conductor")
    return location is not None and location.location.is_user_controlled


def _rhythm(conf: cfg.ConfigOpts) -> Rhythm:
    from staffeln.conductor.rounds import Rhythm

    group = conf.conductor
    timeout = group.heartbeat_timeout.fixed
    return Rhythm(
        backup_service_period=group.backup_service_period,
        retention_service_period=group.retention_service_period,
        task_poll_period=group.task_poll_period,
        heartbeat_period=timeout.total_seconds() / _HEARTBEATS_PER_TIMEOUT,
        heartbeat_timeout=timeout,
        office_period=conf.coordination.lease_retry_period,
        census_period=conf.metrics.census_period,
    )


def _seconds(number: int) -> datetime.timedelta:
    return datetime.timedelta(seconds=number)


# -- doors -------------------------------------------------------------------


def cloud(
    conf: cfg.ConfigOpts,
    stop: threading.Event | None = None,
    *,
    patient: bool = True,
    observe: Observe | None = None,
) -> ports.Cloud:
    """The door to OpenStack; nothing is asked yet.

    :param stop: set when the process is to end: no waiting any more.
    :param patient: try calls again, within ``retry_timeout``.
    :param observe: told of each call.
    :raises ConfigurationError: no credentials, or ones that cannot work.
    """
    from staffeln.cloud import options
    from staffeln.cloud.openstack import OpenStackCloud

    found = dataclasses.replace(
        options.cloud_settings(conf),
        # A conductor that is silent for longer is taken for dead: whoever
        # has its task then must not find a late create call of ours.
        create_retry_timeout=(
            conf.conductor.heartbeat_timeout.fixed.total_seconds()
        ),
    )
    if not patient:
        found = dataclasses.replace(found, retry_timeout=0)
    return OpenStackCloud(found, stop=stop, observe=observe)


def store(conf: cfg.ConfigOpts) -> SqlStore:
    """The database, connected; whoever asks for it closes it.

    :raises ConfigurationError: the URL is none.
    :raises StoreError: it does not answer.
    :raises SchemaError: it has not the schema of this release.
    """
    from staffeln.db import migration, session
    from staffeln.db.store import SqlStore

    database = session.connect(conf)
    try:
        migration.check(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


def manage_database(
    conf: cfg.ConfigOpts,
    command: str,
    revision: str,
    *,
    forced: bool,
    tell: Callable[[str], None],
) -> None:
    """Carry a command of ``staffeln-db-manage`` out.

    :param tell: gets each line of what was done.
    :raises StaffelnError: why it cannot be done, in one line.
    """
    from staffeln.db import migration, session

    create = command in ("create_schema", "upgrade")
    with contextlib.closing(session.connect(conf, create=create)) as database:
        if command == "create_schema":
            migration.create_schema(database)
        elif command == "upgrade":
            migration.upgrade(database, revision, forced=forced, tell=tell)
        found = migration.version(database)
        if command == "version":
            tell(found or "no schema")
        else:
            tell(f"the schema is at {found}")


def engine(door: ports.Cloud) -> ports.Engine:
    """What makes and removes backups."""
    from staffeln.engines.cinder import CinderEngine

    return CinderEngine(door)


def receivers_policy(conf: cfg.ConfigOpts) -> receivers.Policy:
    """Who gets reports."""
    group = conf.notification
    return receivers.Policy(
        sender=group.sender_email,
        receivers=_given(group.receiver),
        project_domain=group.project_receiver_domain,
        operators=_given(group.operator_receiver),
        roles=_given(group.report_roles),
        period=_seconds(conf.conductor.report_period),
    )


def _given(texts: Iterable[str | None]) -> tuple[str, ...]:
    """Without what is empty between two commas."""
    return tuple(each for each in texts if each)


def mailer(conf: cfg.ConfigOpts) -> ports.Mailer | None:
    """What sends mail; None: reports go into the log.

    :raises ConfigurationError: the file of authorities cannot be used.
    """
    from staffeln.notify.server import Security, Server
    from staffeln.notify.smtp import SmtpMailer

    group = conf.notification
    if not group.sender_email:
        return None
    return SmtpMailer(
        Server(
            sender=group.sender_email,
            host=group.smtp_server_domain,
            port=group.smtp_server_port,
            security=Security(group.smtp_security),
            ca_file=group.smtp_ca_file or None,
            login=group.smtp_login or None,
            password=group.sender_pwd or None,
            timeout=group.smtp_timeout,
        )
    )


def _check_mail(conf: cfg.ConfigOpts) -> None:
    """Whether mail can be sent as configured; nobody is asked.

    :raises ConfigurationError: it cannot.
    """
    mailer(conf)
    group = conf.notification
    open_way = group.smtp_security == "none"
    if group.sender_email and group.sender_pwd and open_way:
        LOG.warning(
            "[notification] smtp_security = none: the password goes over "
            "the network as it is"
        )


def shelf(conf: cfg.ConfigOpts) -> ports.Shelf | None:
    """What keeps copies of reports; None: nobody wants them."""
    from staffeln.notify.files import ReportFolder

    folder = conf.notification.report_dir
    return ReportFolder(pathlib.Path(folder)) if folder else None


def press(conf: cfg.ConfigOpts) -> Press:
    """What makes messages of reports, and brings them to people.

    :raises ConfigurationError: the file of authorities cannot be used.
    """
    from staffeln.report import Pages
    from staffeln.workflow.press import Press

    return Press(
        policy=receivers_policy(conf),
        renderer=Pages(),
        mailer=mailer(conf),
        shelf=shelf(conf),
    )


def leadership_settings(conf: cfg.ConfigOpts) -> LeadershipSettings:
    """How this conductor contends for the office."""
    from staffeln.leadership import Settings as LeadershipSettings

    group = conf.coordination
    return LeadershipSettings(
        backend_url=group.backend_url,
        state_path=conf.state_path,
        kubeconfig=group.kubeconfig,
        lease_namespace=group.lease_namespace,
        lease_name=group.lease_name,
        lease_duration=group.lease_duration,
        lease_renew_deadline=group.lease_renew_deadline,
        lease_retry_period=group.lease_retry_period,
    )


def leadership(conf: cfg.ConfigOpts, holder: str) -> ports.Leadership:
    """The office of scheduler, not held yet.

    :param holder: the conductor's id.
    :raises ConfigurationError: the backend cannot be used.
    """
    from staffeln import leadership as room

    return room.connect(leadership_settings(conf), holder)


# -- the conductor -----------------------------------------------------------


def run_conductor(load: Callable[[], cfg.ConfigOpts]) -> int:
    """Run a conductor until it is told to stop; returns the exit code.

    :param load: reads the configuration; called again on SIGHUP.
    :raises StaffelnError: one line that says why it cannot start.
    """
    from staffeln.conductor import service
    from staffeln.conf import Rereadable, logs

    conf = Rereadable(load, _check_doors)
    logs.begin(conf.now)
    try:
        return service.run(conf, check_conductor, build_conductor)
    except errors.StaffelnError as error:
        if logs.goes_elsewhere(conf.now):
            LOG.critical("The conductor cannot start: %s", error)
        raise


def _check_doors(conf: cfg.ConfigOpts) -> None:
    """Whether credentials and the database's URL can be used at all.

    Nothing is asked: SIGHUP must not wait, and a conductor that works must
    not be ended for values that cannot.

    :raises StaffelnError: they cannot; says why.
    """
    from staffeln import leadership as room
    from staffeln.db import urls

    cloud(conf)
    mailer(conf)
    _check_bus(conf)
    urls.check(conf)
    room.check(leadership_settings(conf))


def check_conductor(conf: cfg.ConfigOpts) -> None:
    """Look at all that would keep a conductor from working; keep nothing.

    :raises StaffelnError: what is wrong, in one line.
    """
    door = cloud(conf, patient=False)
    _check_mail(conf)
    _check_bus(conf)
    with contextlib.ExitStack() as opened:
        _probe_leadership(conf)
        database = store(conf)
        opened.callback(database.close)
        _prove(conf, door, database)


def _probe_leadership(conf: cfg.ConfigOpts) -> None:
    """A backend that is away keeps no conductor from working."""
    from staffeln import leadership as room

    chosen = leadership_settings(conf)
    if (why_not := room.warning(chosen)) is not None:
        LOG.warning("[coordination] backend_url: %s", why_not)
    try:
        room.probe(chosen)
    except errors.CoordinationError as error:
        LOG.warning("Coordination: %s", error)


def build_conductor(conf: cfg.ConfigOpts) -> Build:
    """What puts a conductor together, to be called in its own process."""
    return lambda stop, wake: _connect(conf, stop, wake)


def _connect(
    conf: cfg.ConfigOpts, stop: threading.Event, wake: Callable[[], None]
) -> Parts:
    """One conductor, connected; on a failure nothing stays open."""
    from staffeln.conductor import story
    from staffeln.conductor.rounds import Parts
    from staffeln.leadership.holding import boot_time
    from staffeln.workflow.cycle import Scheduler, Worker

    with contextlib.ExitStack() as opened:
        database = store(conf)
        opened.callback(database.close)
        proof = _prove(conf, cloud(conf, stop, patient=False), database)
        conductor_id = str(uuid.uuid4())
        office = leadership(conf, conductor_id)
        opened.callback(office.close)
        story.tell(
            selection_rule(conf),
            database.description,
            office.description,
            *proof,
        )
        watching = _watching(conf, office, database, proof[0].uuid)
        door = cloud(conf, stop, observe=watching.called)
        obeyed = settings(conf)
        me = _myself(conductor_id, office, database)
        parts = Parts(
            me=me,
            store=database,
            leadership=office,
            scheduler=Scheduler(
                database,
                door,
                obeyed,
                me.id,
                held=office.held,
                observer=watching.observer,
                press=press(conf),
                stopping=stop.is_set,
            ),
            worker=Worker(
                database,
                engine(door),
                obeyed,
                proof[0].uuid,
                me.id,
                wake,
                boot_time,
                observer=watching.observer,
            ),
            rhythm=_rhythm(conf),
            close=database.close,
            count=watching.count,
            asides=watching.asides,
        )
        opened.pop_all()
        return parts


def _prove(
    conf: cfg.ConfigOpts, door: ports.Cloud, database: ports.Store
) -> tuple[model.Deployment, list[model.BackupService]]:
    """Prove that the database is this cloud's, and that it may be used."""
    from staffeln.conductor import preflight
    from staffeln.workflow import binding

    preflight.check_adopted(
        database.deployment(), backup_key_is_set=backup_key_is_set(conf)
    )
    return binding.prove(door, database)


def _storable(description: str) -> str:
    """What a row has room for, and still another one for each backend."""
    if len(description) <= _LONGEST_DESCRIPTION:
        return description
    digest = hashlib.sha256(description.encode()).hexdigest()[:16]
    return f"{description[: _LONGEST_DESCRIPTION - 20]}... {digest}"


def _myself(
    conductor_id: str, office: ports.Leadership, database: ports.Store
) -> ports.Conductor:
    now = database.now()
    return ports.Conductor(
        id=conductor_id,
        host=socket.gethostname(),
        pid=os.getpid(),
        backend=_storable(office.description),
        started_at=now,
        heartbeat_at=now,
    )


# -- who watches -------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Watching:
    """Who is told what a conductor does."""

    observer: ports.Observer
    asides: Sequence[Aside]
    called: Observe | None
    """Told of each call of OpenStack."""
    count: Callable[[], int] | None
    """Counts what the database holds."""


def _watching(
    conf: cfg.ConfigOpts,
    office: ports.Leadership,
    database: ports.Store,
    deployment_uuid: str,
) -> _Watching:
    """Metrics, message bus and dead man's switch, as far as configured."""
    from staffeln.metrics.conductor import ConductorMetrics, Watch
    from staffeln.workflow.observing import Observers

    group = conf.metrics
    metrics = ConductorMetrics(office.held)
    observers: list[ports.Observer] = [metrics]
    asides: list[Aside] = []
    if group.enabled:
        from staffeln.metrics.exporter import Exporter

        asides.append(Exporter(group.host, group.port, metrics.render))
    if has_bus(conf):
        from staffeln.notify import messaging

        bus = messaging.connect(
            conf, socket.gethostname(), deployment_uuid, metrics.notified
        )
        observers.append(bus)
        asides.append(bus)
    if conf.notification.heartbeat_url:
        from staffeln.notify.heartbeat import Heartbeat

        beat = Heartbeat(
            conf.notification.heartbeat_url, metrics.heartbeat_called
        )
        observers.append(beat)
        asides.append(beat)
    watch = Watch(database, metrics, group.project_series)
    return _Watching(
        observer=Observers(observers),
        asides=asides,
        called=metrics.called,
        count=watch.look if group.enabled else None,
    )


def has_bus(conf: cfg.ConfigOpts) -> bool:
    """Whether somebody wants notifications on the message bus.

    Looked up in the files: who does not want them loads nothing of
    oslo.messaging, which alone knows the option.
    """
    from staffeln.conf import files

    group, name = "oslo_messaging_notifications", "driver"
    return bool(os.environ.get(f"OS_{group}__{name}".upper())) or any(
        (line.group, line.name) == (group, name) and line.text.strip()
        for line in files.lines(conf)
    )


def _check_bus(conf: cfg.ConfigOpts) -> None:
    """Whether the message bus can be one; nothing is asked.

    :raises ConfigurationError: it cannot.
    """
    if has_bus(conf):
        from staffeln.notify import messaging

        messaging.check(conf)


# -- the API -----------------------------------------------------------------


def run_api(load: Callable[[], cfg.ConfigOpts]) -> int:
    """Run the server of the API until it is told to stop; the exit code.

    The database is not asked: while it is away every answer is a refusal,
    and when it is back the next one is right.

    :param load: reads the configuration; called again on SIGHUP.
    :raises StaffelnError: one line that says why it cannot start.
    """
    from staffeln.api import serving
    from staffeln.conf import Rereadable, logs

    server = serving.Server()

    def check(conf: cfg.ConfigOpts) -> None:
        check_api(conf)
        server.prepare(_api_settings(conf))

    conf = Rereadable(load, check)
    logs.begin(conf.now)
    try:
        check(conf.now)
    except errors.StaffelnError as error:
        if logs.goes_elsewhere(conf.now):
            LOG.critical("The API cannot start: %s", error)
        raise
    return server.run(lambda: _served(conf.now), conf.reload_config_files)


def check_api(conf: cfg.ConfigOpts) -> None:
    """Look at what would keep the application from working, ever.

    :raises StaffelnError: the database's URL is none, or names no file.
    """
    from staffeln.db import urls

    urls.check(conf)


def _api_settings(conf: cfg.ConfigOpts) -> serving.Settings:
    """How the server serves.

    :raises ConfigurationError: a file of TLS cannot be used.
    """
    from staffeln.api import serving, tls

    group = conf.api
    secure = group.enabled_ssl
    addresses = [serving.Address(group.host, group.port, "host, port", secure)]
    if group.metrics_enabled:
        addresses.append(
            serving.Address(
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
    )


def _served(conf: cfg.ConfigOpts) -> serving.Wsgi:
    """What a worker answers with."""
    from staffeln.api import serving
    from staffeln.metrics import prometheus

    if not conf.api.metrics_enabled:
        return api_application(conf)
    return serving.with_metrics_apart(
        api_application(conf, prometheus.render), conf.api.metrics_port
    )


def api_application(
    conf: cfg.ConfigOpts, metrics: Callable[[], bytes] | None = None
) -> flask.Flask:
    """The REST API as a WSGI application; the database is not asked yet.

    :param metrics: renders what is counted; None: /metrics is not answered.
    :raises ConfigurationError: the database's URL is none.
    """
    from staffeln.api.app import Parts, create_app
    from staffeln.db.check import SqlLookup
    from staffeln.db.remembered import Remembered
    from staffeln.db.seen import FILE, SeenFile
    from staffeln.workflow.requests import DeletionRequests, Readiness

    lookup = SqlLookup(conf)
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
