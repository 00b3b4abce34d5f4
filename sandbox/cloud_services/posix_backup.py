# SPDX-License-Identifier: Apache-2.0
"""Cinder's Posix backup driver, with faults on demand and quick on holes."""

import hashlib
import json
import time
from typing import Any

from cinder import exception
from cinder.backup.drivers import posix
from oslo_config import cfg

OPTIONS = [
    cfg.StrOpt(
        "sandbox_backup_faults",
        help="JSON file that says which backups are to be slow or to fail",
    ),
]
cfg.CONF.register_opts(OPTIONS)

# Seconds between two looks at the file of faults while a backup is held up.
LOOK_INTERVAL = 0.2


class SandboxBackupDriver(posix.PosixBackupDriver):
    """The Posix driver plus the faults that ``sandbox/cloud fault`` sets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zeroes = bytes(self.sha_block_size_bytes)
        self._zero_digest = hashlib.sha256(zeroes).hexdigest()
        self._zeroes = zeroes

    def backup(
        self, backup: Any, volume_file: Any, backup_metadata: bool = True
    ) -> Any:
        """Back up the volume, after whatever fault is set for it."""
        self._suffer(backup)
        return super().backup(backup, volume_file, backup_metadata)

    def _suffer(self, backup: Any) -> None:
        fault = self._fault_of(backup)
        end = time.monotonic() + float(fault.get("delay_seconds") or 0)
        # time.sleep lets other operations go on: eventlet has patched it.
        # Clearing the fault lets the backup go on at once.
        while time.monotonic() < end and self._fault_of(backup):
            time.sleep(LOOK_INTERVAL)
        if fault.get("fail"):
            raise exception.BackupDriverException(reason=fault["fail"])

    def _fault_of(self, backup: Any) -> dict[str, Any]:
        """The fault that is set for this backup, or an empty one."""
        try:
            with open(cfg.CONF.sandbox_backup_faults, encoding="utf-8") as f:
                fault: dict[str, Any] = json.load(f)
        except FileNotFoundError:
            return {}
        kind = "incremental" if backup.parent_id else "full"
        volumes = fault.get("volume_ids")
        if fault.get("only") not in (None, kind):
            return {}
        if volumes is not None and backup.volume_id not in volumes:
            return {}
        return fault

    def _calculate_sha(self, data: bytes) -> list[str]:
        """The digest of every block; that of a block of zeroes is known.

        Most of a sandbox's volumes are holes, and comparing is much faster
        than hashing.
        """
        size = self.sha_block_size_bytes
        whole = memoryview(data)
        digests = []
        for offset in range(0, len(data), size):
            block = whole[offset : offset + size]
            if block == self._zeroes:
                digests.append(self._zero_digest)
            else:
                digests.append(hashlib.sha256(block).hexdigest())
        return digests
