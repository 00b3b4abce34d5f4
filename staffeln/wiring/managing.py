# SPDX-License-Identifier: Apache-2.0
"""The commands of ``staffeln-db-manage``."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable

from oslo_config import cfg

from staffeln.wiring import doors, settings


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says besides the command."""

    revision: str = "head"
    forced: bool = False
    really: bool = False


Tell = Callable[[str], None]


def run(
    conf: cfg.ConfigOpts, command: str, wanted: Wanted, tell: Tell
) -> None:
    """Carry a command out.

    :param tell: gets each line of what was done.
    :raises StaffelnError: why it cannot be done, in one line.
    """
    _COMMANDS[command](conf, wanted, tell)


def _create_schema(conf: cfg.ConfigOpts, _wanted: Wanted, tell: Tell) -> None:
    from staffeln.db import migration, session

    with contextlib.closing(session.connect(conf, create=True)) as database:
        migration.create_schema(database)
        tell(f"the schema is at {migration.version(database)}")


def _upgrade(conf: cfg.ConfigOpts, wanted: Wanted, tell: Tell) -> None:
    from staffeln.db import migration, session

    with contextlib.closing(session.connect(conf, create=True)) as database:
        migration.upgrade(
            database, wanted.revision, forced=wanted.forced, tell=tell
        )
        tell(f"the schema is at {migration.version(database)}")


def _version(conf: cfg.ConfigOpts, _wanted: Wanted, tell: Tell) -> None:
    from staffeln.db import migration, session

    with contextlib.closing(session.connect(conf, touch=False)) as database:
        tell(migration.version(database) or "no schema")


def _rehearse(conf: cfg.ConfigOpts, _wanted: Wanted, tell: Tell) -> None:
    from staffeln.conf import files
    from staffeln.db import rehearsal, session

    with contextlib.closing(session.connect(conf, touch=False)) as database:
        adopts = rehearsal.rehearse(database, tell)
    if adopts and not settings.backup_key_is_set(conf):
        tell(
            "[conductor] backup_metadata_key is not set: staffeln-conductor "
            "will not start on this database until it is (an empty value "
            "selects all servers, as unset did in 2.x)"
        )
    for line in files.renamed(conf):
        tell(line)
    for name in files.unread(conf):
        tell(f"this release does not read {name}")
    tell("nothing was written: this was a rehearsal")


def _export(conf: cfg.ConfigOpts, wanted: Wanted, tell: Tell) -> None:
    from staffeln.db import export_2x, session

    with contextlib.closing(session.connect(conf)) as database:
        export_2x.export(
            database,
            tell,
            sender=conf.notification.sender_email,
            forced=wanted.forced,
        )
    tell(
        "release 2.x can go on with this database; staffeln-db-manage "
        "upgrade head comes back to this one"
    )


def _rebind(conf: cfg.ConfigOpts, wanted: Wanted, tell: Tell) -> None:
    from staffeln.workflow import rebinding

    with contextlib.closing(doors.store(conf)) as store:
        rebinding.rebind(
            doors.cloud(conf, patient=False),
            store,
            tell,
            really=wanted.really,
            forced=wanted.forced,
        )


_COMMANDS: dict[str, Callable[[cfg.ConfigOpts, Wanted, Tell], None]] = {
    "create_schema": _create_schema,
    "upgrade": _upgrade,
    "version": _version,
    "rehearse": _rehearse,
    "export-2x": _export,
    "rebind": _rebind,
}
