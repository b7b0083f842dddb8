"""matplotlib figures as SVG that is part of a page: its colours and letters are the page's own, and nothing is loaded.

A figure is drawn in stand-in colours, which become CSS variables: so one drawing serves light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from yolact_deploy.dependencies import require

PURPOSE = "drawing the report"

INK, SOFT, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"  # text and lines, lesser text, grid, background
SERIES_COLOURS = 6  # as many as report.css defines
_STAND_INS = {INK: "ink", SOFT: "soft", GRID: "grid", PAPER: "paper"}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 11.5,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 1,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
}


def series_colour(index: int) -> str:
    """The stand-in for the colour of model `index`; colours repeat."""
    return f"#0a00{index % SERIES_COLOURS:02x}"


def stage_colour(index: int) -> str:
    """The stand-in for the colour of stage `index`."""
    return f"#0b00{index:02x}"


class Drawing:
    """A figure and what becomes of it."""

    def __init__(self, width: int, height: int) -> None:
        self._figure = require("matplotlib.figure", PURPOSE).Figure((width / 72, height / 72), layout="constrained")
        self.axes: Any = self._figure.subplots()
        self.svg = ""

    def finish(self, words: str) -> None:
        """Set `svg`."""
        file = io.StringIO()
        self._figure.savefig(file, format="svg", metadata={"Date": None})
        self.svg = inlined(file.getvalue(), words)


@contextmanager
def drawing(name: str, width: int, height: int, words: str) -> Iterator[Drawing]:
    """A chart of width x height px: draw on its `axes`, and find the result in its `svg` afterwards.

    name: unique on the page; words: what the chart shows, for those who cannot see it.
    """
    with require("matplotlib", PURPOSE).rc_context({**_STYLE, "svg.hashsalt": name}):
        made = Drawing(width, height)
        yield made
        made.finish(words)


def inlined(text: str, words: str) -> str:
    """matplotlib's SVG file as an element of a page."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)  # matplotlib before 3.11
    text = re.sub(r"font-family: [^;\"]*(; )?", "", text)
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if f"#{found[1]}" in text else "", text)
    text = re.sub(r"#(0[0-9a-f]{5})\b", lambda found: _css_colour(found[0]), text)
    _, _, rest = text.partition(">")
    (size,) = re.findall(r'viewBox="([^"]+)"', text[: text.index(">")])
    label = words.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return f'<svg class="chart" role="img" aria-label="{label}" viewBox="{size}" xmlns:xlink="{_XLINK}">{rest}'


_XLINK = "http://www.w3.org/1999/xlink"


def _css_colour(stand_in: str) -> str:
    if stand_in in _STAND_INS:
        return f"var(--{_STAND_INS[stand_in]})"
    kind = {"#0a00": "series", "#0b00": "stage"}.get(stand_in[:5])
    return f"var(--{kind}-{int(stand_in[5:], 16) + 1})" if kind else stand_in
