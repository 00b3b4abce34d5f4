# SPDX-License-Identifier: Apache-2.0
"""From configuration files to what a doctor can lay hands on.

Whatever is wrong with a file or an option keeps only those checks from
being made that need it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from oslo_config import cfg

from staffeln.domain import errors
from staffeln.domain.findings import CheckRequest, Examination
from staffeln.status import doctor, policy_door
from staffeln.status.checks import all_checks
from staffeln.status.patient import (
    Configured,
    DatabaseState,
    Office,
    Patient,
    PolicyDoor,
    once,
)
from staffeln.wiring import doors, press, secret_texts, settings
from staffeln.workflow import clocks

if TYPE_CHECKING:
    from staffeln.cloud.openstack import OpenStackCloud
    from staffeln.db.session import Database
    from staffeln.db.store import SqlStore

T = TypeVar("T")

_OF_A_STEP = 0.4
"""Of a check's time: so long one call may take, for most need two."""


def examine(asked: CheckRequest) -> Examination:
    """Look at a deployment; nothing raises, and nothing is changed."""
    # For good: each check has a thread, and what one of them undoes when its
    # import is over would be another's filter.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    prepared = _Prepared(asked)
    with warnings.catch_warnings():
        # Before any thread begins: what libraries filter for themselves in
        # one thread is undone by others.
        warnings.simplefilter("ignore")
        return doctor.examine(
            all_checks(prepared.patient(), asked.limit),
            asked.checks,
            asked.limit,
            scrub=prepared.scrub,
        )


