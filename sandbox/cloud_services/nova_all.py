# SPDX-License-Identifier: Apache-2.0
"""All of Nova in one process: ``python -m cloud_services.nova_all CONF``.

One process can use the in-process message bus, needs no forks and no
privileged helper.
"""

import sys

# Before anything else: it patches the standard library for eventlet.
import nova.monkey_patch

# isort: split
import nova.conf
import nova.privsep
import os_brick
import os_vif
from nova import config, objects, service
from nova.compute import rpcapi as compute_rpcapi
from nova.scheduler import rpcapi as scheduler_rpcapi
from nova.servicegroup import api as servicegroup
from nova.virt import fake, node
from oslo_log import log
from oslo_service import service as oslo_service

CONF = nova.conf.CONF


def name_node_steadily() -> None:
    """Give the fake hypervisor the node id that Nova keeps on disk.

    It names its node by a random uuid of the process, and Nova refuses a
    known host whose node has another uuid at the next start.
    """
    setattr(fake.uuids, f"node_{CONF.host}", node.get_local_node_uuid())


def main() -> None:
    """Start conductor, scheduler, compute and API; return when they end."""
    config.parse_args(["nova", "--config-file", sys.argv[1]])
    log.setup(CONF, "nova")
    objects.register_all()
    # Everything belongs to the user who runs this: no helper, no sudo.
    nova.privsep.sys_admin_pctxt.set_client_mode(False)
    os_brick.setup(CONF)
    os_vif.initialize()
    name_node_steadily()
    # The first sign of life is sent at once, not after five seconds.
    servicegroup.INITIAL_REPORTING_DELAY = 0
    objects.Service.enable_min_version_cache()
    launcher = oslo_service.ServiceLauncher(CONF, restart_method="mutate")
    for binary, topic in (
        ("nova-conductor", "conductor"),
        ("nova-scheduler", scheduler_rpcapi.RPC_TOPIC),
        ("nova-compute", compute_rpcapi.RPC_TOPIC),
    ):
        launcher.launch_service(
            service.Service.create(binary=binary, topic=topic)
        )
    launcher.launch_service(service.WSGIService("osapi_compute"))
    sys.exit(launcher.wait())


if __name__ == "__main__":
    main()
