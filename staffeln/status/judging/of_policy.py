# SPDX-License-Identifier: Apache-2.0
"""What the answers of staffeln-api mean to Cinder."""

from __future__ import annotations

from collections.abc import Sequence

from staffeln.domain.findings import (
    Finding,
    error,
)


def unmanaged_answer(
    url: str, status: int, text: str, problems: Sequence[str]
) -> Finding | None:
    """What was said of a backup that nobody manages; None: ``True``.

    Quotation marks around it are nothing to Cinder.
    """
    if status == 200 and text.strip('"') == "True":
        return None
    because = f"; it says: {'; '.join(problems)}" if problems else ""
    return error(
        "refuses-all",
        f"staffeln-api at {url} answers {_answer(status, text)} for a backup "
        f"that nobody manages, so members can delete no backup at all"
        f"{because}",
        _elsewhere(status)
        or "see the log of staffeln-api, its [database] and a proxy before it",
        url=url,
    )


def managed_answer(
    url: str, backup_id: str, status: int, text: str
) -> Finding | None:
    """What was said of a managed backup; None: ``False``."""
    if text.strip().strip('"') != "True":
        if status == 200 and text.strip('"') == "False":
            return None
        return error(
            "no-verdict",
            f"staffeln-api at {url} answers {_answer(status, text)} for the "
            f"managed backup {backup_id}, and not False",
            _elsewhere(status)
            or "see the log of staffeln-api and a proxy before it",
            url=url,
            backup_id=backup_id,
        )
    return error(
        "allows-managed",
        f"what answers at {url} lets everybody delete the managed backup "
        f"{backup_id}: it says True",
        "make sure that it is staffeln-api, with the [database] of this "
        "deployment",
        url=url,
        backup_id=backup_id,
    )


def _elsewhere(status: int) -> str:
    """What helps where a redirection is answered; empty: it is none."""
    if not 300 <= status < 400:
        return ""
    return (
        "name the address that it redirects to, here and in Cinder's policy: "
        "who follows a redirection may ask in another way"
    )


def _answer(status: int, text: str) -> str:
    # Not stripped: a line break alone is what Cinder takes for a no.
    shown = text[:80]
    return f"HTTP {status} with {shown!r}" if shown else f"HTTP {status}"
