# SPDX-License-Identifier: Apache-2.0
"""Lists that are surely read to their end, one page ahead.

While a page is worked on a thread waits for the next one: of a cloud that
takes a second for each, that is most of the time of a harvest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import TypeVar

T = TypeVar("T")

LOOK = 1.0
"""Seconds of a wait, until it is looked whether to go on waiting."""


def one_ahead(
    pages: Iterator[T], go_on: Callable[[], None] = lambda: None
) -> Iterator[T]:
    """The same pages, in their order; their errors come where they did.

    Nothing is asked before the first page is wanted, nor more than one page
    beyond the one that was taken last. Whoever takes no more waits for
    nothing: the call under way ends by itself.

    :param go_on: called while a page is waited for; what it raises ends the
        wait.
    """
    coming = _begin(pages)
    while (page := _wait(coming, go_on)) is not None:
        coming = _begin(pages)
        yield page


def _wait(
    coming: futures.Future[T | None], go_on: Callable[[], None]
) -> T | None:
    while not futures.wait([coming], LOOK).done:
        go_on()
    return coming.result()


def _begin(pages: Iterator[T]) -> futures.Future[T | None]:
    """Begin to read the next page; None: there is none."""
    coming: futures.Future[T | None] = futures.Future()

    def read() -> None:
        try:
            coming.set_result(next(pages, None))
        except BaseException as error:  # noqa: BLE001  the thread's border
            # It is raised where the page is wanted.
            coming.set_exception(error)

    # A daemon: nobody waits for it, not even this process when it ends.
    threading.Thread(target=read, name="page-ahead", daemon=True).start()
    return coming
