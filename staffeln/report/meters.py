# SPDX-License-Identifier: Apache-2.0
"""How full quotas are, and whether the next cycle fits."""

from __future__ import annotations

from staffeln.domain import report
from staffeln.report import words
from staffeln.report.view import Meter, Tone

TIGHT = 0.75
"""From this rate on a quota is shown as getting full."""

FULL = 0.9
"""From this rate on a quota is shown as full."""


def of(quotas: report.Quotas | None) -> tuple[Meter, ...]:
    """A project's meters; none where its quotas could not be read."""
    if quotas is None:
        return ()
    return (
        meter("Backups", quotas.backups, ""),
        meter("Size of backups", quotas.gigabytes, " GiB"),
    )


def meter(name: str, quota: report.Quota, unit: str) -> Meter:
    """How full a quota is, as words and a colour.

    :param unit: what follows a number, with a blank before it.
    """
    used = words.number(quota.in_use)
    more = ""
    if quota.reserved:
        more = f", {words.number(quota.reserved)} reserved"
    if quota.limit < 0:
        return Meter(
            name=name,
            words=f"{used}{unit}, no limit{more}",
            brief="no limit",
            percent=None,
            tone=Tone.PLAIN,
        )
    if quota.rate is None:
        return Meter(
            name=name,
            words=f"{used}{unit}, none allowed: the limit is 0{more}",
            brief="limit 0",
            percent=100,
            tone=Tone.BAD,
        )
    # Nearly full is not yet full, and a little of much is to be seen.
    percent = max(int(quota.rate * 100), 1 if quota.taken else 0)
    limit = words.number(quota.limit)
    return Meter(
        name=name,
        words=f"{used} of {limit}{unit} ({words.number(percent)}%){more}",
        brief=f"{words.number(percent)}%",
        percent=min(percent, 100),
        tone=_tone(quota.rate),
    )


def _tone(rate: float) -> Tone:
    if rate >= FULL:
        return Tone.BAD
    return Tone.TIGHT if rate >= TIGHT else Tone.GOOD


_FITS = {True: "fit", False: "do not fit", None: "are to come"}

_FIT_TONES = {True: Tone.GOOD, False: Tone.BAD, None: Tone.PLAIN}


def forecast(
    coming: report.Forecast | None, *, detailed: bool
) -> tuple[str, Tone]:
    """What the next cycle would take, and whether that fits."""
    if coming is None:
        return "", Tone.PLAIN
    said = (
        f"Next cycle: {words.count(coming.backups, 'backup')} and "
        f"{words.number(coming.gigabytes)} GiB more {_FITS[coming.fits]}."
    )
    if coming.why:
        said += f" {words.reason(coming.why, detailed=detailed)}"
    return said, _FIT_TONES[coming.fits]
