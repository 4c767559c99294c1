"""The notifiers that a policy names: imported and built when there is something to say, or to see that they could be."""

import asyncio
import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from airflow.sdk import BaseNotifier

from include.partitioning.errors import BadArgumentError, NotToldError
from include.partitioning.notification import Notification
from include.partitioning.notify import NotifierPolicy, NotifyPolicy, Occasion

SUBJECTS: Mapping[str, Any] = dict.fromkeys(("subject", "title", "summary"), "{{ notification.subject }}")
BODIES: Mapping[str, Any] = {
    **dict.fromkeys(("text", "message", "body"), "{{ notification.text }}"),
    "html_content": "<pre>{{ notification.text | e }}</pre>",
    "json": {name: f"{{{{ notification.{name} or '' }}}}" for name in ("text", "subject", "occasion", "table", "dag_id", "run_id", "link")},
}
"""What the notifiers of Airflow's providers call the message. All of it templates: their results are not rendered again."""

OTHER_BODIES = ("data", "blocks", "attachments", "template")


def unusable(notify: NotifyPolicy) -> list[str]:
    """What is wrong with the notifiers of a policy, a sentence each."""
    entries = {(each.notifier, str(each.arguments)): each for occasion in Occasion for each in notify.whom(occasion)}
    return [problem for each in entries.values() if (problem := _why_unusable(each)) is not None]


def tell(notification: Notification, entries: Iterable[NotifierPolicy], context: Mapping[str, Any]) -> None:
    """Let every notifier say it.

    :raises NotToldError: some could not; the others have.
    """
    failed = []
    for entry in entries:
        try:
            build(entry)(_context(context, notification))
        except Exception as error:  # noqa: BLE001 - whatever a provider raises must not keep the others from being told
            failed.append(_not_told(entry, error))
    _raise_if(failed)


async def tell_async(notification: Notification, entries: Iterable[NotifierPolicy], context: Mapping[str, Any]) -> None:
    """As `tell`, in the triggerer, whose event loop must not be kept waiting.

    :raises NotToldError: some could not; the others have.
    """
    failed = []
    for entry in entries:
        try:
            await _say(build(entry), _context(context, notification))
        except Exception as error:  # noqa: BLE001 - whatever a provider raises must not keep the others from being told
            failed.append(_not_told(entry, error))
    _raise_if(failed)


def build(entry: NotifierPolicy) -> BaseNotifier:
    """The notifier, with the message in the arguments that it has for one, unless the policy gives them.

    :raises BadArgumentError: there is no such class, it is no notifier, or it does not take the arguments.
    """
    found = _imported(entry.notifier)
    taken = inspect.signature(found).parameters
    own = entry.arguments
    message = dict(SUBJECTS) if own.keys() & {*BODIES, *OTHER_BODIES} else {**SUBJECTS, **BODIES}
    try:
        return found(**{name: value for name, value in message.items() if name in taken} | own)
    except (TypeError, ValueError, OSError) as error:
        raise BadArgumentError(f'the notifier "{entry.notifier}" does not take the arguments that the policy gives: {error}') from error


def _imported(path: str) -> type[BaseNotifier]:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BadArgumentError(
            f'the notifier "{path}" cannot be imported: {error}; install its provider wherever Airflow runs, or mend notify in the policy'
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseNotifier)):
        raise BadArgumentError(f'"{path}" is not the class of an Airflow notifier; mend notify in the policy')
    return found


async def _say(notifier: BaseNotifier, context: dict[str, Any]) -> None:
    if type(notifier).async_notify is BaseNotifier.async_notify:
        await asyncio.to_thread(notifier, context)
        return
    notifier.context = context  # type: ignore[assignment]  # Airflow's own way to give it to an awaited notifier
    await notifier


def _context(context: Mapping[str, Any], notification: Notification) -> dict[str, Any]:
    """A copy for each: notifiers write their arguments into it. The DAG of `dag.test` is one that templates cannot be rendered with."""
    usable = {name: value for name, value in context.items() if name != "dag" or hasattr(value, "get_template_env")}
    return {**usable, "notification": notification}


def _why_unusable(entry: NotifierPolicy) -> str | None:
    try:
        build(entry)
    except BadArgumentError as error:
        return str(error)
    return None


def _not_told(entry: NotifierPolicy, error: Exception) -> str:
    return f"{entry.notifier}: {error}"


def _raise_if(failed: list[str]) -> None:
    if failed:
        raise NotToldError("not everybody was told: " + "; ".join(failed))
