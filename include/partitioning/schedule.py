"""When a DAG is due: cron expressions of five fields, and Airflow's names for some of them. Always in UTC, as the DAGs are."""

from datetime import UTC, datetime

from croniter import CroniterBadDateError, croniter

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}


def is_schedule(text: str) -> bool:
    """Whether it is one of the two. A day that no month has, such as 30 February, is none: a run would never be due."""
    return text in PRESETS or (len(text.split()) == 5 and croniter.is_valid(text) and _is_ever_due(text))


def _is_ever_due(expression: str) -> bool:
    try:
        croniter(expression, datetime(2024, 1, 1, tzinfo=UTC)).get_next()
    except CroniterBadDateError:
        return False
    return True


def due_before(schedule: str, moment: datetime, count: int) -> list[datetime]:
    """The last `count` moments before `moment` (exclusive, aware) at which a run was due, the latest first."""
    moments = croniter(PRESETS.get(schedule, schedule), moment, ret_type=datetime)
    return [moments.get_prev().replace(fold=0) for _ in range(count)]
