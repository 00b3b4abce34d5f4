# SPDX-License-Identifier: Apache-2.0
"""Neutron's API as a WSGI application.

With nothing but the ``local`` network type no plugin loads the model of port
forwardings, which another model refers to; so it is loaded here.
"""

from neutron.db.models import port_forwarding  # noqa: F401
from neutron.wsgi.api import application
from sqlalchemy.orm import configure_mappers

configure_mappers()

__all__ = ("application",)
