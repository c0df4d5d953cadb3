"""The latencies' distributions, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from contrib.bench.report import number
from contrib.bench.validity import Samples

COLOURS = ("#1b7f5c", "#b4552d")
PANEL_INCHES = 1.7


def draw(latencies: Mapping[str, tuple[Samples, Samples]], file: Path) -> None:
    """For each figure which share of the samples took how long at most, on a logarithmic axis."""
    matplotlib.rcParams.update({"svg.hashsalt": "bench", "font.size": 9})
    figure = Figure(figsize=(7, 0.6 + PANEL_INCHES * len(latencies)), layout="constrained")
    panels = figure.subplots(len(latencies), 1, sharex=True, squeeze=False)
    for panel, (name, pair) in zip(panels[:, 0], latencies.items(), strict=True):
        for samples, side, colour in zip(pair, ("reactor", "poller"), COLOURS, strict=True):
            panel.ecdf(samples.values, color=colour, linewidth=1.6)
            panel.plot([samples.median], [0.5], "o", color=colour, markersize=5)
            offset, side_of_dot = ((-7, 3), "right") if side == "poller" else ((7, -10), "left")
            label = f"{side} {number(samples.median)} ms"
            panel.annotate(
                label, (samples.median, 0.5), offset, textcoords="offset points", color=colour, ha=side_of_dot
            )
        panel.set(ylabel=name, ylim=(0, 1), yticks=(0, 0.5, 1), yticklabels=("0 %", "50 %", "100 %"))
        panel.set_xscale("log")
        panel.grid(True, which="major", linewidth=0.4, alpha=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1, 0].set_xlabel("ms, logarithmic: share of the samples that took so long at most; the dots are medians")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
