# SPDX-License-Identifier: Apache-2.0
"""From the cloud's lists to the inventory of what is to be protected.

A list proves that something is there, never that it is not: whatever
could not be read marks the inventory as incomplete and is named.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import logging
import math
from collections.abc import Callable, Iterable, Sequence

from staffeln import ports
from staffeln.domain import errors, model, selection
from staffeln.workflow import witness
from staffeln.workflow.ahead import one_ahead

LOG = logging.getLogger(__name__)

LARGEST_FALL = 0.05
"""A larger fall of the selected volumes since the last harvest alarms."""

_EXAMPLES = 5

_MOST_GAPS = 3
"""So many are named in one line."""

SLACK = datetime.timedelta(minutes=10)
"""A server so much older than a harvest may be one that was booted since.

Nova's controllers, Cinder's and the database each have a clock: they may be
apart by 5 minutes (clock_tolerance) before retention stops, and Nova writes
a server's age down before any list shows it."""

MOST_ASKED_FOR = 1000
"""Servers that a harvest asks for one by one; the next one asks for others,
where it knows what this one has proved gone."""

_ENOUGH = 20
"""If so many that were asked for are there or cannot be read, it is the
list that is wrong, or Nova: the others are not asked for."""

_SOFT_DELETED = "SOFT_DELETED"
"""Nova's status of a deleted server that its user may still restore."""


@dataclasses.dataclass(slots=True)
class _Reading:
    """What a harvest has read so far."""

    rule: selection.Rule
    go_on: Callable[[], None]
    booted_since: datetime.datetime
    """A server that was made then or later may be in no list yet."""
    server_ids: set[str] = dataclasses.field(default_factory=set)
    retentions: dict[str, str | None] = dataclasses.field(default_factory=dict)
    """Of all servers that were read."""
    witnesses: dict[str, str] = dataclasses.field(default_factory=dict)
    """A listed server of each of a few projects."""
    attached: dict[str, str] = dataclasses.field(default_factory=dict)
    """The first server that was read of each volume."""
    shared: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    """All servers that were read, of volumes with several."""
    resting: set[str] = dataclasses.field(default_factory=set)
    """Volumes of servers that can still be restored."""
    unlisted: dict[str, str] = dataclasses.field(default_factory=dict)
    """Servers that an attachment names and no list shows, with a volume."""
    servers_listed: bool = False
    """The list of servers did not end early."""
    volumes_listed: bool = False
    """All pages of volumes were read, to the last one."""
    selected: list[model.Server] = dataclasses.field(default_factory=list)
    strange: list[str] = dataclasses.field(default_factory=list)
    volumes: dict[str, model.Volume] = dataclasses.field(default_factory=dict)
    volumes_seen: int = 0
    gaps: list[str] = dataclasses.field(default_factory=list)
    """What makes the harvest incomplete."""
    problems: list[str] = dataclasses.field(default_factory=list)
    """What does not."""

    @property
    def complete(self) -> bool:
        return not self.gaps

    def incomplete(self, why: str) -> None:
        self.gaps.append(why)


def gaps_in_words(inventory: model.Inventory) -> str:
    """What makes a harvest incomplete, short enough for a line."""
    more = len(inventory.gaps) - _MOST_GAPS
    return "; ".join(inventory.gaps[:_MOST_GAPS]) + (
        f"; and {more} more like these" if more > 0 else ""
    )


def harvest(
    cloud: ports.Cloud,
    rule: selection.Rule,
    last_count: int | None,
    go_on: Callable[[], None] = lambda: None,
    *,
    now: datetime.datetime,
    known_gone: set[str] | None = None,
    thorough: bool = False,
) -> model.Inventory:
    """List servers and volumes and say what is to be protected.

    :param last_count: how many volumes the last harvest selected.
    :param now: the database's time, as the harvest begins.
    :param known_gone: servers that this process has proved gone, which are
        not asked for again; the harvest adds its own, and takes those out
        that no attachment names any more. None: nobody remembers, and no
        later harvest could go on where this one stops.
    :param thorough: read the attachments of all volumes, whatever is to be
        protected: they prove whether the list of servers is whole.
    :param go_on: called with each page, and while one is waited for; what it
        raises ends the harvest.
    """
    reading = _Reading(rule, go_on, now - SLACK)
    _read_servers(cloud, reading)
    wanted = {
        volume_id
        for server in reading.selected
        for volume_id in server.volume_ids
    }
    fell = _fell(len(wanted), last_count)
    if wanted or fell or thorough:
        _read_volumes(cloud, wanted, reading, all_pages=fell or thorough)
    _ask_for_unlisted(cloud, reading, known_gone)
    _name_strange_values(reading)
    found = selection.candidates(rule, reading.selected, reading.volumes)
    unknown = len(wanted - reading.volumes.keys())
    if unknown and _fell(len(found), last_count):
        # One vanished volume is a volume; many are a list that is wrong.
        reading.incomplete(f"{unknown} attached volumes are not listed")
    lists_complete = reading.complete
    if last_count and _fell(len(found), last_count):
        reading.incomplete(
            f"the selected volumes fell from {last_count} to {len(found)} "
            "since the last harvest"
        )
    return model.Inventory(
        candidates=tuple(found),
        complete=reading.complete,
        lists_complete=lists_complete,
        attachments_read=reading.servers_listed and reading.volumes_listed,
        gaps=tuple(reading.gaps),
        problems=(*reading.gaps, *reading.problems),
        servers=reading.retentions,
        witnesses=reading.witnesses,
        shared={
            volume_id: tuple(server_ids)
            for volume_id, server_ids in reading.shared.items()
        },
        selected_servers=frozenset(server.id for server in reading.selected),
        opted_out_volumes=frozenset(
            volume.id
            for volume in reading.volumes.values()
            if selection.opted_out(rule, volume)
        ),
        still_selected=frozenset(
            reading.resting | (wanted - reading.volumes.keys())
        ),
        resting=frozenset(reading.resting),
        servers_seen=len(reading.server_ids),
        servers_selected=len(reading.selected),
        volumes_seen=reading.volumes_seen,
    )


