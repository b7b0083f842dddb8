"""The page in a browser: nothing is loaded, nothing complains, every picture shows, nothing is wider than a phone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.report.html.browser import CHROMIUM, DRIVER, open_browser, set_screen
from tests.benchmarks.report.html.conftest import CASES, bench_report, page_of
from yolact_deploy.benchmarks.report.html.page import draw_page

pytest.importorskip("selenium.webdriver", reason="needs selenium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian's packages)"),
]

PHONE, DESK = 400, 1280  # px
_PICTURES = "return [...document.images].map(i => [i.complete, i.naturalWidth, i.alt])"
_TOO_WIDE = """return [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') && !e.closest('svg')
  && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"""
# Text against the first background that is not transparent, WCAG 2.1.
_LOW_CONTRAST = """
const rgba = text => text.match(/[\\d.]+/g).map(Number);
const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const luminance = colour => {
  const [r, g, b] = colour.slice(0, 3).map(v => linear(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const found = [];
for (const element of document.querySelectorAll('body *:not(script):not(style)')) {
  const isText = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
  if (!isText || !element.getClientRects().length) continue;
  const inside = element.closest('svg');
  if (inside && element.tagName !== 'text') continue;
  let behind = inside ?? element, back;
  do { back = rgba(getComputedStyle(behind).backgroundColor); behind = behind.parentElement; }
  while (behind && back.length === 4 && back[3] === 0);
  const style = getComputedStyle(element);
  const pair = [luminance(rgba(inside ? style.fill : style.color)), luminance(back)].sort((a, b) => b - a);
  const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (ratio < 4.5 && !(inside && style.fontWeight === '700')) found.push([element.textContent.slice(0, 30), ratio]);
}
return found;"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as driver:
        yield driver


def complaints(browser: Any, page: str, folder: Path, width: int = PHONE, theme: str = "light") -> list[str]:
    """What is wrong with `page` on a screen of that width."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    set_screen(browser, width, theme)
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(path.as_uri())
    found = [f"console: {entry['message']}" for entry in browser.get_log("browser")]
    found += [f"request: {url}" for url in requested(browser) if url != path.as_uri() and not url.startswith("data:")]
    pictures = browser.execute_script(_PICTURES)
    found += [f"picture: {alt}" for complete, pixels, alt in pictures if not complete or pixels == 0 or not alt]
    wide = browser.execute_script("return document.scrollingElement.scrollWidth")
    found += [f"{wide} px wide"] if wide > width else []
    found += [f"too wide: {html}" for html in browser.execute_script(_TOO_WIDE)]
    return found + [f"contrast: {item}" for item in browser.execute_script(_LOW_CONTRAST)]


def requested(browser: Any) -> list[str]:
    """Addresses that the browser asked for since the log was read last."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


@pytest.mark.parametrize("case", CASES)
def test_every_page_is_sound_on_a_phone(browser: Any, case: str, tmp_path: Path) -> None:
    assert complaints(browser, page_of(case), tmp_path) == []


@pytest.mark.parametrize(("width", "theme"), [(DESK, "light"), (PHONE, "dark"), (DESK, "dark")])
def test_wide_and_dark(browser: Any, width: int, theme: str, tmp_path: Path) -> None:
    assert complaints(browser, page_of("three models"), tmp_path, width, theme) == []
    dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor") != "rgb(244, 245, 247)"
    assert dark == (theme == "dark")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("<p style='width: 500px'>wide</p>", r"5\d\d px wide"),
        ("<img src='data:image/jpeg;base64,AAAA' alt='broken'>", "picture: broken"),
        ("<script>console.error('x')</script>", "console: .*Content Security Policy"),
        ("<link rel='stylesheet' href='https://example.invalid/a.css'>", "console: .*Content Security Policy"),
        ("<p style='color: #888; background: #999'>faint</p>", "contrast: .*faint"),
    ],
)
def test_damage_is_noticed(browser: Any, damage: str, complaint: str, tmp_path: Path) -> None:
    page = page_of("one model").replace("<main>", "<main>" + damage, 1)
    assert any(re.search(complaint, found) for found in complaints(browser, page, tmp_path))


def test_a_request_is_noticed(browser: Any, tmp_path: Path) -> None:
    """Without the page's own policy, which forbids it."""
    page = page_of("one model").replace("default-src 'none'", "default-src *")
    page = page.replace("<main>", "<main><iframe src='https://example.invalid/'></iframe>", 1)
    assert any(found.startswith("request: https://example.invalid") for found in complaints(browser, page, tmp_path))


def test_a_click_sorts_the_classes(browser: Any, tmp_path: Path) -> None:
    complaints(browser, draw_page(bench_report(2, 20)), tmp_path, DESK)
    rows = "return [...document.querySelectorAll('.tall tbody tr')].map(row => row.children[%d].dataset.value)"
    values = browser.execute_script(rows % 1)
    assert [float(value) for value in values if value] == sorted((float(v) for v in values if v), reverse=True)
    button = browser.find_elements("css selector", ".tall th button")[2]
    for is_rising in (False, True):
        browser.execute_script("arguments[0].click()", button)
        values = browser.execute_script(rows % 2)
        assert values[-1] == ""  # what is absent stays last
        known = [float(value) for value in values[:-1]]
        assert known == sorted(known, reverse=not is_rising)
    assert browser.get_log("browser") == []


def test_the_worst_images_are_filtered_by_class_and_error(browser: Any, tmp_path: Path) -> None:
    """With the keyboard alone."""
    from selenium.webdriver.common.keys import Keys

    complaints(browser, page_of("without speed"), tmp_path, DESK)
    shown = "return [...document.querySelectorAll('figure[data-errors]')].map(figure => !figure.hidden)"
    named, kind = browser.find_elements("css selector", ".filter select")
    assert browser.execute_script(shown) == [True, True]
    named.send_keys("c", Keys.TAB)
    assert browser.execute_script(shown) == [False, True]
    assert (
        "1 of 2 images" in browser.page_source or browser.find_element("css selector", "output").text == "1 of 2 images"
    )
    assert browser.switch_to.active_element == kind
    kind.send_keys("missed", Keys.TAB)
    assert browser.execute_script(shown) == [False, False]
    named.send_keys("all")
    assert browser.execute_script(shown) == [True, False]
    assert browser.get_log("browser") == []


def test_ap_and_gate_show_on_a_phone_without_scrolling_sideways(browser: Any, tmp_path: Path) -> None:
    complaints(browser, page_of("three models"), tmp_path, PHONE)
    cells = browser.execute_script(
        """return [...document.querySelectorAll('.named td')].filter(cell => ['box AP', 'mask AP', 'gate'].includes(
        cell.dataset.label)).map(cell => [cell.getBoundingClientRect().left, cell.getBoundingClientRect().right])"""
    )
    assert len(cells) == 9
    assert all(0 <= left < right <= PHONE for left, right in cells)


def test_hints_have_a_colour_of_their_own(browser: Any, tmp_path: Path) -> None:
    complaints(browser, page_of("judged"), tmp_path, DESK)
    colour = "return getComputedStyle(document.querySelector('%s')).color"
    warning = browser.execute_script(colour % ".warn")
    assert warning not in (browser.execute_script(colour % "body"), "rgb(168, 32, 26)")
