# SPDX-License-Identifier: Apache-2.0
"""What runs inside the sandbox cloud: launchers and two Cinder drivers.

This is imported by the interpreter of the sandbox's own venv, where
OpenStack is installed; nothing here is used by Staffeln itself.
"""
