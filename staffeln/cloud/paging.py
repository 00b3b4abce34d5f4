# SPDX-License-Identifier: Apache-2.0
"""Lists, page by page, that always end and never pass over a bad item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from staffeln import ports
from staffeln.cloud import answers
from staffeln.cloud.catalogue import Service
from staffeln.cloud.session import CloudSession, Params
from staffeln.domain import errors

T = TypeVar("T")

OTHER_MARKERS = 4
"""Items tried as a marker after the last one was deleted meanwhile."""


def pages(
    session: CloudSession,
    service: Service,
    path: str,
    key: str,
    parse: Callable[[Mapping[str, Any]], T],
    params: Params,
    project_id: str | None = None,
) -> Iterator[ports.Page[T]]:
    """Read a list to its end, one call for each page.

    The marker is our own, and a next page is asked for as long as the
    answer has a link to one (the service's own limit may be smaller than
    ours): its URL is never followed, it may lead out of the network.
    Where the service told how many there are, nothing is asked once all
    were seen.

    :raises MalformedAnswerError: the list has no end.
    """
    seen: set[str] = set()
    last: list[str] = []
    total: int | None = None
    number = 0
    while True:
        number += 1
        body = _page(session, service, path, key, params, project_id, last)
        rows = body[key]
        if not isinstance(rows, list):
            raise _endless(service, path, f"{key} is not a list")
        ids = [text for row in rows if (text := _id(row))]
        new = [text for text in ids if text not in seen]
        page = _read(rows, parse, key, number, set(last))
        if number == 1:
            total = _count(body)
        more = _has_next(body)
        if more and not new:
            raise _endless(service, path, "the pages repeat without an end")
        seen.update(new)
        last = ids
        yield ports.Page(
            items=page[0],
            total=total if number == 1 else None,
            problems=page[1],
        )
        if not more or (total is not None and len(seen) >= total):
            return


def _page(
    session: CloudSession,
    service: Service,
    path: str,
    key: str,
    params: Params,
    project_id: str | None,
    last: list[str],
) -> dict[str, Any]:
    """One page after the items of the last; the first when there are none.

    The item that serves as marker may have been deleted since: then the
    ones before it serve.
    """
    if not last:
        return session.get(service, path, key, params, project_id)
    markers = list(reversed(last[-1 - OTHER_MARKERS :]))
    for marker in markers[:-1]:
        try:
            return session.get(
                service,
                path,
                key,
                {**_without_count(params), "marker": marker},
                project_id,
            )
        except (errors.InvalidRequestError, errors.NotFoundError):
            continue
    return session.get(
        service,
        path,
        key,
        {**_without_count(params), "marker": markers[-1]},
        project_id,
    )


def _without_count(params: Params) -> dict[str, str | int]:
    """Counting costs the database; once is enough."""
    return {k: v for k, v in params.items() if k != "with_count"}


def _read(
    rows: list[Any],
    parse: Callable[[Mapping[str, Any]], T],
    key: str,
    number: int,
    before: set[str],
) -> tuple[tuple[T, ...], tuple[str, ...]]:
    """The items of a page, and what cannot be read of it."""
    items: list[T] = []
    problems: list[str] = []
    for place, row in enumerate(rows, 1):
        if _id(row) in before:
            continue
        try:
            items.append(parse(row))
        except (
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
            OverflowError,
        ) as error:
            what = answers.one_line(f"{type(error).__name__} {error}")
            problems.append(
                f"item {place} of page {number} of {key} "
                f"(id {answers.one_line(_id(row) or 'not known')}) cannot "
                f"be read: {what}"
            )
    return tuple(items), tuple(problems)


def _id(row: Any) -> str | None:
    found = row.get("id") if isinstance(row, dict) else None
    return found if isinstance(found, str) and found else None


def _count(body: Mapping[str, Any]) -> int | None:
    count = body.get("count")
    return count if isinstance(count, int) and count >= 0 else None


def _has_next(body: Mapping[str, Any]) -> bool:
    """Whether the answer links to a next page.

    The member is called servers_links, volumes_links or backup_links.
    """
    return any(
        isinstance(link, dict) and link.get("rel") == "next"
        for name, links in body.items()
        if name.endswith("_links") and isinstance(links, list)
        for link in links
    )


def _endless(
    service: Service, path: str, words: str
) -> errors.MalformedAnswerError:
    return errors.MalformedAnswerError(
        answers.Asked(service.name, "GET", path).message(words)
    )
