# SPDX-License-Identifier: Apache-2.0
"""``[coordination]`` and ``state_path``: how one scheduler is chosen."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "coordination",
    title="Coordination",
    help="How the conductors agree on the one that schedules.",
)

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "backend_url",
        default="",
        secret=True,
        help="URL of the backend through which conductors agree on one "
        "scheduler, the same on all of them: etcd3+http://, redis://, "
        "zookeeper://, mysql:// or file:///DIRECTORY, as tooz takes them. "
        "Empty means a Kubernetes Lease in a pod, or where kubeconfig is "
        "set; elsewhere a lock on a file below state_path, which serves "
        "conductors of one host only: beside a living one of another host, "
        "or one that uses another backend, it refuses to schedule. "
        "Whatever the backend, a second scheduler can write nothing: the "
        "database refuses it.",
    ),
    cfg.StrOpt(
        "kubeconfig",
        default="",
        help="Path of a kubeconfig file: with it and an empty backend_url "
        "the scheduler is elected by a Lease of the cluster that its "
        "current context names. Empty means the pod's service account, in a "
        "pod. A file that cannot be read or names no cluster ends the "
        "start.",
    ),
    cfg.StrOpt(
        "lease_namespace",
        default="",
        help="Namespace of the Kubernetes Lease. Empty means the pod's own, "
        "or that of the kubeconfig's context, or default. The service "
        "account needs the verbs get, create and update on leases there: "
        "without them nothing is scheduled.",
    ),
    cfg.StrOpt(
        "lease_name",
        default="staffeln-scheduler",
        help="Name of the Kubernetes Lease, or of the lock in another "
        "service; not of that on a file. The same on all conductors of a "
        "deployment and another one for each deployment: of two that share "
        "it one schedules nothing.",
    ),
    cfg.IntOpt(
        "lease_duration",
        default=15,
        min=2,
        max=3600,
        help="Seconds of silence after which the others take the office of "
        "scheduler from its holder; for backends whose locks expire "
        "(Kubernetes, etcd, Redis, ZooKeeper). Too short, and an API server "
        "that restarts costs the office; too long, and nothing is planned "
        "for that long when a host dies. Must be longer than "
        "lease_renew_deadline.",
    ),
    cfg.IntOpt(
        "lease_renew_deadline",
        default=10,
        min=1,
        max=3600,
        help="Seconds for which the scheduler believes the last answer of "
        "such a backend; without another one it stops leading. Must be "
        "shorter than lease_duration, by more than any process may be late, "
        "and longer than 1.2 times lease_retry_period.",
    ),
    cfg.IntOpt(
        "lease_retry_period",
        default=2,
        min=1,
        max=600,
        help="Seconds between two calls to the backend: of the scheduler to "
        "keep the office, and of each other conductor to get it. Long "
        "ones make the change of a scheduler slow.",
    ),
]

TOP_OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "state_path",
        default="/var/lib/staffeln",
        help="Absolute path of a folder that Staffeln may write to. It holds "
        "the lock of the scheduler where no other backend is set; where it "
        "cannot be written nothing is scheduled.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the group and its options."""
    conf.register_opts(TOP_OPTS)
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup | None, list[cfg.Opt]]]:
    """The options, for the sample and the docs."""
    return [(None, TOP_OPTS), (GROUP, OPTS)]
