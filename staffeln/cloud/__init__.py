# SPDX-License-Identifier: Apache-2.0
"""The door to Keystone, Nova and Cinder.

``openstack.py`` puts the room together; ``session.py`` carries every call.
Nothing is imported here, so that naming an option costs no library.
"""
