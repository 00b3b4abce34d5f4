# SPDX-License-Identifier: Apache-2.0
"""``[api]``: where and how ``staffeln-api`` answers."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "api",
    title="API",
    help="Where and how staffeln-api answers. Only staffeln-api reads this "
    "group; under uWSGI or mod_wsgi only max_body, proxied and threads of it.",
)

_ADDRESS = [
    cfg.HostAddressOpt(
        "host",
        default="127.0.0.1",
        help="Address or name of this host on which the API listens; :: or "
        "0.0.0.0 is all of them. It belongs on the management network: "
        "whoever reaches it learns whether a backup is managed.",
    ),
    cfg.PortOpt(
        "port",
        default=8808,
        min=1,
        help="Port on which the API listens. Below 1024 the service needs "
        "the right to it, which its systemd unit does not give.",
    ),
]

_TLS = [
    cfg.BoolOpt(
        "enabled_ssl",
        default=False,
        help="Answer by HTTPS, TLS 1.2 or newer. Cinder's policy then has "
        "to say https://; by http:// it gets no answer, and members can "
        "delete no backup at all.",
    ),
    cfg.StrOpt(
        "ssl_cert_file",
        default="",
        help="Certificate of the API with those of the authorities between "
        "(PEM). Needed with enabled_ssl. SIGHUP reads it again.",
    ),
    cfg.StrOpt(
        "ssl_key_file",
        default="",
        help="Private key of the certificate (PEM), without a passphrase. "
        "Empty: ssl_cert_file holds it as well.",
    ),
    cfg.StrOpt(
        "ssl_ca_file",
        default="",
        help="Certificates of the authorities for clients (PEM). With it "
        "only clients get an answer that show a certificate of these; "
        "Cinder shows remote_ssl_client_crt_file. Empty: none is asked for.",
    ),
]

_SERVER = [
    cfg.IntOpt(
        "workers",
        default=2,
        min=1,
        max=64,
        help="Number of worker processes. Each holds some 70 MiB and "
        "connections of its own to the database.",
    ),
    cfg.IntOpt(
        "threads",
        default=8,
        min=1,
        max=256,
        help="Threads of each worker: so many requests it answers at once, "
        "the others wait. A worker has as many connections to the database "
        "at most, and never more than 64. Under uWSGI or mod_wsgi it says "
        "only that: set it to the number of threads of each process there.",
    ),
    cfg.IntOpt(
        "max_body",
        default=1_048_576,
        min=1024,
        max=67_108_864,
        help="Longest body of a request in bytes; a longer one is refused "
        "with 413. Cinder sends the backup and the user's token data: too "
        "small a limit means that no member can delete any backup.",
    ),
    cfg.IntOpt(
        "request_timeout",
        default=10,
        min=1,
        max=600,
        help="Seconds in which all of a request has to come, its head and "
        "its body, however many bytes come in between; then the connection "
        "is closed. Too long, and a few broken clients hold all threads.",
    ),
    cfg.IntOpt(
        "worker_timeout",
        default=30,
        min=5,
        max=3600,
        help="Seconds after which a worker process without a sign of life "
        "is killed and replaced.",
    ),
    cfg.IntOpt(
        "graceful_timeout",
        default=30,
        min=1,
        max=3600,
        help="Seconds that requests under way get at SIGTERM and SIGHUP "
        "until they are cut off. Should be shorter than TimeoutStopSec of "
        "the systemd unit.",
    ),
    cfg.BoolOpt(
        "proxied",
        default=False,
        help="The API is behind one proxy: the log takes a client's address "
        "from X-Forwarded-For. Without a proxy clients could then say what "
        "they like there.",
    ),
]

_METRICS = [
    cfg.BoolOpt(
        "metrics_enabled",
        default=False,
        help="Answer GET /metrics for Prometheus, on an address of its own "
        "and on no other. With enabled_ssl it is HTTPS as well, and asks "
        "for the same client certificates.",
    ),
    cfg.HostAddressOpt(
        "metrics_host",
        default="127.0.0.1",
        help="Address or name of this host on which GET /metrics is "
        "answered, where metrics_enabled is set.",
    ),
    cfg.PortOpt(
        "metrics_port",
        default=8809,
        min=1,
        help="Port on which GET /metrics is answered, where metrics_enabled "
        "is set. Must differ from port.",
    ),
]

OPTS = [*_ADDRESS, *_TLS, *_SERVER, *_METRICS]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the group and its options."""
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """The options, for the sample and the docs."""
    return [(GROUP, OPTS)]
