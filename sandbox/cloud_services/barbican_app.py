# SPDX-License-Identifier: Apache-2.0
"""Barbican's API as a WSGI application.

Barbican reads its configuration while it is imported, from the home
directory; the launcher sets ``HOME`` to the sandbox's own.
"""

import os
import sys

from paste import deploy

application = deploy.loadapp(
    "config:" + os.path.join(sys.prefix, "etc/barbican/barbican-api-paste.ini")
)
