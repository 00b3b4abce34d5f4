# SPDX-License-Identifier: Apache-2.0
"""Which servers and volumes are to be protected."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import types
from collections.abc import Iterable, Mapping, Sequence

from staffeln.domain import durations, errors, model


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which servers are selected, and by what a volume is left out."""

    backup_key: str
    """Metadata key of servers; empty selects all servers."""
    retention_key: str
    """Metadata key of servers; empty: no overrides."""
    retention_time: durations.Duration
    """How long backups are kept where no server says otherwise."""
    honour_volume_opt_out: bool

    def in_words(self) -> str:
        """The rule as a start logs it."""
        if not self.backup_key:
            return "all servers are selected (backup_metadata_key is empty)"
        return f"servers with metadata {self.backup_key}=true are selected"


def selects(rule: Rule, server: model.Server) -> bool:
    """Whether the server is selected: the key's value is ``true``."""
    if not rule.backup_key:
        return True
    value = server.metadata.get(rule.backup_key)
    return value is not None and value.strip().lower() == "true"


def strange_value(rule: Rule, server: model.Server) -> str | None:
    """The key's value where it is neither ``true`` nor ``false``."""
    value = server.metadata.get(rule.backup_key) if rule.backup_key else None
    if value is None or value.strip().lower() in ("true", "false"):
        return None
    return value


def opted_out(rule: Rule, volume: model.Volume) -> bool:
    """Whether the volume's own metadata leaves it out."""
    if not rule.honour_volume_opt_out or not rule.backup_key:
        return False
    value = volume.metadata.get(rule.backup_key)
    return value is not None and value.strip().lower() == "false"


def kept_of_server(rule: Rule, server: model.Server) -> model.Server:
    """A server with no more than what a harvest needs of it.

    Users may give each 128 values of metadata: of all servers that is much.
    """
    read = _read_by(server.metadata, rule.backup_key, rule.retention_key)
    return dataclasses.replace(server, metadata=read, created_at=None)


def kept_of_volume(rule: Rule, volume: model.Volume) -> model.Volume:
    """A volume with no more than what a plan needs of it."""
    read = _read_by(volume.metadata, rule.backup_key)
    return dataclasses.replace(volume, metadata=read, server_ids=())


def _read_by(metadata: Mapping[str, str], *keys: str) -> Mapping[str, str]:
    found = [(key, metadata[key]) for key in keys if key and key in metadata]
    return _same(*found)


@functools.lru_cache(maxsize=1024)
def _same(*pairs: tuple[str, str]) -> Mapping[str, str]:
    """One mapping for all that say the same; nobody changes it."""
    return types.MappingProxyType(dict(pairs))


def candidates(
    rule: Rule,
    servers: Iterable[model.Server],
    volumes: Mapping[str, model.Volume],
) -> list[model.Candidate]:
    """The volumes of selected servers, each once.

    A volume belongs to a server's candidates only inside its own project.
    Of several servers the lowest id gives the name and the longest
    retention wins. A volume that was not read is left out.
    """
    owners: dict[str, tuple[model.Server, ...]] = {}
    for server in servers:
        for volume_id in server.volume_ids:
            volume = volumes.get(volume_id)
            if volume is not None and volume.project_id == server.project_id:
                owners[volume_id] = (*owners.get(volume_id, ()), server)
    return [
        _candidate(rule, volumes[volume_id], owning)
        for volume_id, owning in owners.items()
        if not opted_out(rule, volumes[volume_id])
    ]


def _candidate(
    rule: Rule, volume: model.Volume, servers: Sequence[model.Server]
) -> model.Candidate:
    speaker = min(servers, key=lambda server: server.id)
    return model.Candidate(
        volume=volume,
        server_id=speaker.id,
        server_name=speaker.name,
        server_busy=any(server.task_state for server in servers),
        retention=_longest_retention(rule, servers),
    )


def _longest_retention(
    rule: Rule, servers: Sequence[model.Server]
) -> str | None:
    """The text of the longest value that servers carry."""
    if len(servers) == 1:
        return own_retention(rule, servers[0])
    return longest_retention(
        (own_retention(rule, server) for server in servers),
        rule.retention_time,
    )


def own_retention(rule: Rule, server: model.Server) -> str | None:
    """A server's own retention value; None: it has none."""
    if not rule.retention_key:
        return None
    return server.metadata.get(rule.retention_key)


def longest_retention(
    texts: Iterable[str | None], default: durations.Duration
) -> str | None:
    """The text of the longest value; None where the default is longest.

    A server without a value, or with an unreadable one, counts as long as
    the default; of the two the text is kept, so that it can be shown.
    """
    reach = durations.reach(default)
    return max(texts, key=lambda text: (_reach(text, reach), text is not None))


def _reach(text: str | None, default: datetime.datetime) -> datetime.datetime:
    if text is None:
        return default
    try:
        return durations.reach(durations.parse(text))
    except errors.InvalidDurationError:
        return default
