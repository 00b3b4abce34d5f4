# SPDX-License-Identifier: Apache-2.0
"""What the commands reach the outside by."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from contextlib import AbstractContextManager

from staffeln import ports
from staffeln.domain import errors, freshness
from staffeln.domain.findings import CheckRequest, Examination
from staffeln.workflow import clocks
from staffeln.workflow.settings import Settings


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Each opens something when it is called, and not before.

    All of them may raise :class:`~staffeln.domain.errors.StaffelnError`.
    """

    store: Callable[[], AbstractContextManager[ports.Store]]
    """The database; closed when its context ends."""
    cloud: Callable[[], ports.Cloud]
    """The cloud; it was reached once."""
    settings: Callable[[ports.Store], Settings]
    """The options in force, as far as this database allows them."""
    limits: Callable[[], freshness.Limits]
    """How old rounds and backups may be, by the options in force."""
    host_time: Callable[[], datetime.datetime] = clocks.host_time
    """This host's clock, UTC."""


Examine = Callable[[CheckRequest], Examination]
"""Looks at a deployment; raises nothing, whatever is broken."""


def nobody_examines(_asked: CheckRequest) -> Examination:
    """Stands in where a program brings no doctor.

    :raises StaffelnError: always.
    """
    raise errors.StaffelnError("there is no doctor here")
