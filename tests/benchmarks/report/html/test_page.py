"""What the page says, and that nothing in a report can be more than text."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.benchmarks.report.html.conftest import CASES, LONG, SCRIPT, bench_report, page_of
from yolact_deploy.benchmarks.accuracy.difference_pictures import Pictures
from yolact_deploy.benchmarks.accuracy.differences import ImageDifference
from yolact_deploy.benchmarks.report.html.page import draw_page
from yolact_deploy.benchmarks.report.html.svg import INK, drawing, inlined, series_colour
from yolact_deploy.benchmarks.report.html.texts import difference_words, verdict
from yolact_deploy.benchmarks.report.tables import all_tables

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
    assert draw_page(bench_report(), "a") == draw_page(bench_report(), "a")


def test_names_are_escaped_everywhere() -> None:
    page = page_of("three models")
    assert SCRIPT not in page
    assert page.count("&lt;script&gt;") > 15
    assert LONG in page


@pytest.mark.parametrize("case", CASES)
def test_every_table_stands_in_the_page(case: str) -> None:
    """The same cells as on the terminal and in Markdown."""
    report = CASES[case]()
    said = visible_text(page_of(case))
    for table in all_tables(report):
        for row in table.rows:
            cells = [re.sub(r" \((.*)\)$", r" \1", cell) for cell in row[1:]]
            assert html.escape(" ".join(cell for cell in cells if cell), quote=False) in said


def test_numbers_stand_in_the_page() -> None:
    report = bench_report(2)
    accuracy = report.models[1].accuracy
    changed = replace(report.models[1], accuracy=replace(accuracy, mask=replace(accuracy.mask, ap=0.43219)))
    said = visible_text(draw_page(replace(report, models=(report.models[0], changed))))
    for words in ("43.22", "-0.500", "99.90%", "300", "Some CPU, 8 cores", "FAIL", "reference"):
        assert words in said
    assert f"parity: FAIL ({LONG})" in said


def test_what_is_not_there_is_said() -> None:
    said = visible_text(page_of("nothing found"))
    for words in (
        "not judged parity: not judged (no reference: pass --reference CHECKPOINT)",
        "DETECTS NOTHING on all 2 images",
        "No chart: the data set has no objects, so there is no AP.",
        "No distribution and no time line: fewer than 5 calls were timed.",
        "No chart: no model was timed in stages.",
    ):
        assert words in said


def test_load_power_and_what_changed() -> None:
    said = visible_text(page_of("everything"))
    for words in (
        "FAIL parity: FAIL",
        "; slower",
        "end to end, ms 10.0 12.5 +25.0% 4.0% slower",
        "network, ms 10.0 9.90 -1.0% - unknown",
        "box AP, points 50.00 52.00 +2.00 0.05 better",
        "only in the older run: gone",
        "may not be comparable: other threads",
        "A 2 1 88.9 88.0-89.0",
        "90 3 1",
        "H200 120 71.2 6.00 0.167 55-61 1500-1755 of 1980 YES",
        "idle power included",
    ):
        assert words in said
    assert "Power and temperature" not in visible_text(page_of("three models"))


def test_verdicts() -> None:
    report = bench_report(3)
    assert verdict(report).style == "fail"
    passing = replace(report, models=report.models[:2])
    assert (verdict(passing).word, verdict(passing).style) == ("pass", "pass")
    for alone in (replace(report, models=report.models[:1]), bench_report(1, has_reference=False)):
        assert (verdict(alone).word, verdict(alone).style) == ("not judged", "")


def test_a_difference_in_words() -> None:
    pictures = Pictures("", "", "", 1, 1, only_reference=7, only_model=0)
    item = ImageDifference(1, "a.jpg", 2, 0, 1, 0.98765, 0.00001, 2.0, pictures)
    assert difference_words(item) == (
        "a.jpg: 1 detection in common, 2 only in the reference, lowest mask IoU 0.9877, largest difference of score "
        "below 0.0001. Pixels only in the reference: 7, only in the model: 0."
    )
    no_picture = difference_words(replace(item, pictures=None))
    assert no_picture.startswith("No visible difference on any image. The largest is")


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
