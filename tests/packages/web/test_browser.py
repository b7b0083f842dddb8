"""The page in headless Chromium, from a static server: it finds what Predictor finds, and asks nobody else."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.benchmarks.report.html.browser import CHROMIUM, DRIVER, open_browser, set_screen
from tests.conftest import NANO, NANO_WEIGHTS
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, ExportResult, export_onnx
from yolact_deploy.packages.web.runtime import copy_runtime
from yolact_deploy.packages.web.site import WebOptions, package_web
from yolact_deploy.predictor import Predictor

pytest.importorskip("selenium.webdriver", reason="needs selenium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian's packages)"),
    pytest.mark.skipif(not shutil.which("npm"), reason="needs npm, which fetches onnxruntime-web"),
]

PICTURES = [path.stem for path in sorted((NANO / "images").glob("*.jpg"))[:3]]
_STATE = "return document.body.dataset.state"
_SHOWN = """const done = arguments[0];
import(new URL('page.js', location)).then(page => {
  const { detections, model, note } = page.shown();
  const plain = detections.map(d => ({ ...d, mask: { ...d.mask, bits: [...d.mask.bits].join('') } }));
  done({ detections: plain, model, note });
})"""
_SET_THRESHOLD = """const slider = document.getElementById('threshold');
slider.value = arguments[0]; slider.dispatchEvent(new Event('input'));"""


class Site:
    """A folder served at an address of its own, in a browser."""

    def __init__(self, browser: Any, address: str) -> None:
        self.browser, self.address = browser, address

    def open(self) -> None:
        self.browser.get_log("browser")
        self.browser.get_log("performance")
        self.browser.get(f"{self.address}/index.html")
        self.wait(lambda: not self.control("file").get_attribute("disabled"))

    def control(self, name: str) -> Any:
        return self.browser.find_element("id", name)

    def wait(self, condition: Any) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, 60, 0.05).until(lambda _: condition() or self.state == "failed")
        assert self.state != "failed", self.control("status").text

    @property
    def state(self) -> str:
        return self.browser.execute_script(_STATE)

    def look_at(self, picture: Path) -> list[dict[str, Any]]:
        """What the page shows of a picture, from the lowest score on."""
        self.browser.execute_script("document.body.dataset.state = 'waiting'")
        self.control("file").send_keys(str(picture))
        self.wait(lambda: self.state == "done")
        self.browser.execute_script(_SET_THRESHOLD, 0)
        return self.shown()["detections"]

    def shown(self) -> dict[str, Any]:
        return self.browser.execute_async_script(_SHOWN)


@pytest.fixture(scope="module")
def runtime_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtime")
    try:
        copy_runtime(None, folder)
    except YolactDeployError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as driver:
        driver.set_script_timeout(60)
        yield driver


@pytest.fixture(scope="module", params=["prototype", "image", "plus", "keep_aspect"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "keep_aspect":
        config = replace(ModelConfig.named("yolact_nano"), resize="keep_aspect")
        options = ExportOptions(tmp_path_factory.mktemp("aspect") / "aspect.onnx", config=config)
        return export_onnx(NANO_WEIGHTS, options).path
    if request.param == "plus":
        exports: dict[str, ExportResult] = request.getfixturevalue("plus_exports")
        return exports["gridsample"].path
    return request.getfixturevalue({"prototype": "nano_onnx", "image": "nano_image_masks_onnx"}[request.param])


@pytest.fixture(scope="module")
def site(exported: Path, runtime_dir: Path, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site") / "page"
    package_web(exported, WebOptions(folder, 0.3, runtime_dir))
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = Site(browser, f"http://127.0.0.1:{server.server_port}")
        opened.open()
        yield opened
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.parametrize("name", PICTURES)
def test_it_finds_what_predictor_finds(site: Site, exported: Path, name: str, tmp_path: Path) -> None:
    image = cv2.imread(str(NANO / f"images/{name}.jpg"))
    cv2.imwrite(str(tmp_path / "picture.png"), image)  # both read the same bytes of it
    found = site.look_at(tmp_path / "picture.png")
    with Predictor.open(exported, device="cpu") as predictor:
        expected = predictor(image)
    assert len(found) == len(expected) > 0
    assert [each["class"] for each in found] == expected.classes.tolist()
    np.testing.assert_allclose([each["score"] for each in found], expected.scores, atol=1e-4)
    np.testing.assert_allclose([each["maskScore"] for each in found], expected.mask_scores, atol=1e-4)
    np.testing.assert_allclose([each["box"] for each in found], expected.boxes, atol=1)
    for each, mask in zip(found, expected.masks, strict=True):
        assert (mask_of(each, image.shape) != mask).sum() <= 1 + mask.sum() // 200


def mask_of(detection: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    window = detection["mask"]
    mask = np.zeros(shape[:2], np.bool_)
    bits = np.array(list(window["bits"]), dtype=np.int8).reshape(window["height"], window["width"]) == 1
    mask[window["top"] : window["top"] + window["height"], window["left"] : window["left"] + window["width"]] = bits
    return mask


def test_nothing_leaves_the_machine_and_nothing_complains(site: Site) -> None:
    site.open()
    site.look_at(NANO / f"images/{PICTURES[0]}.jpg")
    messages = [json.loads(entry["message"])["message"] for entry in site.browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert any("model.onnx" in url or "worker.js" in url for url in asked)
    assert [url for url in asked if not url.startswith((site.address, "data:", "blob:"))] == []
    assert [entry["message"] for entry in site.browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_threshold_hides_detections(site: Site) -> None:
    everything = site.look_at(NANO / f"images/{PICTURES[0]}.jpg")
    site.browser.execute_script(_SET_THRESHOLD, 0.5)
    kept = site.shown()["detections"]
    assert kept == [each for each in everything if each["score"] >= 0.5]
    assert len(kept) < len(everything)
    assert site.control("status").text.startswith(f"{len(kept)} detection")


def test_a_file_that_is_no_picture_is_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    site.control("file").send_keys(str(tmp_path / "notes.txt"))
    site.browser.execute_script("document.body.dataset.state = 'waiting'")
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(site.browser, 10).until(lambda _: "is not a picture" in site.control("status").text)
    site.look_at(NANO / f"images/{PICTURES[0]}.jpg")  # and the next one works


def test_the_camera_runs_until_it_is_stopped(site: Site) -> None:
    before = site.shown()
    site.control("camera").click()
    site.wait(lambda: site.control("camera").text == "Stop camera" and "px" in site.control("status").text)
    site.control("camera").click()
    site.wait(lambda: site.control("camera").text == "Use camera")
    assert site.shown()["model"] == before["model"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone(site: Site, theme: str) -> None:
    set_screen(site.browser, 400, theme)
    site.look_at(NANO / f"images/{PICTURES[0]}.jpg")
    assert site.browser.execute_script("return document.scrollingElement.scrollWidth") <= 400