class _Prepared:
    """Opens what the checks need, when they need it."""

    def __init__(self, asked: CheckRequest) -> None:
        from staffeln import conf as configuration

        self._asked = asked
        self._conf: cfg.ConfigOpts | None = None
        # One of its own for who goes through all options: to the other one
        # libraries add theirs meanwhile, in the threads of other checks.
        self._examined: cfg.ConfigOpts | errors.ConfigurationError
        try:
            self._conf, self._examined = (
                configuration.load_unchecked(
                    asked.config_files, prog="staffeln"
                )
                for _ in range(2)
            )
        except errors.ConfigurationError as error:
            self._examined = error
        self._cloud = once(self._open_cloud)
        self._database = once(self._open_database)
        self._store = once(self._open_store)
        self._secrets = once(lambda: secret_texts.of(self._conf))

    def patient(self) -> Patient:
        """What can be laid hands on."""
        return Patient(
            configured=self._configured,
            too_open=lambda: self._reading(_too_open),
            cloud=self._cloud,
            inspection=lambda: self._cloud().inspection,
            database=self._database_state,
            missing_rights=self._missing_rights,
            store=self._store,
            backup_key_is_set=lambda: settings.backup_key_is_set(self._read()),
            settings=lambda: self._reading(settings.workflow),
            freshness_limits=lambda: self._reading(settings.freshness_limits),
            policy=lambda: self._reading(self._policy),
            mail=lambda: self._reading(self._mail),
            office=lambda: self._reading(_office),
            host_time=clocks.host_time,
        )

    def scrub(self, text: str) -> str:
        """The text without what the configuration keeps secret."""
        return secret_texts.scrubbed(text, self._secrets())

    # -- the configuration ---------------------------------------------------

    def _read(self) -> cfg.ConfigOpts:
        if self._conf is None:
            raise doctor.CannotLookError("configuration")
        return self._conf

    def _reading(self, use: Callable[[cfg.ConfigOpts], T]) -> T:
        """Use options of which any may be wrong.

        :raises CannotLookError: one of these is.
        """
        try:
            return use(self._read())
        except (cfg.Error, RecursionError):
            # What they say may hold the value of a secret one.
            raise doctor.CannotLookError("configuration") from None

    def _configured(self) -> Configured:
        from staffeln.conf import checking, files

        conf = self._examined
        if isinstance(conf, errors.ConfigurationError):
            raise conf
        wrong = ""
        try:
            checking.check(conf)
        except errors.ConfigurationError as error:
            wrong = str(error)
        return Configured(
            wrong=wrong,
            files=tuple(files.paths(conf)),
            unknown=tuple(files.unknown(conf)),
            outdated=(
                *files.renamed(conf),
                *(
                    f"{name} is an option of release 2.x that this release "
                    "does not read"
                    for name in files.unread(conf)
                ),
            ),
        )

    # -- doors ---------------------------------------------------------------

    def _open_cloud(self) -> OpenStackCloud:
        step = self._asked.limit * _OF_A_STEP
        return self._reading(
            lambda conf: doors.cloud(conf, patient=False, longest=step)
        )

    def _open_database(self) -> Database:
        from staffeln.db import session

        return self._reading(lambda conf: session.connect(conf, touch=False))

    def _database_state(self) -> DatabaseState:
        from staffeln.db import inspection, urls

        database = self._database()
        return DatabaseState(
            server=inspection.server(database),
            where=urls.shown(database.engine.url),
            galera=inspection.galera(database),
        )

    def _missing_rights(self) -> list[str]:
        from staffeln.db import inspection

        return inspection.missing_rights(self._database())

    def _open_store(self) -> SqlStore:
        from staffeln.db import migration
        from staffeln.db.store import SqlStore

        database = self._database()
        migration.check(database)
        return SqlStore(database)

    def _mail(self, conf: cfg.ConfigOpts) -> str | None:
        step = self._asked.limit * _OF_A_STEP
        mailer = press.mailer(conf, longest=step)
        return mailer.probe() if mailer else None

    def _policy(self, conf: cfg.ConfigOpts) -> PolicyDoor:
        asked = self._asked
        group = conf.api
        if asked.policy_url:
            return policy_door.door(
                asked.policy_url, self._tls, asked.limit * _OF_A_STEP
            )
        where = _asked_at(group.host)
        scheme = "https" if group.enabled_ssl else "http"
        return policy_door.door(
            f"{scheme}://{where}:{group.port}",
            lambda: self._tls(group.ssl_cert_file),
            asked.limit * _OF_A_STEP,
        )

    def _tls(self, own_certificate: str | None = None) -> ssl.SSLContext:
        """Trusts the authorities that were named, else those of this host.

        :param own_certificate: staffeln-api's own file, where it is asked at
            an address of this host: then exactly that one is trusted,
            whatever name is in it.
        """
        asked = self._asked
        authorities = asked.policy_ca or own_certificate
        with _named(authorities):
            context = ssl.create_default_context(cafile=authorities)
        if own_certificate and not asked.policy_ca:
            context.check_hostname = False
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if asked.policy_cert:
            with _named(asked.policy_cert):
                # Without a password nobody is asked for one on the terminal.
                context.load_cert_chain(asked.policy_cert, password="")  # nosec B106
        return context


@contextlib.contextmanager
def _named(path: str | None) -> Iterator[None]:
    """Say of which file an error of TLS is.

    :raises StaffelnError: that file cannot be used.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise errors.StaffelnError(
            f"the certificates in {path} cannot be used: {why}"
        ) from None


def _too_open(conf: cfg.ConfigOpts) -> list[str]:
    """What the services warn of when they start."""
    from staffeln.conf import permissions

    return permissions.warnings(conf)


def _asked_at(host: str) -> str:
    """Where a server is asked that listens there, as URLs have it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return f"[{host}]" if address.version == 6 else host


def _office(conf: cfg.ConfigOpts) -> Office:
    from staffeln import leadership as room

    chosen = settings.leadership(conf)
    room.check(chosen)
    return Office(
        description=room.description(chosen),
        local=room.is_local(chosen),
        warning=room.warning(chosen),
        missing_rights=lambda: room.missing_rights(chosen),
        probe=lambda: room.probe(chosen),
    )
