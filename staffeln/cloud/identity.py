# SPDX-License-Identifier: Apache-2.0
"""Which cloud this is, and as whom it is seen."""

from __future__ import annotations

import re
import urllib.parse

from staffeln.cloud import block_storage
from staffeln.cloud.session import CloudSession
from staffeln.domain import model

_PORTS = {"http": 80, "https": 443}


def normal_url(url: str) -> str:
    """One spelling for one place.

    Host in small letters, no default port, no slash at the end.
    """
    parts = urllib.parse.urlsplit(url.strip())
    scheme = parts.scheme.lower()
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    port = parts.port
    if port is not None and port != _PORTS.get(scheme):
        host = f"{host}:{port}"
    path = re.sub(r"/+$", "", parts.path)
    return f"{scheme}://{host}{path}"


def cloud_identity(session: CloudSession) -> model.CloudIdentity:
    """What a database is bound to; the URL of Keystone is unversioned."""
    auth_url = normal_url(str(session.settings.credentials.auth["auth_url"]))
    access = session.service_access()
    endpoint = session.endpoint(block_storage.CINDER)
    return model.CloudIdentity(
        auth_url=re.sub(r"/v[23](\.0)?$", "", auth_url),
        region=endpoint.region,
        block_storage_url=normal_url(endpoint.url),
        user_id=access.user_id,
    )
