# SPDX-License-Identifier: Apache-2.0
"""May this backup be deleted? Yes only where nothing speaks against it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping

from staffeln.domain import checking, naming

LONGEST_ID = 64
"""Characters of an id in any of its spellings."""

_HEX = re.compile("[0-9a-f]{32}")
_CANONICAL = re.compile(
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_METADATA = ("metadata", "backup_metadata")
"""Where Cinder has a backup's metadata: in its objects, in its tables."""


def canonical_id(text: str) -> str | None:
    """A UUID in lower case with hyphens; None: the text is none.

    All spellings that OpenStack takes for the same: of any case, without
    hyphens, in braces, as a URN; and with blanks around, which databases do
    not see.
    """
    if _CANONICAL.fullmatch(text):
        return text
    if len(text) > LONGEST_ID:
        return None
    bare = text.strip(" ").lower().removeprefix("urn:").removeprefix("uuid:")
    bare = bare.strip("{}").replace("-", "")
    return str(uuid.UUID(hex=bare)) if _HEX.fullmatch(bare) else None


# -- what Cinder says ------------------------------------------------------


def target_of(said: object) -> checking.DeletionTarget:
    """What the target of a policy check says of the backup.

    :raises ValueError: it is not what Cinder would say.
    """
    if not isinstance(said, Mapping):
        raise ValueError("the target is no object")
    volume_id = _text(said, "volume_id")
    if volume_id is not None:
        volume_id = canonical_id(volume_id)
        if volume_id is None:
            raise ValueError("the target's volume_id is no UUID")
    if "id" in said and said["id"] is None:
        raise ValueError("the target's id is null")
    return checking.DeletionTarget(
        id=_text(said, "id"),
        volume_id=volume_id,
        user_id=_text(said, "user_id"),
        deployments=frozenset(
            value.strip().lower()
            for name in _METADATA
            for key, value in _pairs(said.get(name))
            if key == naming.METADATA_DEPLOYMENT
        ),
    )


def _text(said: Mapping[str, object], name: str) -> str | None:
    """A text of the target; None: it does not say it."""
    found = said.get(name)
    if found is None or isinstance(found, str):
        return found
    raise ValueError(f"the target's {name} is no text")


def _pairs(metadata: object) -> Iterator[tuple[str, str]]:
    """Metadata as an object, or as rows with a key and a value each."""
    if metadata is None:
        return
    if isinstance(metadata, Mapping):
        pairs = list(metadata.items())
    elif isinstance(metadata, list):
        pairs = [_pair(each) for each in metadata]
    else:
        raise ValueError("the target's metadata are no object")
    for key, value in pairs:
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValueError("the target's metadata are not texts")
        yield key, value


def _pair(row: object) -> tuple[object, object]:
    if not isinstance(row, Mapping) or not {"key", "value"} <= row.keys():
        raise ValueError("a row of the target's metadata is no pair")
    return row["key"], row["value"]


# -- the rule --------------------------------------------------------------


def contradiction(
    asked: checking.DeletionQuestion,
) -> checking.DeletionAnswer | None:
    """The no that needs no look at the database; None: there is none."""
    if not asked.readable:
        return doubtful(checking.Doubt.TARGET)
    if asked.target is None or asked.target.id is None:
        return None
    if canonical_id(asked.target.id) != asked.backup_id:
        return doubtful(checking.Doubt.OTHER_BACKUP)
    return None


def judge(
    asked: checking.DeletionQuestion,
    standing: checking.Standing,
    strange: checking.Strange | None,
) -> checking.DeletionAnswer:
    """Whether the backup may be deleted.

    :param strange: what tells that the database is another one than
        before, or older, or that nobody knows; None: nothing does.
    """
    if (early := contradiction(asked)) is not None:
        return early
    if standing.backup_state is not None:
        return _no(f"it is a managed backup: {standing.backup_state}")
    if not standing.schema_is_current:
        return doubtful(checking.Doubt.SCHEMA)
    if not standing.service_user:
        return doubtful(checking.Doubt.UNBOUND)
    if strange is not None:
        return doubtful(strange.doubt, strange.why)
    return _judge_target(asked.target, standing, standing.service_user)


def _judge_target(
    target: checking.DeletionTarget | None,
    standing: checking.Standing,
    service_user: str,
) -> checking.DeletionAnswer:
    """There is no row; it may be ours all the same."""
    if target is not None:
        made_by = (target.user_id or "").strip().lower()
        if made_by == service_user.strip().lower():
            return _no("the service user made it")
        if standing.deployment_uuid.strip().lower() in target.deployments:
            return _no("its metadata name this deployment")
    if standing.unsettled_volume:
        return doubtful(checking.Doubt.UNSETTLED)
    return checking.DeletionAnswer(allowed=True, why="it is not managed")


def doubtful(doubt: checking.Doubt, more: str = "") -> checking.DeletionAnswer:
    """A no that is said because nobody knows.

    :param more: what this doubt is about, for the log.
    """
    why = f"{doubt}: {more}" if more else str(doubt)
    return checking.DeletionAnswer(allowed=False, why=why, doubt=doubt)


def _no(why: str) -> checking.DeletionAnswer:
    return checking.DeletionAnswer(allowed=False, why=why)
