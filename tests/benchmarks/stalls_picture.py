"""The picture of `make bench-stalls`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

OURS, OBVIOUS, BASELINE = "#1f6feb", "#d1242f", "#8c959f"

Key = tuple[str, str, str, str]


def draw(file: Path, baselines: Mapping[str, Sequence[float]], stalls: Mapping[Key, Sequence[float]]) -> None:
    """One line for each step of each kind of table, beside the long transaction: the worst stall of all rounds, on a logarithmic scale."""
    lines = [key for key in stalls if key[2:] == ("reader", "ours")]
    figure, axes = plt.subplots(figsize=(9, 0.34 * len(lines) + 1.6))
    for row, key in enumerate(lines):
        ours, baseline = 1000 * max(stalls[key]), 1000 * max(baselines[key[0]])
        obvious = stalls.get((*key[:3], "obvious"))
        if obvious:
            axes.plot([ours, 1000 * max(obvious)], [row, row], color="#d0d7de", zorder=1)
            axes.scatter(1000 * max(obvious), row, color=OBVIOUS, marker="s", zorder=3)
        axes.scatter(baseline, row, color=BASELINE, marker="|", s=120, zorder=2)
        axes.scatter(ours, row, color=OURS, zorder=3)
    axes.set_yticks(range(len(lines)), [f"{step}, {variant}" for variant, step, *_ in lines])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("longest stall of any of the clients, milliseconds")
    axes.set_title("Beside a transaction of ten seconds, worst of all rounds", fontsize=10)
    axes.grid(axis="x", color="#eaeef2", zorder=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.legend(handles=_legend(), loc="lower center", bbox_to_anchor=(0.4, 1.06), ncols=3, frameon=False)
    figure.savefig(file, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def _legend() -> list[Line2D]:
    shapes = (("clients alone", BASELINE, "|"), ("step of ours", OURS, "o"), ("the obvious statement", OBVIOUS, "s"))
    return [Line2D([], [], color=color, marker=marker, linestyle="", label=label) for label, color, marker in shapes]
