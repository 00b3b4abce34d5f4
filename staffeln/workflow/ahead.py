# SPDX-License-Identifier: Apache-2.0
"""Lists that are surely read to their end, one page ahead.

While a page is worked on a thread waits for the next one: of a cloud that
takes a second for each, that is most of the time of a harvest.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from typing import TypeVar

T = TypeVar("T")


def one_ahead(pages: Iterator[T]) -> Iterator[T]:
    """The same pages, in their order; their errors come where they did.

    Nothing is asked before the first page is wanted, nor more than one page
    beyond the one that was taken last. Whoever takes no more waits for
    nothing: the call under way ends by itself.
    """
    coming = _begin(pages)
    while (page := coming.result()) is not None:
        coming = _begin(pages)
        yield page


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
