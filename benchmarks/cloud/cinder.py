# SPDX-License-Identifier: Apache-2.0
"""The simulated Cinder: volumes, backups, services and quotas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from benchmarks.cloud import paging, rendering
from benchmarks.cloud.behaviour import Behaviour
from benchmarks.cloud.copies import Wanted
from benchmarks.cloud.exchange import (
    Answer,
    Request,
    bad_request,
    forbidden,
    not_found,
    speaks,
)
from benchmarks.cloud.keystone import Token
from benchmarks.cloud.making import Making
from benchmarks.cloud.pages import Pages
from benchmarks.cloud.scenery import Shape
from benchmarks.cloud.things import Volume

OLDEST, NEWEST = (3, 0), (3, 71)
WITH_COUNT = (3, 45)
_MEMBERS_FILTERS = {"name", "status", "volume_id"}
_OF_PAGES = ("limit", "marker", "offset", "sort", "with_count", "all_tenants")


class Cinder:
    """Answers what is asked of Cinder.

    :param making: what is done with backups.
    """

    def __init__(
        self,
        shape: Shape,
        making: Making,
        url: str,
        behaviour: Callable[[], Behaviour],
    ) -> None:
        self._shape = shape
        self._making = making
        self._volumes = making.volumes
        self._backups = making.backups
        self._url = url
        self._behaviour = behaviour
        self._pages = Pages()

    def answer(self, request: Request, path: str, token: Token) -> Answer:
        """:param path: below the version; it begins with the project's id.

        :raises Fault: a refusal.
        """
        if path in {"", "/"}:
            return Answer(200, json.dumps(self._versions()).encode())
        version = speaks(request, "volume", OLDEST, NEWEST)
        project_id, *parts = path.strip("/").split("/")
        if project_id != token.project_id:
            raise bad_request("Malformed request url")
        self._making.go_on()
        match request.method, parts:
            case "GET", ["volumes", "detail"]:
                return self._list_volumes(request, token, version)
            case "GET", ["volumes", volume_id]:
                return self._one_volume(volume_id, token)
            case "GET", ["backups", "detail"]:
                return self._list_backups(request, token, version, True)
            case "GET", ["backups"]:
                return self._list_backups(request, token, version, False)
            case "GET", ["backups", backup_id]:
                return self._one_backup(backup_id, token)
            case "POST", ["backups"]:
                return self._create(request, token, version)
            case "DELETE", ["backups", backup_id]:
                self._making.delete(backup_id, token)
                return Answer(202)
            case "GET", ["os-services"]:
                return self._services(request, token)
            case "GET", ["os-quota-sets", whose]:
                return self._quotas(whose, request, token)
        raise not_found("The resource could not be found.")

    # -- volumes -------------------------------------------------------------

    def _list_volumes(
        self, request: Request, token: Token, version: tuple[int, int]
    ) -> Answer:
        params = request.params()
        paging.check_params(params, _OF_PAGES)
        limit = paging.limit(params, self._page_limit())
        offset = paging.number(params, "offset", 0)
        owner = _owner(params, token)
        count = _counts(params, version)
        end = self._volumes.end
        if "marker" in params:
            last = self._volumes.get(params["marker"])
            if last is None:
                raise not_found(
                    f"Volume {params['marker']} could not be found."
                )
            end = last.number
        return self._pages.get(
            (end, limit, offset, owner, count),
            self._volumes.changes,
            lambda: self._volume_page(end, limit, offset, owner, count),
        )

    def _volume_page(
        self, end: int, limit: int, offset: int, owner: str | None, count: bool
    ) -> Answer:
        found = paging.take(self._theirs(end, owner), offset, limit)
        total = None
        if count and owner is None:
            total = len(self._volumes)
        elif count:
            total = sum(1 for _ in self._theirs(self._volumes.end, owner))
        texts = [rendering.volume(self._shape, each) for each in found]
        last = found[-1].id if found and len(found) == limit else None
        return self._page("volumes", texts, last, total)

    def _theirs(self, end: int, owner: str | None) -> Iterator[Volume]:
        """A project's volumes below a number; None: everybody's."""
        return (
            each
            for each in self._volumes.below(end)
            if owner in (None, each.project_id)
        )

    def _one_volume(self, volume_id: str, token: Token) -> Answer:
        found = self._volumes.get(volume_id)
        if found is None or not _visible(found.project_id, token):
            raise not_found(f"Volume {volume_id} could not be found.")
        text = rendering.volume(self._shape, found)
        return Answer(200, f'{{"volume": {text}}}'.encode())

    # -- backups -------------------------------------------------------------

    def _list_backups(
        self,
        request: Request,
        token: Token,
        version: tuple[int, int],
        detail: bool,
    ) -> Answer:
        params = request.params()
        filters = set(_MEMBERS_FILTERS - {"name"})
        if token.administrator:
            filters.add("parent_id")
        paging.check_params(params, (*_OF_PAGES, *filters))
        wanted = self._wanted(params, token)
        limit = paging.limit(params, self._page_limit())
        end = self._backups.end
        if "marker" in params:
            last = self._backups.get(params["marker"])
            if last is None:
                raise not_found(
                    f"Backup {params['marker']} could not be found."
                )
            end = last.number
        offset = paging.number(params, "offset", 0)
        found = paging.take(self._backups.find(wanted, end, offset), 0, limit)
        if detail:
            texts = [
                rendering.backup(each, token.administrator) for each in found
            ]
        else:
            texts = [
                f'{{"id": "{each.id}", "name": {json.dumps(each.name)}, '
                '"links": []}'
                for each in found
            ]
        total = None
        if _counts(params, version):
            total = self._backups.count(wanted)
        last_id = found[-1].id if found and len(found) == limit else None
        return self._page("backups", texts, last_id, total)

    def _wanted(self, params: dict[str, str], token: Token) -> Wanted:
        parent = None
        if "parent_id" in params:
            known = self._shape.number_of("backup", params["parent_id"])
            parent = -1 if known is None else known
        return Wanted(
            status=params.get("status"),
            volume_id=params.get("volume_id"),
            project_id=_owner(params, token),
            parent=parent,
        )

    def _one_backup(self, backup_id: str, token: Token) -> Answer:
        found = self._backups.get(backup_id)
        if found is None or not _visible(found.project_id, token):
            raise not_found(f"Backup {backup_id} could not be found.")
        text = rendering.backup(found, token.administrator)
        return Answer(200, f'{{"backup": {text}}}'.encode())

    def _create(
        self, request: Request, token: Token, version: tuple[int, int]
    ) -> Answer:
        made = self._making.create(request.document("backup"), token, version)
        body = {"backup": {"id": made.id, "name": made.name, "links": []}}
        return Answer(202, json.dumps(body).encode())

    # -- services and quotas -------------------------------------------------

    def _services(self, request: Request, token: Token) -> Answer:
        if not token.administrator:
            raise forbidden("volume_extension:services:index")
        params = request.params()
        paging.check_params(params, ("binary",))
        names = ["cinder-scheduler", "cinder-volume"]
        names += ["cinder-backup"] * self._shape.backup_services
        up = self._making.services_up()
        rows = [
            {
                "binary": name,
                "host": f"{name.removeprefix('cinder-')}-{place}",
                "zone": "nova",
                "status": "enabled",
                "state": "up" if place < 2 or place - 2 < up else "down",
                "updated_at": rendering.moment(self._making.now()),
                "disabled_reason": None,
                "cluster": None,
                "frozen": False,
            }
            for place, name in enumerate(names)
            if params.get("binary") in (None, name)
        ]
        return Answer(200, json.dumps({"services": rows}).encode())

    def _quotas(self, whose: str, request: Request, token: Token) -> Answer:
        if not _visible(whose, token):
            raise forbidden("volume_extension:quotas:show")
        params = request.params()
        paging.check_params(params, ("usage",))
        backups, gigabytes = self._making.quota(whose)
        used = self._backups.used(whose)
        shown: dict[str, object] = {"id": whose}
        for name, limit, in_use in (
            ("backups", backups, used[0]),
            ("backup_gigabytes", gigabytes, used[1]),
        ):
            shown[name] = limit
            if paging.true(params.get("usage")):
                shown[name] = {
                    "limit": limit,
                    "in_use": in_use,
                    "reserved": 0,
                }
        return Answer(200, json.dumps({"quota_set": shown}).encode())

    # -- what lists have in common -------------------------------------------

    def _page_limit(self) -> int:
        return self._behaviour().page_limit or self._shape.page_limit

    def _page(
        self, key: str, texts: list[str], last: str | None, total: int | None
    ) -> Answer:
        link = None
        if last is not None:
            link = f"{self._url}/volume/v3/{key}/detail?marker={last}"
        return paging.page(key, texts, link, total)

    def _versions(self) -> dict[str, object]:
        version = {
            "id": "v3.0",
            "status": "CURRENT",
            "version": f"{NEWEST[0]}.{NEWEST[1]}",
            "min_version": f"{OLDEST[0]}.{OLDEST[1]}",
            "updated": "2023-08-31T00:00:00Z",
            "links": [{"rel": "self", "href": f"{self._url}/volume/v3/"}],
            "media-types": [],
        }
        return {"versions": [version]}


def _owner(params: dict[str, str], token: Token) -> str | None:
    """Whose things a list shows; None: everybody's.

    ``all_tenants`` of somebody else is ignored without a word.
    """
    if token.administrator and paging.true(params.get("all_tenants")):
        return None
    return token.project_id


def _visible(project_id: str, token: Token) -> bool:
    return token.administrator or project_id == token.project_id


def _counts(params: dict[str, str], version: tuple[int, int]) -> bool:
    return version >= WITH_COUNT and paging.true(params.get("with_count"))
