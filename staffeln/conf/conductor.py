# SPDX-License-Identifier: Apache-2.0
"""``[conductor]``: what is backed up, when, and by how many threads."""

from __future__ import annotations

from oslo_config import cfg

from staffeln.conf import types

GROUP = cfg.OptGroup(
    "conductor",
    title="Conductor",
    help="What is backed up, when, and how the work is shared out.",
)

_SELECTION = [
    cfg.Opt(
        "backup_metadata_key",
        type=types.MetadataKey(),
        default="__staffeln_backup",
        help="Metadata key of servers. The volumes of a server are backed "
        "up when the server carries this key with the value true, in any "
        "case. Empty selects ALL servers of the cloud. A wrong key selects "
        "nothing. On a database that was taken over from an earlier release "
        "this option has to be set explicitly: there, unset meant all "
        "servers, and the conductor refuses to start rather than guess.",
    ),
    cfg.Opt(
        "retention_metadata_key",
        type=types.MetadataKey(),
        default="__staffeln_retention",
        help="Metadata key of servers whose value is a duration such as "
        "1mon that stands for the server's volumes in the place of "
        "retention_time: the server's backups expire so long after they were "
        "made. A value that is no duration counts as the longer of "
        "retention_time and the last one that was. Empty switches such "
        "values off. It must differ from backup_metadata_key.",
    ),
    cfg.BoolOpt(
        "honour_volume_opt_out",
        default=True,
        help="Leave a volume out when its own metadata has "
        "backup_metadata_key with the value false. Members of a project can "
        "set that, so they can leave volumes of theirs out.",
    ),
    cfg.Opt(
        "retention_time",
        type=types.Duration(),
        default="2w3d",
        help="How long backups are kept, counted from Cinder's created_at, "
        "where the server that they were made of does not say otherwise: a "
        "duration such as 1y2mon3w4d5h6min7s, any part left out, at most 100 "
        "years. Years and months follow the calendar, in UTC. Where several "
        "servers share a volume the longest value wins, and a server without "
        "one counts with this. Shortened, it holds for existing backups "
        "after retention_shortening_grace.",
    ),
]

_SCHEDULE = [
    cfg.IntOpt(
        "backup_service_period",
        default=1800,
        min=1,
        max=31_536_000,
        help="Seconds from the start of one backup cycle (harvest, plan, "
        "write) to the start of the next. Too long, and a volume waits that "
        "long after it became due; very short periods only load Nova and "
        "Cinder with lists.",
    ),
    cfg.IntOpt(
        "backup_min_interval",
        default=1800,
        min=0,
        max=3_153_600_000,
        help="Seconds that have to pass after a successful backup of a "
        "volume before the next one; 0 makes every volume due in every "
        "cycle. Counted from Cinder's created_at.",
    ),
    cfg.IntOpt(
        "protection_tolerance",
        default=3,
        min=1,
        max=10_000,
        help="How many times backup_min_interval (or backup_service_period, "
        "where that is longer) may pass after the last backup of a volume "
        "until reports, metrics and staffeln plan name it as not protected "
        "for long. Too low, and backups that merely wait their turn are "
        "named; too high, and nobody hears of those that are not made.",
    ),
    cfg.IntOpt(
        "full_backup_depth",
        default=2,
        min=0,
        max=1000,
        help="How many incremental backups at most follow a full one; 0 "
        "makes all backups full. A long chain saves space and cannot be "
        "restored once any link of it is broken.",
    ),
    cfg.IntOpt(
        "retention_service_period",
        default=1200,
        min=1,
        max=31_536_000,
        help="Seconds between two rounds of retention: they plan the removal "
        "of backups that have expired or that nobody wants. A round that "
        "finds something due lists all servers and volumes, as a cycle of "
        "backups does; one that finds nothing asks the cloud for nothing.",
    ),
    cfg.Opt(
        "failure_backoff",
        type=types.Duration(fixed=True),
        default="5min",
        help="How long a volume waits after a backup task of it failed. The "
        "wait doubles with each failure in a row, up to "
        "failure_backoff_max.",
    ),
    cfg.Opt(
        "failure_backoff_max",
        type=types.Duration(fixed=True),
        default="1d",
        help="The longest wait of a volume whose tasks keep failing. Must "
        "not be shorter than failure_backoff.",
    ),
    cfg.Opt(
        "full_only_period",
        type=types.Duration(),
        default="30d",
        help="How long a volume gets full backups only, after two "
        "incrementals in a row failed for a reason that was not the "
        "volume's.",
    ),
]