def _read_servers(cloud: ports.Cloud, reading: _Reading) -> None:
    try:
        for page in one_ahead(cloud.server_pages(), reading.go_on):
            reading.go_on()
            for problem in page.problems:
                reading.incomplete(problem)
            for server in page.items:
                _take_server(server, reading)
        reading.servers_listed = True
    except errors.StoppedError:
        raise
    except errors.CloudError as error:
        reading.incomplete(f"the list of servers ended early: {error}")


def _take_server(server: model.Server, reading: _Reading) -> None:
    reading.server_ids.add(server.id)
    if not server.readable:
        reading.incomplete(
            f"server {server.id} could not be read (status {server.status})"
        )
        return
    if len(reading.witnesses) < witness.KEPT:
        reading.witnesses.setdefault(server.project_id, server.id)
    _take_values(server, reading)
    rule = reading.rule
    strange = selection.strange_value(rule, server)
    if strange is not None:
        reading.strange.append(f"{server.id} has {strange[:40]!r}")
    if selection.selects(rule, server):
        reading.selected.append(selection.kept_of_server(rule, server))


def _take_values(server: model.Server, reading: _Reading) -> None:
    """What it says of retention, and of which volumes it says so."""
    own = selection.own_retention(reading.rule, server)
    reading.retentions[server.id] = own
    for volume_id in server.volume_ids:
        first = reading.attached.setdefault(volume_id, server.id)
        if first != server.id:
            reading.shared.setdefault(volume_id, [first]).append(server.id)


def _name_strange_values(reading: _Reading) -> None:
    if not reading.strange:
        return
    more = len(reading.strange) - _EXAMPLES
    LOG.warning(
        "%d server(s) have a value of %s that is neither true nor false "
        "and selects nothing: %s%s",
        len(reading.strange),
        reading.rule.backup_key,
        ", ".join(reading.strange[:_EXAMPLES]),
        f" and {more} more" if more > 0 else "",
    )


def _read_volumes(
    cloud: ports.Cloud,
    wanted: set[str],
    reading: _Reading,
    *,
    all_pages: bool,
) -> None:
    """Read the wanted volumes from pages, or one by one where few are left.

    The first page tells how many pages there are. Where all are read, each
    volume's attachments are held against the list of servers.

    :param all_pages: so much is missing that all have to be looked at.
    """
    pages = cloud.volume_pages()
    try:
        for first in itertools.islice(pages, 1):
            _take_page(first, wanted, reading)
            missing = wanted - reading.volumes.keys()
            few = len(missing) < _pages_left(cloud, first)
            if few and not all_pages:
                _read_volumes_singly(cloud, missing, reading)
                return
        for page in one_ahead(pages, reading.go_on):
            _take_page(page, wanted, reading)
    except errors.StoppedError:
        raise
    except errors.CloudError as error:
        reading.incomplete(f"the list of volumes ended early: {error}")
        return
    reading.volumes_listed = True
    for volume_id in sorted(wanted - reading.volumes.keys()):
        reading.problems.append(_unknown(volume_id))


def _pages_left(cloud: ports.Cloud, first: ports.Page[model.Volume]) -> int:
    if first.total is None:
        return 0
    return math.ceil(first.total / cloud.page_size) - 1


def _unknown(volume_id: str) -> str:
    return f"volume {volume_id} is attached in Nova but unknown to Cinder"


def _read_volumes_singly(
    cloud: ports.Cloud, missing: set[str], reading: _Reading
) -> None:
    for volume_id in sorted(missing):
        reading.go_on()
        try:
            volume = cloud.volume(volume_id)
        except errors.NotFoundError:
            reading.problems.append(_unknown(volume_id))
        except errors.CloudError as error:
            reading.incomplete(f"volume {volume_id} not read: {error}")
        else:
            _take_volumes([volume], missing, reading)


