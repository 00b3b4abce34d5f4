# SPDX-License-Identifier: Apache-2.0
"""Makes, starts, watches and stops the sandbox cloud.

Only the standard library is used here: this runs before anything is
installed.  What runs inside the cloud is in ``cloud_services``.
"""
