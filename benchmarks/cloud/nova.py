# SPDX-License-Identifier: Apache-2.0
"""The simulated Nova: servers."""

from __future__ import annotations

import json
from collections.abc import Callable

from benchmarks.cloud import paging, rendering
from benchmarks.cloud.exchange import (
    Answer,
    Request,
    bad_request,
    forbidden,
    not_found,
    speaks,
)
from benchmarks.cloud.keystone import Token
from benchmarks.cloud.pages import Pages
from benchmarks.cloud.scenery import Shape
from benchmarks.cloud.things import Servers

OLDEST, NEWEST = (2, 1), (2, 96)


class Nova:
    """Shows servers.

    :param page_limit: tells the largest page at this moment.
    """

    def __init__(
        self,
        shape: Shape,
        servers: Servers,
        url: str,
        page_limit: Callable[[], int],
    ) -> None:
        self._shape = shape
        self._servers = servers
        self._url = url
        self._page_limit = page_limit
        self._pages = Pages()

    def answer(self, request: Request, path: str, token: Token) -> Answer:
        """:raises Fault: a refusal."""
        parts = path.strip("/").split("/")
        if path in {"", "/"}:
            return Answer(
                200, json.dumps({"version": self._version()}).encode()
            )
        speaks(request, "compute", OLDEST, NEWEST)
        match request.method, parts:
            case "GET", ["servers", "detail"]:
                return self._list(request, token)
            case "GET", ["servers", server_id]:
                return self._one(server_id, token)
        raise not_found("The resource could not be found.")

    def _list(self, request: Request, token: Token) -> Answer:
        params = request.params()
        paging.check_params(params, ("all_tenants", "limit", "marker"))
        everybody = paging.true(params.get("all_tenants"))
        if everybody and not token.administrator:
            raise forbidden("os_compute_api:servers:detail:get_all_tenants")
        limit = paging.limit(params, self._page_limit())
        end = self._servers.end
        if "marker" in params:
            last = self._servers.get(params["marker"])
            if last is None:
                raise bad_request(f"marker [{params['marker']}] not found")
            end = last.number
        owner = None if everybody else token.project_id
        return self._pages.get(
            (end, limit, owner),
            self._servers.end,
            lambda: self._page(end, limit, owner),
        )

    def _page(self, end: int, limit: int, owner: str | None) -> Answer:
        found = paging.take(
            (
                each
                for each in self._servers.below(end)
                if owner in (None, each.project_id)
            ),
            0,
            limit,
        )
        link = None
        if found and len(found) == limit:
            link = (
                f"{self._url}/compute/v2.1/servers/detail?limit={limit}"
                f"&marker={found[-1].id}"
            )
        texts = [rendering.server(self._shape, each) for each in found]
        return paging.page("servers", texts, link)

    def _one(self, server_id: str, token: Token) -> Answer:
        found = self._servers.get(server_id)
        if found is None or not (
            token.administrator or found.project_id == token.project_id
        ):
            raise not_found(f"Instance {server_id} could not be found.")
        text = rendering.server(self._shape, found)
        return Answer(200, f'{{"server": {text}}}'.encode())

    def _version(self) -> dict[str, object]:
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": f"{NEWEST[0]}.{NEWEST[1]}",
            "min_version": f"{OLDEST[0]}.{OLDEST[1]}",
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": f"{self._url}/compute/v2.1/"}],
            "media-types": [],
        }
