"""The ROS 2 node against stand-ins for rclpy and the messages, whose fields are those of ROS 2 Humble and no others."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image

SCRIPT = ROOT / "examples/ros2/yolact_node.py"


@dataclass
class Header:
    frame_id: str = ""


@dataclass(slots=True)
class ImageMessage:
    header: Header = field(default_factory=Header)
    height: int = 0
    width: int = 0
    encoding: str = ""
    is_bigendian: int = 0
    step: int = 0
    data: bytes = b""


@dataclass(slots=True)
class Point2D:
    x: float = 0.0
    y: float = 0.0


@dataclass(slots=True)
class Pose2D:
    position: Point2D = field(default_factory=Point2D)
    theta: float = 0.0


@dataclass(slots=True)
class BoundingBox2D:
    center: Pose2D = field(default_factory=Pose2D)
    size_x: float = 0.0
    size_y: float = 0.0


@dataclass(slots=True)
class ObjectHypothesis:
    class_id: str = ""
    score: float = 0.0


@dataclass(slots=True)
class ObjectHypothesisWithPose:
    hypothesis: ObjectHypothesis = field(default_factory=ObjectHypothesis)
    pose: object = None


@dataclass(slots=True)
class Detection2D:
    header: Header = field(default_factory=Header)
    results: list[ObjectHypothesisWithPose] = field(default_factory=list)
    bbox: BoundingBox2D = field(default_factory=BoundingBox2D)
    id: str = ""


@dataclass(slots=True)
class Detection2DArray:
    header: Header = field(default_factory=Header)
    detections: list[Detection2D] = field(default_factory=list)


class Node:
    """What the example calls of rclpy.node.Node; `parameters` are the command line's."""

    parameters: dict[str, Any] = {}  # noqa: RUF012 - set by the fixture

    def __init__(self, name: str) -> None:
        self.published: dict[str, list[Any]] = {}
        self.callbacks: dict[str, Any] = {}
        self.errors: list[str] = []

    def declare_parameter(self, name: str, default: object) -> SimpleNamespace:
        value = self.parameters.get(name, default)
        assert type(value) is type(default), "ROS parameters keep the type of their default"
        return SimpleNamespace(value=value)

    def create_publisher(self, kind: type, topic: str, depth: int) -> SimpleNamespace:
        def publish(message: object) -> None:
            assert isinstance(message, kind)
            self.published.setdefault(topic, []).append(message)

        return SimpleNamespace(publish=publish)

    def create_subscription(self, kind: type, topic: str, callback: Any, qos: object) -> None:
        self.callbacks[topic] = callback

    def get_logger(self) -> SimpleNamespace:
        return SimpleNamespace(info=str, error=lambda text, throttle_duration_sec: self.errors.append(text))


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, nano_onnx: Path) -> Any:
    modules: dict[str, dict[str, object]] = {
        "rclpy": {},
        "rclpy.node": {"Node": Node},
        "rclpy.qos": {"qos_profile_sensor_data": object()},
        "sensor_msgs": {},
        "sensor_msgs.msg": {"Image": ImageMessage},
        "vision_msgs": {},
        "vision_msgs.msg": {
            "Detection2D": Detection2D,
            "Detection2DArray": Detection2DArray,
            "ObjectHypothesisWithPose": ObjectHypothesisWithPose,
        },
    }
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(Node, "parameters", {"model": str(nano_onnx), "score_threshold": 0.25})
    spec = importlib.util.spec_from_file_location("yolact_node", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = script.YolactNode()
    yield made
    made.predictor.close()


def message_of(image: Image, encoding: str, padding: int = 0) -> ImageMessage:
    """A message with rows of `padding` bytes more."""
    channels = {"bgr8": [0, 1, 2], "rgb8": [2, 1, 0], "bgra8": [0, 1, 2, 0], "rgba8": [2, 1, 0, 0], "mono8": [0]}
    pixels = np.ascontiguousarray(image[..., channels[encoding]])
    height, width, size = pixels.shape
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (0, padding)), constant_values=7)
    header = Header("camera")
    return ImageMessage(header, height, width, encoding, 0, width * size + padding, rows.tobytes())


@pytest.mark.parametrize("encoding", ["bgr8", "rgb8", "bgra8", "rgba8"])
def test_it_publishes_what_predictor_finds(node: Any, nano_onnx: Path, nano_image: Image, encoding: str) -> None:
    with Predictor.open(nano_onnx, score_threshold=0.25) as predictor:
        expected = predictor(nano_image)
        names = predictor.metadata.config.class_names
    message = message_of(nano_image, encoding, padding=5)
    node.callbacks["image"](message)
    [array] = node.published["detections"]
    assert array.header is message.header
    assert len(array.detections) == len(expected) > 1
    for found, box, score, index in zip(
        array.detections, expected.boxes, expected.scores, expected.classes, strict=True
    ):
        assert found.header is message.header
        [result] = found.results
        assert (result.hypothesis.class_id, result.hypothesis.score) == (names[index], pytest.approx(score, abs=1e-6))
        centre = found.bbox.center.position
        sides = np.array([found.bbox.size_x, found.bbox.size_y])
        np.testing.assert_array_equal(np.array([centre.x, centre.y]) - sides / 2, box[:2])
        np.testing.assert_array_equal(np.array([centre.x, centre.y]) + sides / 2, box[2:])
    [labels] = node.published["labels"]
    assert (labels.encoding, labels.step, labels.header) == ("16UC1", 2 * nano_image.shape[1], message.header)
    naive = np.zeros(nano_image.shape[:2], np.uint16)
    for row, column in np.argwhere(expected.masks.any(axis=0)):
        naive[row, column] = np.flatnonzero(expected.masks[:, row, column])[0] + 1
    values = np.frombuffer(labels.data, "<u2").reshape(labels.height, labels.width)
    np.testing.assert_array_equal(values, naive)


def test_a_grey_picture_is_read_and_an_unknown_encoding_is_said(node: Any, nano_image: Image) -> None:
    node.callbacks["image"](message_of(nano_image, "mono8"))
    assert len(node.published["detections"]) == 1
    unknown = message_of(nano_image, "bgr8")
    unknown.encoding = "bayer_rggb8"
    node.callbacks["image"](unknown)
    assert len(node.published["detections"]) == 1
    assert "bayer_rggb8" in node.errors[0]


def test_a_black_picture_gives_an_empty_message(node: Any) -> None:
    node.callbacks["image"](message_of(np.zeros((48, 64, 3), np.uint8), "bgr8"))
    [array], [labels] = node.published["detections"], node.published["labels"]
    assert array.detections == []
    assert not np.frombuffer(labels.data, np.uint16).any()
    assert len(SCRIPT.read_text().splitlines()) < 100