def _take_page(
    page: ports.Page[model.Volume], wanted: set[str], reading: _Reading
) -> None:
    reading.go_on()
    for problem in page.problems:
        reading.incomplete(problem)
    _take_volumes(page.items, wanted, reading)


def _take_volumes(
    volumes: Iterable[model.Volume], wanted: set[str], reading: _Reading
) -> None:
    for volume in volumes:
        reading.volumes_seen += 1
        unlisted = set(volume.server_ids) - reading.server_ids
        if reading.servers_listed:
            reading.unlisted.update(dict.fromkeys(unlisted, volume.id))
        if volume.id in wanted:
            reading.volumes[volume.id] = selection.kept_of_volume(
                reading.rule, volume
            )


def _ask_for_unlisted(
    cloud: ports.Cloud,
    reading: _Reading,
    known_gone: set[str] | None,
) -> None:
    """Find out what servers are that only an attachment names.

    One that Nova does not know is gone for ever, and its attachment stale.
    One that is soft-deleted is in no list, and neither is one that was
    booted meanwhile; they say themselves what they want. All others belong
    on the list: it was not whole.
    """
    remembered = set() if known_gone is None else known_gone
    stale = [each for each in sorted(reading.unlisted) if each in remembered]
    unknown = sorted(reading.unlisted.keys() - set(stale))
    most = len(unknown) if known_gone is None else MOST_ASKED_FOR
    gone, left = _ask_one_by_one(cloud, unknown[:most], reading)
    left += len(unknown[most:])
    if gone and _are_gone(cloud, reading):
        remembered.update(gone)
    if reading.servers_listed and reading.volumes_listed:
        remembered.intersection_update(reading.unlisted)
    _tell_stale(gone, stale, reading)
    if left:
        reading.incomplete(
            f"volumes are attached to {left} more servers that Nova's list "
            "does not show and this harvest did not ask for"
        )


def _ask_one_by_one(
    cloud: ports.Cloud,
    server_ids: Sequence[str],
    reading: _Reading,
) -> tuple[list[str], int]:
    """Those that Nova does not know, and how many were not asked for."""
    gone: list[str] = []
    misses = 0
    for number, server_id in enumerate(server_ids):
        if misses >= _ENOUGH:
            return gone, len(server_ids) - number
        reading.go_on()
        attached = _attached(server_id, reading)
        try:
            server = cloud.server(server_id)
        except errors.NotFoundError:
            gone.append(server_id)
        except errors.CloudError as error:
            misses += 1
            reading.incomplete(f"{attached}, which was not read: {error}")
        else:
            misses += not _take_unlisted(server, attached, reading)
    return gone, 0


def _are_gone(cloud: ports.Cloud, reading: _Reading) -> bool:
    """Whether what Nova did not know is gone, and not merely hidden."""
    try:
        witness.prove_a_404(cloud, reading.witnesses)
    except errors.CloudError as error:
        reading.incomplete(
            f"servers that Nova does not know may be there: {error}"
        )
        return False
    return True


def _tell_stale(
    gone: Iterable[str], known: Sequence[str], reading: _Reading
) -> None:
    """Name those that are new, and some of those that are not."""
    reading.problems += [
        f"{_attached(each, reading)}, which Nova does not know: the "
        "attachment in Cinder is stale"
        for each in gone
    ]
    if known:
        more = len(known) - _EXAMPLES
        reading.problems.append(
            ", ".join(_attached(each, reading) for each in known[:_EXAMPLES])
            + (f" and {more} more to others" if more > 0 else "")
            + ", proved gone before: the attachment in Cinder is stale"
        )


def _attached(server_id: str, reading: _Reading) -> str:
    volume_id = reading.unlisted[server_id]
    return f"volume {volume_id} is attached to server {server_id}"


def _take_unlisted(
    server: model.Server, attached: str, reading: _Reading
) -> bool:
    """Take its values, unless it belongs on the list: whether they were."""
    booted_meanwhile = (
        server.created_at is not None
        and server.created_at >= reading.booted_since
    )
    may_be_unlisted = server.status == _SOFT_DELETED or booted_meanwhile
    if not may_be_unlisted or not server.readable:
        reading.incomplete(
            f"{attached}, which Nova's list does not show (its status is "
            f"{server.status})"
        )
        return False
    _take_values(server, reading)
    if selection.selects(reading.rule, server):
        reading.resting.update(server.volume_ids)
    return True


def _fell(count: int, last_count: int | None) -> bool:
    """Whether more is missing than users take away from one day to the next.

    A cell that is down takes its servers off Nova's list without a word.
    """
    return bool(last_count) and count < (last_count or 0) * (1 - LARGEST_FALL)
