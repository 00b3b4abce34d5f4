# SPDX-License-Identifier: Apache-2.0
"""The configuration files of the services, written anew at every start."""

from __future__ import annotations

import pathlib

from sandbox_cloud.configuration import (
    compute,
    identity,
    object_store,
    optional,
    volumes,
)
from sandbox_cloud.layout import Layout, Settings


def write_all(layout: Layout, settings: Settings, venv: pathlib.Path) -> None:
    """Write the files of every service that was asked for."""
    identity.write_keystone(layout, settings)
    identity.write_placement(layout, settings)
    compute.write_nova(layout, settings, venv)
    volumes.write_cinder(layout, settings, venv)
    if "glance" in settings.optional:
        optional.write_glance(layout, settings, venv)
    if "neutron" in settings.optional:
        optional.write_neutron(layout, settings, venv)
    if "swift" in settings.optional:
        object_store.write_swift(layout, settings)
    if "barbican" in settings.optional:
        optional.write_barbican(layout, settings)
