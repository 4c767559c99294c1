"""The picture of `make bench-adopt`: which locks a move takes, when, and what those who use the table notice."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt
from matplotlib.patches import Patch

from tests.benchmarks.adopt_live import Live
from tests.benchmarks.lock_sampling import NEW, PARTITION, Lock
from tests.benchmarks.stalls import Window

NOBODY, WRITERS, EVERYBODY, QUEUE = "#b6d4fe", "#e3a008", "#d1242f", "#24292f"
READ, WRITTEN, BAND, INK = "#8c959f", "#1f6feb", "#f3f5f8", "#57606a"
STRENGTH = {"ShareLock": WRITERS, "ShareRowExclusiveLock": WRITERS, "ExclusiveLock": WRITERS, "AccessExclusiveLock": EVERYBODY}
WHO_WAITS = {
    NOBODY: "nobody waits for it",
    WRITERS: "SHARE ROW EXCLUSIVE: writers wait",
    EVERYBODY: "ACCESS EXCLUSIVE: everybody waits",
    QUEUE: "somebody waits",
}
ROWS = {
    "core.sessions": "the table",
    "core.open_sessions": "a view on it",
    "auth.users": "the table it refers to",
    NEW: "the new table",
    PARTITION: "its partitions",
}
CLOSE_UPS = {"follow": "A  changes are noted from here", "catch up": "B  both are in sync from here", "exchange": "C  the exchange"}
WIDE = 0.05
"""Part of the time that a phase must have for its name to find room."""

ROOM_FOR_TEXT = 0.8
"""Part of the width behind which a text beside a bar would be cut off."""

AROUND = 0.025
"""Seconds before and behind a close-up."""


def draw(file: Path, moved: Live, rows: int) -> None:
    """All of it, what clients saw meanwhile, and the three moments that matter from close by."""
    figure = plt.figure(figsize=(10, 7.4))
    grid = figure.add_gridspec(3, 3, height_ratios=(1.25, 1.1, 1.15), hspace=0.5, wspace=0.08)
    whole = figure.add_subplot(grid[0, :])
    statements = figure.add_subplot(grid[1, :], sharex=whole)
    _whole(whole, moved)
    _statements(statements, moved)
    said = f"Locks that partition_adopt takes, on a table of {rows:,} rows that is read and written all the time"
    figure.suptitle(said, fontsize=10, x=0.125, y=0.995, ha="left")
    for number, (name, title) in enumerate(CLOSE_UPS.items()):
        _close_up(figure.add_subplot(grid[2, number]), moved, _decisive(moved, name), title, with_names=number == 0)
    handles = [Patch(color=color, label=label) for color, label in WHO_WAITS.items()]
    whole.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.01, 1.14), ncols=4, frameon=False, fontsize=8)
    figure.savefig(file, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def _whole(axes: Any, moved: Live) -> None:
    start = moved.move.begin
    _bands(axes, moved)
    for lock in _shown(moved):
        _bar(axes, lock, start, 1.0, least=moved.move.seconds / 350)
    _name_rows(axes)
    axes.set_ylim(len(ROWS) + 0.3, -0.6)  # room for the names of phases
    for letter, name in zip("ABC", CLOSE_UPS, strict=True):
        at = _decisive(moved, name).begin - start
        axes.annotate(letter, (at, -0.55), xytext=(at, -0.68), ha="center", va="bottom", fontsize=8, weight="bold", annotation_clip=False)
    axes.tick_params(labelbottom=False)


def _bands(axes: Any, moved: Live) -> None:
    """The phases, every other one shaded; those that are long enough are named."""
    start, length = moved.move.begin, moved.move.seconds
    ordered = sorted(moved.found, key=lambda each: each.begin)
    edges = [each.begin for each in ordered] + [start + length]
    for number, (phase, (begin, end)) in enumerate(zip(ordered, pairwise(edges), strict=True)):
        if number % 2:
            axes.axvspan(begin - start, end - start, color=BAND, zorder=0)
        if (end - begin) / length > WIDE:
            axes.text((begin + end) / 2 - start, 5.25, phase.name.replace(" ", "\n"), ha="center", va="bottom", fontsize=7.5, color=INK)
    axes.set_xlim(0, length)


def _statements(axes: Any, moved: Live) -> None:
    start = moved.move.begin
    for color, label, wanted in ((READ, "reads", False), (WRITTEN, "writes", True)):
        found = [
            each
            for each in moved.seen.samples
            if (each.what in ("INSERT", "UPDATE", "DELETE")) is wanted and 0 <= each.begin - start <= moved.move.seconds
        ]
        axes.scatter(
            [each.begin - start for each in found],
            [1000 * each.seconds for each in found],
            s=2,
            color=color,
            label=label,
            linewidths=0,
            rasterized=True,
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylim(0.2, 1000)
    axes.axhline(150, color=EVERYBODY, linewidth=0.8, linestyle=":")
    axes.text(moved.move.seconds, 165, "150 ms", ha="right", va="bottom", fontsize=7.5, color=EVERYBODY)
    axes.set_ylabel("milliseconds", fontsize=8)
    axes.set_xlabel("seconds", fontsize=8)
    axes.set_title("how long each statement of a client took", fontsize=8, loc="left", color=INK)
    axes.grid(axis="y", color="#eaeef2")
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", ncols=2, frameon=False, fontsize=8, markerscale=4)
    _plain(axes)


def _close_up(axes: Any, moved: Live, window: Window, title: str, *, with_names: bool) -> None:
    begin, end = window.begin - AROUND, window.end + AROUND
    for lock in _shown(moved):
        if lock.begin < end and lock.end > begin:
            _bar(axes, lock, begin, 1000, least=0.4)
    for relation in ROWS:
        strong = [
            each
            for each in _shown(moved)
            if each.relation == relation and _color(each) in (WRITERS, EVERYBODY) and begin < each.begin < end
        ]
        if strong:
            longest = max(strong, key=lambda each: each.end - each.begin)
            first, last = min(each.begin for each in strong), max(each.end for each in strong)
            at, side = (first, "right") if last > begin + (end - begin) * ROOM_FOR_TEXT else (last, "left")
            said = f" {_milliseconds(longest, moved.apart)} "
            axes.text(1000 * (at - begin), _row(longest), said, va="center", ha=side, fontsize=7.5, color=INK, clip_on=True)
    axes.set_xlim(0, 1000 * (end - begin))
    _name_rows(axes)
    if not with_names:
        axes.set_yticklabels([])
    axes.set_xlabel("milliseconds", fontsize=8)
    axes.set_title(title, fontsize=8, loc="left")


def _decisive(moved: Live, name: str) -> Window:
    """The part of a phase in which somebody had to wait for the table."""
    phase = moved.phase(name)
    strong = [
        each
        for each in moved.locks
        if each.ours
        and each.granted
        and each.relation == "core.sessions"
        and each.mode in STRENGTH
        and phase.begin <= each.begin <= phase.end
    ]
    return Window(min(each.begin for each in strong), max(each.end for each in strong)) if strong else phase.window


def _shown(moved: Live) -> list[Lock]:
    """What is done to the new table before the exchange is nobody's concern."""
    in_use = moved.phase("exchange").begin
    return [each for each in moved.locks if each.relation not in (NEW, PARTITION) or each.begin >= in_use]


def _bar(axes: Any, lock: Lock, start: float, unit: float, *, least: float) -> None:
    color = _color(lock)
    height, order = {NOBODY: (0.5, 2), WRITERS: (0.62, 3), EVERYBODY: (0.62, 4), QUEUE: (0.16, 5)}[color]
    width = max(unit * (lock.end - lock.begin), least)
    row = _row(lock) - (0.36 if color == QUEUE else 0)
    axes.barh(row, width, left=unit * (lock.begin - start), height=height, color=color, zorder=order, linewidth=0)


def _milliseconds(lock: Lock, apart: float) -> str:
    held = lock.end - lock.begin
    return f"{1000 * held:.0f} ms" if held else f"below {1000 * apart:.0f} ms"


def _color(lock: Lock) -> str:
    return STRENGTH.get(lock.mode, NOBODY) if lock.granted else QUEUE


def _row(lock: Lock) -> int:
    return list(ROWS).index(lock.relation)


def _name_rows(axes: Any) -> None:
    axes.set_yticks(range(len(ROWS)), ROWS.values(), fontsize=8)
    axes.set_ylim(len(ROWS) - 0.35, -0.6)
    _plain(axes)


def _plain(axes: Any) -> None:
    axes.tick_params(labelsize=8, length=2)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
