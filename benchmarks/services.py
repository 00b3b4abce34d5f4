# SPDX-License-Identifier: Apache-2.0
"""The coordination backends, each with a real service on loopback."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Protocol

import redis as redis_client
import requests

from staffeln import leadership
from staffeln.tests.servers import (
    etcd,
    kubernetes,
    mariadb,
    redis,
    zookeeper,
)


class Service(Protocol):
    """A service that can be let stand still."""

    def freeze(self) -> None:
        """Let it stand still."""

    def thaw(self) -> None:
        """Let it go on; harmless when it does."""


@dataclasses.dataclass(frozen=True, eq=False)
class Backend:
    """How to contend for an office, and the service that keeps it."""

    name: str
    settings: leadership.Settings = dataclasses.field(repr=False)
    service: Service | None
    expires: bool
    """Whether a silent holder loses it."""


@dataclasses.dataclass(frozen=True)
class Started:
    """All backends, while their services run."""

    backends: list[Backend]
    versions: dict[str, str]
    lease: Backend
    """The one of ``backends`` that is a Kubernetes Lease."""
    kubernetes: kubernetes.Kubernetes
    namespace: str
    """Where the Lease is."""


@contextlib.contextmanager
def started(
    folder: pathlib.Path, lease: int, deadline: int, retry: int
) -> Iterator[Started]:
    """Start all services, and end them.

    :raises ServerError: one does not come up.
    """

    def settings(url: str, kubeconfig: str = "") -> leadership.Settings:
        return leadership.Settings(
            backend_url=url,
            state_path=str(folder),
            kubeconfig=kubeconfig,
            lease_duration=lease,
            lease_renew_deadline=deadline,
            lease_retry_period=retry,
        )

    with contextlib.ExitStack() as stack:
        of_etcd = etcd.Etcd()
        stack.callback(of_etcd.stop)
        of_redis = redis.Redis()
        stack.callback(of_redis.stop)
        of_zookeeper = zookeeper.ZooKeeper(longest_session=lease)
        stack.callback(of_zookeeper.stop)
        of_mysql = mariadb.MariaDB()
        stack.callback(of_mysql.stop)
        api = kubernetes.Kubernetes()
        stack.callback(api.stop)
        url = of_mysql.create("office").replace("mysql+pymysql", "mysql")
        namespace = api.make_namespace()
        kubeconfig = api.kubeconfig(folder / "kubeconfig", namespace)
        of_lease = Backend(
            "Kubernetes Lease", settings("", kubeconfig), api, True
        )
        yield Started(
            backends=[
                Backend("file", settings(""), None, False),
                Backend("mysql (MariaDB)", settings(url), of_mysql, False),
                Backend("etcd3+http", settings(of_etcd.url), of_etcd, True),
                Backend("redis", settings(of_redis.url), of_redis, True),
                Backend(
                    "zookeeper", settings(of_zookeeper.url), of_zookeeper, True
                ),
                of_lease,
            ],
            versions=_versions(of_etcd, of_redis, of_mysql, api),
            lease=of_lease,
            kubernetes=api,
            namespace=namespace,
        )


def _versions(
    of_etcd: etcd.Etcd,
    of_redis: redis.Redis,
    of_mysql: mariadb.MariaDB,
    api: kubernetes.Kubernetes,
) -> dict[str, str]:
    """Version by service, as each tells it."""
    with contextlib.closing(
        redis_client.Redis.from_url(of_redis.url)
    ) as asked:
        about_redis = asked.info("server")
    with mariadb.connect(of_mysql.port, None) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT VERSION()")
        (mysql,) = cursor.fetchone()
    answer = requests.get(
        f"http://127.0.0.1:{of_etcd.port}/version", timeout=30
    )
    return {
        "MariaDB": str(mysql),
        "etcd": str(answer.json()["etcdserver"]),
        "Redis": str(about_redis["redis_version"]),
        "ZooKeeper": _zookeeper_version(),
        "kube-apiserver": str(api.ask("GET", "/version")["gitVersion"]),
    }


def _zookeeper_version() -> str:
    """Of the package: the server tells it to nobody here."""
    asked = ["dpkg-query", "--show", "--showformat=${Version}", "zookeeper"]
    return subprocess.check_output(asked, text=True)
