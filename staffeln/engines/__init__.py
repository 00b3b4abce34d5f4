# SPDX-License-Identifier: Apache-2.0
"""What makes backups. Each engine is an adapter of ports.Engine."""
