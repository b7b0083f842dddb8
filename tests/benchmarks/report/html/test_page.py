"""What the page says, and that nothing in a report can be more than text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.benchmarks.report.html.conftest import CASES, LONG, SCRIPT, Json, bench_json, page_of
from yolact_deploy.benchmarks.report.html.class_table import class_rows
from yolact_deploy.benchmarks.report.html.page import draw_page
from yolact_deploy.benchmarks.report.html.svg import INK, drawing, inlined, series_colour
from yolact_deploy.benchmarks.report.html.texts import difference_words, verdict
from yolact_deploy.benchmarks.report.html.view import ModelView, text

VOID = {"meta", "link", "br", "img"}


class Elements(HTMLParser):
    """Tags that are open, ids, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [
            values[name] or "" for name in ("href", "src", "xlink:href", "aria-labelledby") if name in values
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def models_of(report: Json) -> list[ModelView]:
    return [ModelView(index, model) for index, model in enumerate(report["models"])]


def visible_text(page: str) -> str:
    without = re.sub(r"<(style|script)>.*?</\1>|<svg.*?</svg>|<[^>]*>", " ", page, flags=re.DOTALL)
    return " ".join(without.split())


@pytest.mark.parametrize("case", CASES)
def test_every_page_is_well_formed_and_loads_nothing(case: str) -> None:
    page = page_of(case)
    elements = Elements(page)
    assert elements.open == []
    assert len(elements.ids) == len(set(elements.ids))
    assert elements.tags.count("script") == 1  # those in names are text
    for link in elements.links:
        assert link.startswith("data:") or link.removeprefix("#") in elements.ids
    assert not re.search(r"@import|url\((?!#|data:)", page)
    assert "default-src 'none'" in page


def test_the_same_report_gives_the_same_page() -> None:
    report = bench_json()
    copy = json.loads(json.dumps(report, allow_nan=False))
    assert draw_page(report) == draw_page(copy)
    assert report == copy


def test_names_are_escaped_everywhere() -> None:
    page = page_of("three models")
    assert SCRIPT not in page
    assert page.count("&lt;script&gt;") > 20
    assert LONG in page


def test_numbers_stand_in_the_page() -> None:
    report = bench_json(2)
    report["models"][1]["accuracy"]["mask"]["ap"] = 0.43219
    report["models"][1]["timing"]["end_to_end_fps"] = 1234.56
    said = visible_text(draw_page(report))
    for words in ("43.22", "1234.6", "−0.500", "99.90 %", "300 MiB", "Some CPU, 8 cores", "✗ fail", "reference"):  # noqa: RUF001
        assert words in said
    assert (
        f"Not equal to net.pth {SCRIPT}: {LONG}.".replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")
        in said
    )


def test_what_is_not_there_is_said() -> None:
    said = visible_text(page_of("nothing found"))
    for words in (
        "Not judged There was no reference to compare with.",
        "DETECTS NOTHING on all 2 images",
        "No chart: the data set has no objects, so there is no AP.",
        "No distribution and no time line: fewer than 5 calls were timed.",
        "No chart: no model was timed in stages.",
    ):
        assert words in said
    said = visible_text(page_of("an old file"))
    for words in (
        "this file does not hold the single calls",
        "No chart: this file does not hold the curves.",
        "No pictures: this file does not hold them.",
    ):
        assert words in said


def test_load_power_and_what_changed() -> None:
    said = visible_text(page_of("everything"))
    for words in (
        "FAIL Slower than allowed since 01 January 2026, 00:00 UTC. Parity: FAIL.",
        "end to end, ms 10.00 12.50 +25.0 % ±4.0 % slower",
        "network, ms 10.00 9.90 −1.0 % – unknown",  # noqa: RUF001
        "box AP, points 50.00 52.00 +2.00 ±0.05 better",
        "only in the older run: gone",
        "not the same as then: other threads",
        "A 10.00–11.00 2 88.9 30.0",  # noqa: RUF001
        "3 of 90 1 of 90",
        "55.5 0.123 40–60 – thermal limit",  # noqa: RUF001
        "told by tegrastats, MAXN, power is of the board, energy by power over time, idle power included",
    ):
        assert words in said
    assert "Power and temperature" not in visible_text(page_of("three models"))


def test_verdicts() -> None:
    models = models_of(bench_json(3))
    assert verdict(models, models[0]).style == "fail"
    assert verdict(models[:2], models[0]).sentence.startswith("1 model equals net.pth")
    assert verdict(models[:2], models[0]).word == "Pass"
    assert verdict(models[:1], models[0]).word == verdict(models[:1], None).word == "Not judged"


def test_classes_come_worst_first() -> None:
    report = bench_json(3, 5)
    box = [model["accuracy"]["box"]["per_class"] for model in report["models"]]
    for model in report["models"][1:]:
        for kind in ("box", "mask"):
            model["accuracy"][kind]["per_class"].update(report["models"][0]["accuracy"][kind]["per_class"])
    first, second, *_ = box[0]
    box[1][first] = box[0][first] - 0.2
    for other in box[1:]:
        other[second] = box[0][second] + 0.9
    models = models_of(report)
    rows = class_rows(models[:2], models[0])
    assert [row.name for row in rows[:2]] == [second, first]
    assert rows[0].worst == pytest.approx(90)
    assert rows[0].differences[0] == (None, None)
    assert rows[1].differences[1][0] == pytest.approx(-20)
    assert rows[-1].name == "absent"
    assert rows[-1].worst is None
    lowest = class_rows(models, None)
    known = [row.aps[0][1] for row in lowest if row.aps[0][1] is not None]
    assert known == sorted(known)


@pytest.mark.parametrize(
    ("value", "options", "written"),
    [
        (1.005, {}, "1.00"),
        (-0.0004, {"digits": 3, "sign": True}, "0.000"),
        (-0.5, {"digits": 1}, "−0.5"),  # noqa: RUF001
        (0.5, {"digits": 1, "sign": True}, "+0.5"),
        (None, {}, "–"),  # noqa: RUF001
        (float("nan"), {}, "–"),  # noqa: RUF001
    ],
)
def test_numbers_as_text(value: float | None, options: dict[str, int], written: str) -> None:
    assert text(value, **options) == written  # type: ignore[arg-type]


def test_a_difference_in_words() -> None:
    item = {
        "file_name": "a.jpg",
        "matched": 1,
        "missing": 2,
        "extra": 0,
        "min_mask_iou": 0.98765,
        "max_score_difference": 0.00001,
        "pictures": {"only_reference": 7, "only_model": 0},
    }
    assert difference_words(item) == (
        "a.jpg: 1 detection in common, 2 only in the reference, lowest mask IoU 0.9877, largest difference of score "
        "below 0.0001. Pixels only in the reference: 7, only in the model: 0."
    )
    assert difference_words({**item, "pictures": None}).startswith("No visible difference on any image. The largest is")


def test_charts_take_colours_and_letters_from_the_page() -> None:
    with drawing("test", 300, 200, 'words "and" <more>') as made:
        made.axes.plot([0, 1], [0, 1], color=series_colour(7))
        made.axes.set_xlabel("a < b $5", color=INK)
    assert 'aria-label="words &quot;and&quot; &lt;more>"' in made.svg
    assert "var(--series-2)" in made.svg
    assert "var(--ink)" in made.svg
    assert "a &lt; b $5" in made.svg
    assert not re.search(r"#0[0-9a-f]{5}|font-family|DejaVu|<style|<metadata", made.svg)
    with drawing("other", 300, 200, "") as other:
        other.axes.plot([0, 1], [0, 1])
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (made.svg, other.svg)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert np.all([f"#{name}" in made.svg for name in ids[0]])
    assert inlined('<?xml?><svg viewBox="0 0 1 1" width="9pt"><g/></svg>', "").startswith('<svg class="chart"')
