"""Old tables of exchanges, dropped by whichever step comes by when their time is over."""

from include.partitioning.errors import PartitionLifecycleError, collected
from include.postgres.executor import Log
from include.postgres.reshaping.former import drop_former_table, former_tables, strangers
from partition_operators.guardrails import why_nothing_goes
from partition_operators.lifecycle_operator import Step


def drop_overdue(step: Step, log: Log) -> tuple[list[str], list[PartitionLifecycleError]]:
    """Drop what this table has taken the place of, once it was kept as long as it was to be; in a dry run only say so.

    Where the guardrails let nothing go (a ledger from elsewhere, a slot that lags, a shrunk retention) it stays, with a warning.

    :returns: names, and what went wrong with others.
    """
    dropped: list[str] = []
    errors: list[PartitionLifecycleError] = []
    for stranger in strangers(step.connection, step.table):
        log.warning("%s was replaced by another table than this %s; it is kept until a person drops it", stranger, step.table.name)
    for former in former_tables(step.connection, step.table):
        if former.keep_until > step.database_now:
            log.info("%s, which %s took the place of, is kept until %s", former.name, step.table.name, former.keep_until)
            continue
        reasons = why_nothing_goes(step)
        if reasons:
            log.warning("%s is kept although its time is over: %s", former.name, "; ".join(reasons))
            continue
        with collected(errors):
            if not step.dry_run:
                drop_former_table(step.executor, step.ledger, step.table, former)
            dropped.append(str(former.name))
    return dropped, errors
