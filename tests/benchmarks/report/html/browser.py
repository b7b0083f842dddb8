"""Headless Chromium for tests, and for the picture of a report in the README:

python -m tests.benchmarks.report.html.browser out/report/report.html benchmarks/pictures/report.png
"""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
PICTURE_WIDTH = 1200  # px
_END = "return document.getElementById('latency').closest('section').getBoundingClientRect().bottom + scrollY"


@contextmanager
def open_browser(*more: str) -> Iterator[Any]:
    """A selenium driver that logs what the page says and asks for. more: options of Chromium."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    # Without a sandbox: root cannot have one, and the pages are ours.
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        *more,
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def set_screen(browser: Any, width: int, theme: str = "light") -> None:
    """A screen of `width` px; theme: light or dark."""
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def write_picture(page: Path, picture: Path) -> None:
    """The upper part of a report, up to the end of its section on latency, as a PNG."""
    with open_browser() as browser:
        set_screen(browser, PICTURE_WIDTH)
        browser.get(page.resolve().as_uri())
        clip = {"x": 0, "y": 0, "width": PICTURE_WIDTH, "height": browser.execute_script(_END) + 16, "scale": 1}
        wanted = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", wanted)
    picture.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    write_picture(*map(Path, sys.argv[1:3]))
