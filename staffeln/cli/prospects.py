# SPDX-License-Identifier: Apache-2.0
"""How volumes are protected, and whether what is due fits, in a few lines."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from staffeln import ports
from staffeln.domain import demand, errors, protection, report
from staffeln.workflow import dropping, planning, protecting
from staffeln.workflow.settings import Settings

MOST_NAMED = 5
"""Volumes of one sort that are named."""

MOST_FORECASTS = 20
"""Projects without room that are named."""

_FITS = {
    True: "fit",
    False: "do not fit",
    None: "may or may not fit: the quotas could not be read",
}

MOST_UNREAD = 3
"""Quotas in a row that do not answer until no more are asked for."""


def lines(
    drawn: planning.Drawn,
    store: ports.Store,
    cloud: ports.Cloud,
    settings: Settings,
    parsed_args: argparse.Namespace,
) -> Iterator[str]:
    """What volumes lack now, and what the next cycle will."""
    found = drawn.protection
    yield f"{protecting.in_words(found, settings.protection)}."
    yield from _unprotected(found, parsed_args)
    yield from _dropped(drawn, store, settings)
    if not parsed_args.no_quotas and parsed_args.volume is None:
        wanted = {
            project_id: demand
            for project_id, demand in found.demands.items()
            if parsed_args.project in (None, project_id)
        }
        yield from _forecast(wanted, cloud, named=parsed_args.project)


def _unprotected(
    found: protection.Protection, parsed_args: argparse.Namespace
) -> Iterator[str]:
    """Some of the volumes that are not protected."""
    unprotected = [
        each
        for each in found.unprotected
        if parsed_args.project in (None, each.project_id)
        and parsed_args.volume in (None, each.volume_id)
    ]
    for each in unprotected[:MOST_NAMED]:
        yield f"  volume {each.volume_id}: {each.why}"
    if len(unprotected) > MOST_NAMED:
        yield f"  and {len(unprotected) - MOST_NAMED} more"


def _dropped(
    drawn: planning.Drawn, store: ports.Store, settings: Settings
) -> Iterator[str]:
    """Volumes with backups that are selected no longer, and some of them."""
    if not drawn.inventory.complete:
        return
    number = 0
    named: list[str] = []
    for page in dropping.dropped_volumes(
        store, drawn.inventory, settings.rule, drawn.now
    ):
        number += len(page)
        named += [
            f"  volume {each.newest.volume_id}: {each.record.dropped_why}"
            for each in page[: MOST_NAMED - len(named)]
        ]
    if number:
        yield f"{number} volume(s) with backups are selected no longer:"
        yield from named
        if number > len(named):
            yield f"  and {number - len(named)} more"


def _forecast(
    wanted: Mapping[str, demand.Demand],
    cloud: ports.Cloud,
    *,
    named: str | None,
) -> Iterator[str]:
    """Projects whose quotas have no room for what is due.

    :param named: this one is named in any case.
    """
    lacking = unread = failures = 0
    for project_id in sorted(wanted):
        quotas: report.Quotas | None = None
        if failures < MOST_UNREAD:
            try:
                quotas = cloud.quotas(project_id)
                failures = 0
            except errors.RefusedError:
                failures = 0
            except errors.CloudError:
                failures += 1
        found = demand.forecast(wanted[project_id], quotas)
        unread += found.fits is None
        lacking += found.fits is False
        is_told = found.fits is False and lacking <= MOST_FORECASTS
        if is_told or project_id == named:
            yield (
                f"Project {project_id}: {found.backups} backup(s) and "
                f"{found.gigabytes} GiB more {_FITS[found.fits]}. {found.why}"
            )
    if lacking > MOST_FORECASTS:
        yield f"{lacking - MOST_FORECASTS} more projects lack room."
    if wanted:
        yield (
            f"Quotas of {len(wanted)} project(s) with backups due: "
            f"{len(wanted) - lacking - unread} have room for all, {lacking} "
            f"lack room, {unread} could not be read."
        )
