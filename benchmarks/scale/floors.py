# SPDX-License-Identifier: Apache-2.0
"""What nobody could do with less: the same pages, and the same rows.

The pages' JSON is read by ``json.loads`` and nothing is made of it; the
rows go through the driver in one SELECT and one INSERT of many.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import requests
import sqlalchemy as sa
from keystoneauth1 import loading
from keystoneauth1 import session as ksa_session

from benchmarks import history
from benchmarks.scale.serving import Place
from staffeln.cloud import options
from staffeln.db import session

_PATHS = {
    "compute": "/servers/detail?all_tenants=1&limit=1000",
    "block-storage": "/volumes/detail?all_tenants=1&limit=1000",
    "creating": (
        "/backups/detail?all_tenants=1&limit=1000&sort=created_at:desc"
        "&status=creating"
    ),
}
_VERSIONS = {"compute": "compute 2.69", "block-storage": "volume 3.64"}


def reading_pages(place: Place, *kinds: str) -> float:
    """CPU seconds of reading the pages of lists, to their ends.

    :param kinds: ``compute``, ``block-storage`` (volumes), and ``creating``
        (backups).
    """
    spent = 0.0
    for body in _pages(place, kinds):
        began = time.process_time()
        json.loads(body)
        spent += time.process_time() - began
    return spent


def _pages(place: Place, kinds: Sequence[str]) -> Iterator[bytes]:
    """The bodies of all pages, as they come."""
    found = options.cloud_settings(place.configuration()).credentials
    loader: loading.BaseLoader[Any] = loading.get_plugin_loader(
        found.auth_type
    )
    auth = loader.load_from_options(**found.auth)
    asked = ksa_session.Session(auth=auth)
    http = requests.Session()
    for kind in kinds:
        service = "block-storage" if kind == "creating" else kind
        first = f"{asked.get_endpoint(service_type=service)}{_PATHS[kind]}"
        headers = {
            "X-Auth-Token": str(asked.get_token()),
            "OpenStack-API-Version": _VERSIONS[service],
        }
        url = first
        while url:
            answer = http.get(url, headers=headers, timeout=60)
            answer.raise_for_status()
            yield answer.content
            last = _last_of_many(answer.json())
            url = f"{first}&marker={last}" if last else ""


def _last_of_many(body: dict[str, Any]) -> str:
    """Id of the last item of a page; empty where no page follows it."""
    (items,) = (
        each
        for name, each in body.items()
        if not name.endswith("_links") and isinstance(each, list)
    )
    goes_on = any(name.endswith("_links") for name in body)
    return str(items[-1]["id"]) if goes_on and items else ""


def reading_rows(
    place: Place, table: sa.Table[Any], where: str = "1 = 1"
) -> float:
    """CPU seconds of one SELECT of rows that are there."""
    database = session.connect(place.configuration())
    with database.engine.connect() as connection:
        began = time.process_time()
        connection.connection.cursor()
        found = _fetched(
            connection, f"SELECT * FROM {table.name} WHERE {where}"
        )
        spent = time.process_time() - began
    database.close()
    if not found:
        raise ValueError(f"{table.name} has no such rows: {where}")
    return spent


def writing_rows(
    place: Place, table: sa.Table[Any], where: str = "1 = 1"
) -> float:
    """CPU seconds of inserting rows that are there into a copy of a table.

    The copy has no indexes, which are the server's affair (but not those of
    SQLite, which is in this process).
    """
    database = session.connect(place.configuration())
    columns = [each.name for each in table.columns]
    copy = sa.Table(
        f"floor_{table.name}",
        sa.MetaData(),
        *(
            sa.Column(
                each.name,
                each.type,
                primary_key=each.name == "id",
                autoincrement=False,
            )
            for each in table.columns
        ),
    )
    with database.engine.begin() as connection:
        copy.create(connection)
        quote = connection.dialect.identifier_preparer.quote
        names = ", ".join(map(quote, columns))
        found = _fetched(
            connection, f"SELECT {names} FROM {table.name} WHERE {where}"
        )
    began = time.process_time()
    history.insert(database, copy.name, columns, iter(found))
    spent = time.process_time() - began
    with database.engine.begin() as connection:
        copy.drop(connection)
    database.close()
    return spent


def _fetched(connection: sa.Connection, text: str) -> list[tuple[Any, ...]]:
    cursor = connection.connection.cursor()
    cursor.execute(text)
    return list(cursor.fetchall())
