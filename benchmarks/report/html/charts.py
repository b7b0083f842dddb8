"""The report's charts. Models go by a letter and a colour, so that a name may be as long as it likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from yolact_deploy.benchmarks.report.html.svg import INK, PAPER, SOFT, Drawing, drawing, series_colour, stage_colour
from yolact_deploy.benchmarks.report.table import number

WIDTH, HEIGHT = 400, 260  # px; a phone shows it a little smaller, a wide screen a little larger
SMALL_WIDTH, SMALL_HEIGHT = 320, 250
WIDE_WIDTH, WIDE_HEIGHT = 820, 220
BAR_HEIGHT = 38  # px per model
MIN_AP_SPAN = 5.0  # points on an axis of accuracy: what is less is no difference to look at
LOG_FROM = 20.0  # ratio of the largest time to the smallest median from which an axis is logarithmic
_MARKERS = "osD^vP"
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.5, 1.5)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))


@dataclass(frozen=True)
class Series:
    """Values of one model."""

    index: int  # of the model in the report; gives colour, marker and line
    letter: str
    x: Sequence[float]
    y: Sequence[float]

    @property
    def colour(self) -> str:
        """Stand-in, see svg.py."""
        return series_colour(self.index)


def speed_accuracy(series: Sequence[Series], kind: str) -> str:
    """Speed (x, FPS) against accuracy (y, points), one point per model."""
    with drawing(f"speed-{kind}", WIDTH, HEIGHT, f"Speed in FPS against {kind} AP, one point per model") as made:
        axes = made.axes
        for item in series:
            axes.plot(item.x, item.y, _MARKERS[item.index % len(_MARKERS)], color=item.colour, markersize=10)
            above = item.index % 2 == 0
            axes.annotate(
                item.letter,
                (item.x[0], item.y[0]),
                (0, 9 if above else -9),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                color=INK,
                weight="bold",
            )
        values = [value for item in series for value in item.y]
        middle, span = (min(values) + max(values)) / 2, max(max(values) - min(values), MIN_AP_SPAN)
        axes.set_ylim(middle - 0.65 * span, middle + 0.65 * span)
        axes.set_xlim(0, 1.12 * max(value for item in series for value in item.x))
        axes.set_xlabel("FPS, end to end")
        axes.set_ylabel(f"{kind} AP, points")
    return made.svg


def latency_shares(series: Sequence[Series]) -> str:
    """How many of the calls are done within a time; x ms."""
    with drawing("latency", WIDTH, HEIGHT, "Share of the calls that end within a time, one line per model") as made:
        axes = made.axes
        for item in series:
            ordered = np.sort(np.asarray(item.x))
            shares = np.arange(len(ordered) + 1) / len(ordered) * 100
            axes.step(np.concatenate((ordered[:1], ordered)), shares, where="post", **_line(item))
        _time_axis(made, [np.asarray(item.x) for item in series])
        axes.set_ylim(0, 101)
        axes.set_xlabel("latency per call, ms")
        axes.set_ylabel("calls that are done, %")
    return made.svg


def _time_axis(made: Drawing, values: Sequence[np.ndarray]) -> None:
    """From 0 to the largest p99; logarithmic where models are very different."""
    top = max(float(np.percentile(part, 99)) for part in values) * 1.05
    if top >= LOG_FROM * min(float(np.median(part)) for part in values) > 0:
        made.axes.set_xscale("log")
        made.axes.set_xlim(min(float(part.min()) for part in values) * 0.9, top)
        made.axes.xaxis.set_major_formatter("{x:g}")
    else:
        made.axes.set_xlim(0, top)


def time_line(series: Sequence[Series], wide: bool) -> str:
    """Each call's latency over its model's median (y), when it began (x, s); NaN parts rounds."""
    size = (WIDE_WIDTH, WIDE_HEIGHT) if wide else (WIDTH, HEIGHT)
    name = "timeline-wide" if wide else "timeline"
    with drawing(name, *size, "Latency of each call over the run, as a multiple of its model's median") as made:
        axes = made.axes
        every = np.concatenate([np.asarray(item.y) for item in series])
        every = every[np.isfinite(every)]
        top = max(1.25, float(np.percentile(every, 95)) * 1.2)
        for item in series:
            x, y = np.asarray(item.x), np.asarray(item.y)
            axes.plot(x, np.where(y > top, np.nan, y), color=item.colour, linewidth=1.2)
            outside = y > top
            if outside.any():
                axes.plot(x[outside], np.full(outside.sum(), top), "^", color=item.colour, clip_on=False, markersize=6)
        axes.axhline(1, color=SOFT, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_ylim(min(0.75, float(every.min()) * 0.95), top)
        axes.set_xlabel("time since the start of the run, s")
        axes.set_ylabel("latency / median")
    return made.svg


def stage_bars(letters: Sequence[str], stages: Sequence[Sequence[float]], totals: Sequence[float | None]) -> str:
    """Median time of each stage (columns of `stages`), stacked, one bar per model; a mark for the whole."""
    height = 70 + BAR_HEIGHT * len(letters)
    with drawing("stages" + str(len(stages[0])), WIDTH, height, "Median time of each stage, one bar per model") as made:
        axes = made.axes
        ends = np.cumsum(np.asarray(stages), axis=1)
        limit = max(float(ends.max()), *(total or 0.0 for total in totals)) * 1.06
        for row, values in enumerate(stages):
            for stage, value in enumerate(values):
                left = ends[row, stage] - value
                axes.barh(row, value, 0.62, left, color=stage_colour(stage), edgecolor=PAPER, linewidth=0.8)
                if value > 0.11 * limit:
                    axes.text(
                        left + value / 2, row, number(value), color=PAPER, ha="center", va="center", weight="bold"
                    )
            total = totals[row]
            if total is not None:
                axes.plot([total, total], [row - 0.43, row + 0.43], color=INK, linewidth=2, solid_capstyle="butt")
        axes.set_yticks(range(len(letters)), letters, weight="bold", color=INK)
        axes.set_ylim(len(letters) - 0.4, -0.6)
        axes.set_xlim(0, limit)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("ms, median")
    return made.svg


def precision_recall(series: Sequence[Series], name: str, words: str) -> str:
    """Precision against recall. The first model is drawn wide, so that curves equal to it show inside."""
    with drawing(f"pr-{name}", SMALL_WIDTH, SMALL_HEIGHT, words) as made:
        for place, item in enumerate(series):
            wide = {"linewidth": 6, "alpha": 0.45, "linestyle": "-"} if place == 0 and len(series) > 1 else {}
            made.axes.plot(item.x, item.y, **{**_line(item), **wide})
        made.axes.set_xlim(0, 1)
        made.axes.set_ylim(0, 1.02)
        made.axes.set_xlabel("recall")
        made.axes.set_ylabel("precision")
    return made.svg


def threshold_lines(
    scores: np.ndarray, precision: np.ndarray, recall: np.ndarray, best: float, name: str, class_name: str
) -> str:
    """Precision, recall and F1 (y) of the detections of at least a score (x); a line at the score of the best F1."""
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    words = f"{class_name}: precision, recall and F1 over the score; best F1 from {best:.3f} on"
    with drawing(name, SMALL_WIDTH, SMALL_HEIGHT, words) as made:
        for place, values in enumerate((precision, recall, f1)):
            made.axes.plot(
                scores,
                values,
                color=series_colour(place),
                linestyle=_DASHES[place],
                linewidth=1.8,
                drawstyle="steps-pre",
            )
        made.axes.axvline(best, color=SOFT, linewidth=1)
        made.axes.set_xlim(0, 1)
        made.axes.set_ylim(0, 1.02)
        made.axes.set_xlabel("score")
    return made.svg


def size_bars(series: Sequence[Series], groups: Sequence[str], kind: str) -> str:
    """AP by size of the objects: a group per size, a bar per model. NaN: the data set has no such object."""
    with drawing(f"size-{kind}", WIDTH, HEIGHT, f"{kind} AP by size of the objects, one bar per model") as made:
        axes = made.axes
        width = 0.8 / len(series)
        for place, item in enumerate(series):
            left = np.arange(len(groups)) - 0.4 + (place + 0.5) * width
            axes.bar(left, np.nan_to_num(np.asarray(item.y)), width * 0.92, color=item.colour)
            for x, y in zip(left, item.y, strict=True):
                if np.isfinite(y) and len(series) <= 4:
                    axes.annotate(
                        f"{y:.0f}", (x, y), (0, 2), textcoords="offset points", ha="center", fontsize=10, color=SOFT
                    )
        for group in range(len(groups)):
            if all(not np.isfinite(item.y[group]) for item in series):
                axes.text(group, 3, "no objects", ha="center", color=SOFT)
        axes.set_xticks(range(len(groups)), groups)
        axes.set_ylim(0, 105)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel(f"{kind} AP, points")
    return made.svg


def _line(item: Series) -> dict[str, Any]:
    return {"color": item.colour, "linewidth": 1.8, "linestyle": _DASHES[item.index % len(_DASHES)]}
