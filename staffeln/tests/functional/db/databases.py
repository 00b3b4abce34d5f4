# SPDX-License-Identifier: Apache-2.0
"""Empty databases of each kind, for suites that run on all of them."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from oslo_config import cfg

from staffeln.db import models, options, rows, session
from staffeln.tests import base
from staffeln.tests.servers import galera, mariadb, postgresql

SYNC_WAIT = 7
"""``mysql_wsrep_sync_wait`` of conductors that use several nodes: what they
read and write comes after what any of them has committed."""


class DatabaseCase(base.TestCase):
    """A test that needs databases; ``new_url`` says of which kind."""

    def new_url(self) -> str:
        """The URL of a new empty database."""
        raise NotImplementedError

    def connect(self, url: str, **changes: object) -> session.Database:
        """Connect as the services do; closed when the test ends."""
        database = session.connect(configuration(url, **changes), create=True)
        self.addCleanup(database.close)
        return database


class Sqlite(DatabaseCase):
    """A file of its own for each database."""

    def new_url(self) -> str:
        return f"sqlite:///{self.make_temp_dir()}/staffeln.sqlite"

    def connect(self, url: str, **changes: object) -> session.Database:
        database = super().connect(url, **changes)
        session.do_not_wait_for_disk(database.engine)
        # Those that are open already do wait.
        database.engine.dispose()
        return database


class MariaDb(DatabaseCase):
    """Databases on this process's MariaDB."""

    def new_url(self) -> str:
        return mariadb.shared().create(_new_name())


class PostgreSql(DatabaseCase):
    """Databases on this process's PostgreSQL."""

    def new_url(self) -> str:
        return postgresql.shared().create(_new_name())


class GaleraCluster(DatabaseCase):
    """Databases on this process's Galera cluster; a URL is of one node."""

    def new_url(self) -> str:
        return self.new_urls()[0]

    def new_urls(self) -> list[str]:
        """The URLs of one new empty database, one for each node."""
        cluster, name = galera.shared(), _new_name()
        cluster.create(name)
        cluster.catch_up()
        return [cluster.url(name, n) for n in range(galera.NODES)]

    def connect(self, url: str, **changes: object) -> session.Database:
        return super().connect(
            url, **{"mysql_wsrep_sync_wait": SYNC_WAIT, **changes}
        )


def _new_name() -> str:
    return f"test_{uuid.uuid4().hex}"


def configuration(url: str, **changes: object) -> cfg.ConfigOpts:
    """A configuration whose group ``[database]`` has this connection."""
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf([], project="staffeln", default_config_files=[])
    for name, value in {"connection": url, **changes}.items():
        conf.set_override(name, value, group=options.GROUP)
    return conf


def forget_everything(database: session.Database) -> None:
    """Bring the tables to where a new schema begins."""
    with database.engine.begin() as connection:
        for table in reversed(models.Base.metadata.sorted_tables):
            if table.name not in ("deployment", "freshness", "scheduler_term"):
                connection.execute(sa.delete(table))
        connection.execute(
            sa.update(rows.DEPLOYMENT).values(
                auth_url=None,
                region=None,
                block_storage_url=None,
                user_id=None,
                selected_volumes=None,
                reconciled_at=None,
            )
        )
        connection.execute(sa.update(rows.TERM).values(term=0, seq=0))
        connection.execute(
            sa.update(rows.FRESHNESS).values(
                cycle_at=None,
                retention_at=None,
                selected=None,
                dropped=0,
                never_protected=0,
                stale=0,
                oldest_protection_at=None,
            )
        )
