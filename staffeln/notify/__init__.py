# SPDX-License-Identifier: Apache-2.0
"""Telling people and machines what happened: mail, files, the message bus."""
