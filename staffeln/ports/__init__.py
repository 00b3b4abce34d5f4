# SPDX-License-Identifier: Apache-2.0
"""The doors of Staffeln: what the workflow needs from the outside.

``workflow`` knows these protocols and never an adapter. Every adapter and
every fake of a port passes the same suite under ``tests/functional``.
"""

from staffeln.ports.checking import DeletionCheck, Health, Lookup, Seen
from staffeln.ports.cloud import Cloud, Page
from staffeln.ports.engine import Engine
from staffeln.ports.leadership import Leadership
from staffeln.ports.records import (
    NO_THROTTLE,
    Change,
    Conductor,
    DueReport,
    PlanRecord,
    ReportRecord,
    Term,
    Throttle,
)
from staffeln.ports.reporting import (
    Bystander,
    Mailer,
    Observer,
    Renderer,
    Sent,
    Shelf,
)
from staffeln.ports.store import Store

__all__ = [
    "NO_THROTTLE",
    "Bystander",
    "Change",
    "Cloud",
    "Conductor",
    "DeletionCheck",
    "DueReport",
    "Engine",
    "Health",
    "Leadership",
    "Lookup",
    "Mailer",
    "Observer",
    "Page",
    "PlanRecord",
    "Renderer",
    "ReportRecord",
    "Seen",
    "Sent",
    "Shelf",
    "Store",
    "Term",
    "Throttle",
]
