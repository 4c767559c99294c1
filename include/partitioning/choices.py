"""What keys of a policy may say that are neither numbers nor lengths of time."""

from enum import StrEnum


class OnExpiry(StrEnum):
    """What happens to a partition whose retention is over."""

    DROP = "drop"
    DETACH = "detach"


class Proof(StrEnum):
    """How an archive is compared with its table before it counts; each compares what the one before does, and more."""

    STANDARD = "standard"
    FULL = "full"
    RESTORE = "restore"


class SubscriberPartitions(StrEnum):
    """Whether somebody looks after a new partition's table at logical subscribers."""

    UNMANAGED = "unmanaged"
    MANAGED = "managed"


class DefaultPartition(StrEnum):
    """What is done about rows in the DEFAULT partition that belong into partitions of their own."""

    REPORT = "report"
    DRAIN = "drain"


class FirstDrop(StrEnum):
    """When a table's first partition may be dropped."""

    ANY_TIME = "any_time"
    AFTER_DRILL = "after_drill"
