# SPDX-License-Identifier: Apache-2.0
"""All of Cinder in one process: ``python -m cloud_services.cinder_all CONF``.

One process can use the in-process message bus, needs no forks and no
privileged helper.
"""

import pathlib
import sys

# Before anything else: it patches the standard library for eventlet, in the
# way Cinder's own commands do.
from cinder.cmd import backup as _patched_first  # noqa: F401

# isort: split
import cinder.privsep
import os_brick
import os_brick.privileged
from cinder import coordination, objects, rpc, service, utils, version
from cinder.common import config
from oslo_config import cfg
from oslo_log import log
from oslo_service import service as oslo_service

CONF = cfg.CONF


class OneProcessService(service.Service):
    """A Cinder service that shares its process with others of its kind."""

    def start(self) -> None:
        """Start, and give the first sign of life at once."""
        super().start()
        self.report_state()

    def report_state(self) -> None:
        """Report this service's own state.

        Cinder keeps the id of "the" service on the class, so in a shared
        process the heartbeats of all would go to the one started last.
        """
        service.Service.service_id = self.origin_service_id
        super().report_state()


def _services() -> list[OneProcessService]:
    CONF.register_opt(cfg.StrOpt("backend_host"), group="files")
    slots = utils.semaphore_factory(CONF.backup_max_operations, 1)
    return [
        OneProcessService.create(binary="cinder-scheduler"),
        OneProcessService.create(
            host=f"{CONF.host}@files",
            service_name="files",
            binary="cinder-volume",
            coordination=True,
        ),
        OneProcessService.create(
            binary="cinder-backup",
            coordination=True,
            service_name="backup",
            process_number=1,
            semaphore=slots,
        ),
    ]


def main() -> None:
    """Start scheduler, volume, backup and API; return when they end."""
    objects.register_all()
    more = pathlib.Path(sys.argv[1]).with_name("cinder.d")
    folder = ["--config-dir", str(more)] if more.is_dir() else []
    CONF(
        ["--config-file", sys.argv[1], *folder],
        project="cinder",
        version=version.version_string(),
    )
    config.set_middleware_defaults()
    log.setup(CONF, "cinder")
    utils.monkey_patch()
    # Everything belongs to the user who runs this: no helper, no sudo.
    os_brick.privileged.default.set_client_mode(False)
    cinder.privsep.sys_admin_pctxt.set_client_mode(False)
    # qemu-img would be run by sudo; "env" runs it as it is.
    utils.get_root_helper = lambda: "env"
    os_brick.setup(CONF)
    coordination.COORDINATOR.start()
    rpc.init(CONF)
    launcher = oslo_service.ServiceLauncher(CONF, restart_method="mutate")
    for each in _services():
        launcher.launch_service(each)
    launcher.launch_service(service.WSGIService("osapi_volume"))
    sys.exit(launcher.wait())


if __name__ == "__main__":
    main()
