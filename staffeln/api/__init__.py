# SPDX-License-Identifier: Apache-2.0
"""The REST API: what Cinder's policy asks, and how Staffeln is.

It knows neither a database nor a cloud: what it needs is handed in.
"""