_RETENTION = [
    cfg.Opt(
        "retention_minimum",
        type=types.Duration(zero_allowed=True),
        default="0s",
        help="No backup is deleted sooner than this after it was made, "
        "whatever retention_time and the servers say; 0s: no such floor.",
    ),
    cfg.IntOpt(
        "retention_keep_last",
        default=1,
        min=0,
        max=1000,
        help="So many newest completed backups of a volume that is still "
        "selected are kept however old they are, with all that they depend "
        "on. With 0 a volume whose backups fail for as long as the "
        "retention time ends without any.",
    ),
    cfg.Opt(
        "retention_shortening_grace",
        type=types.Duration(fixed=True, zero_allowed=True),
        default="7d",
        help="How long existing backups keep their expiry after it became "
        "earlier: a server's value or retention_time was shortened, a value "
        "or retention_metadata_key was removed. Whatever became longer holds "
        "at once. With 0s a typing error, or a member with a stolen token, "
        "deletes all backups that it reaches within one round.",
    ),
    cfg.FloatOpt(
        "retention_max_fraction",
        default=0.5,
        min=0.0,
        max=1.0,
        help="A round of retention that would delete or forget more than "
        "this part of all managed backups does nothing until an operator "
        "says staffeln retention confirm. 1 lets every round happen.",
    ),
    cfg.IntOpt(
        "retention_small_round",
        default=50,
        min=1,
        max=1_000_000,
        help="A round that would delete or forget fewer backups than this "
        "happens whatever part of all they are.",
    ),
    cfg.Opt(
        "clock_tolerance",
        type=types.Duration(fixed=True),
        default="5min",
        help="How far the clocks of this host, of the database and of "
        "Cinder may be apart. If they are further, no backup expires and "
        "none is timed out, and the log says so.",
    ),
    cfg.Opt(
        "vanished_period",
        type=types.Duration(),
        default="30d",
        help="How long the row of a backup that vanished from Cinder stays "
        "to be looked at.",
    ),
    cfg.IntOpt(
        "reconciliation_period",
        default=86_400,
        min=1,
        max=31_536_000,
        help="Seconds between two reconciliations: all backups that Cinder "
        "lists are held against the database, which finds those that were "
        "deleted by hand and those of this deployment that have no row.",
    ),
    cfg.Opt(
        "orphan_settle_time",
        type=types.Duration(fixed=True),
        default="1d",
        help="How old a backup of this deployment that has no row must be "
        "to be given one; one whose task is under way is left to that. Must "
        "not be shorter than create_settle_time.",
    ),
]

_TASKS = [
    cfg.IntOpt(
        "max_running_backups",
        min=0,
        max=100_000,
        help="How many backups may run at once, over all conductors "
        "together; 0 lifts the limit. Unset means 8 for each cinder-backup "
        "service that is enabled and up: half of what one runs, which leaves "
        "the rest for restores. Counted is what Cinder still has in "
        "creating for us, timed out or not. A volume that is backed up "
        "cannot be attached, detached or migrated, and thousands that wait "
        "in Cinder's queue are in its users' way for as long. The same on "
        "all conductors.",
    ),
    cfg.IntOpt(
        "max_running_backups_per_project",
        default=0,
        min=0,
        max=100_000,
        help="How many backups of one project may run at once, over all "
        "conductors together; 0: no such limit. The same on all conductors.",
    ),
    cfg.IntOpt(
        "max_running_deletes",
        min=0,
        max=100_000,
        help="How many deletes may run at once, over all conductors "
        "together; 0 lifts the limit. Unset means 4 for each cinder-backup "
        "service that is enabled and up. Deletes take the same threads of "
        "cinder-backup as backups and restores. The same on all conductors.",
    ),
    cfg.IntOpt(
        "backup_workers",
        default=16,
        min=1,
        max=1000,
        help="How many create calls this conductor has under way at a time. "
        "Each takes a thread; too many overload cinder-api.",
    ),
    cfg.IntOpt(
        "rotation_workers",
        default=8,
        min=1,
        max=1000,
        help="How many delete calls this conductor has under way at a time. "
        "Each takes a thread; too many overload cinder-api.",
    ),
    cfg.Opt(
        "backup_cycle_timeout",
        type=types.Duration(),
        deprecated_name="backup_cycle_timout",
        default="1d",
        help="How long a backup may run, counted from its create call. A "
        "task that takes longer is failed and its backup removed as soon as "
        "Cinder allows, so a value shorter than the longest full backup "
        "kills healthy backups. The spelling backup_cycle_timout of earlier "
        "releases stays valid.",
    ),
    cfg.IntOpt(
        "task_poll_period",
        default=10,
        min=1,
        max=3600,
        help="Seconds between two rounds that look after tasks under way: "
        "what has ended, what has no clear answer, what a dead conductor "
        "left.",
    ),
    cfg.Opt(
        "absence_settle_time",
        type=types.Duration(fixed=True),
        default="10min",
        help="How far apart two answers of Cinder that it does not know a "
        "backup have to be to prove that it is gone. Too short, and a "
        "passing fault of Cinder makes a backup count as vanished. Must not "
        "be shorter than create_settle_time.",
    ),
]

_REPORTS = [
    cfg.IntOpt(
        "report_period",
        default=86_400,
        min=1,
        max=31_536_000,
        help="A project's report is due when the oldest of its tasks that "
        "ended and were not reported yet was made so many seconds ago; looked "
        "at after each backup cycle. Tasks stay in the database until they "
        "were reported. See [notification] for who gets it.",
    ),
]

_LIFE = [
    cfg.Opt(
        "heartbeat_timeout",
        type=types.Duration(fixed=True),
        default="1min",
        help="How long a silent conductor counts as alive; then the others "
        "take over its tasks. A living one writes a sign of life four times "
        "in that time. The same on all conductors: too short, and they take "
        "work from each other that is well under way.",
    ),
    cfg.StrOpt(
        "alive_file",
        default="",
        help="Path of a file for probes, such as a pod's: its time of change "
        "is that of the last look, every few seconds, that found the loops "
        "turning, and it holds the word starting or working. A cloud or a "
        "database that is away does not make it old; after ten minutes it "
        "is. Each conductor needs one of its own. Empty: none is written. "
        "Where it cannot be written probes see a conductor that is stuck.",
    ),
]

OPTS = [
    *_SELECTION,
    *_SCHEDULE,
    *_RETENTION,
    *_TASKS,
    *_REPORTS,
    *_LIFE,
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the group and its options."""
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup | None, list[cfg.Opt]]]:
    """The options, for the sample and the docs."""
    return [(GROUP, OPTS)]
