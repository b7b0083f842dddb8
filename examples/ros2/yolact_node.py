"""A ROS 2 node: pictures in, boxes with classes and a label map out. Humble or newer.

python3 yolact_node.py --ros-args -p model:=model.engine -r image:=/camera/image_raw

Publishes `detections` (vision_msgs/Detection2DArray) and `labels` (sensor_msgs/Image, 16UC1): pixel value k belongs to
detection k - 1 of the message with the same header, 0 to none. Where masks overlap, the higher score wins.
"""

from __future__ import annotations

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from yolact_deploy import Predictor
from yolact_deploy.types import Detections

CHANNELS = {"bgr8": (0, 1, 2), "rgb8": (2, 1, 0), "bgra8": (0, 1, 2), "rgba8": (2, 1, 0), "mono8": (0, 0, 0)}
BYTES = {"bgr8": 3, "rgb8": 3, "bgra8": 4, "rgba8": 4, "mono8": 1}  # per pixel


def bgr_of(message: Image) -> np.ndarray:
    """The picture of a message, uint8 [H,W,3] BGR. Raises ValueError for an encoding that is not in CHANNELS."""
    if message.encoding not in CHANNELS:
        raise ValueError(f"encoding {message.encoding}: needs one of {', '.join(CHANNELS)}")
    rows = np.frombuffer(message.data, np.uint8)[: message.height * message.step].reshape(message.height, message.step)
    size = BYTES[message.encoding]  # rows may be padded
    pixels = rows[:, : message.width * size].reshape(message.height, message.width, size)
    return np.ascontiguousarray(pixels[..., list(CHANNELS[message.encoding])])


def labels_of(found: Detections) -> np.ndarray:
    """uint16 [H,W]: one more than the index of the best detection on a pixel, 0 where there is none."""
    labels = np.zeros(found.masks.shape[1:], np.uint16)
    for index in reversed(range(len(found.masks))):
        labels[found.masks[index]] = index + 1
    return labels


class YolactNode(Node):
    """Runs the newest picture; older ones are dropped while the model is busy."""

    def __init__(self) -> None:
        super().__init__("yolact")
        model = self.declare_parameter("model", "model.onnx").value
        score = self.declare_parameter("score_threshold", 0.3).value
        self.predictor = Predictor.open(model, score_threshold=score)
        self.class_names = self.predictor.metadata.config.class_names
        self.detections = self.create_publisher(Detection2DArray, "detections", 1)
        self.labels = self.create_publisher(Image, "labels", 1)
        self.create_subscription(Image, "image", self.look_at, qos_profile_sensor_data)
        self.get_logger().info(self.predictor.description)

    def look_at(self, message: Image) -> None:
        try:
            found = self.predictor(bgr_of(message))
        except ValueError as error:
            self.get_logger().error(str(error), throttle_duration_sec=5.0)
            return
        array = Detection2DArray(header=message.header)
        for box, score, index in zip(found.boxes, found.scores, found.classes, strict=True):
            detection = Detection2D(header=message.header)
            x1, y1, x2, y2 = (float(edge) for edge in box)
            detection.bbox.center.position.x, detection.bbox.center.position.y = (x1 + x2) / 2, (y1 + y2) / 2
            detection.bbox.size_x, detection.bbox.size_y = x2 - x1, y2 - y1
            hypothesis = ObjectHypothesisWithPose()
            hypothesis.hypothesis.class_id = self.class_names[index]
            hypothesis.hypothesis.score = float(score)
            detection.results.append(hypothesis)
            array.detections.append(detection)
        self.detections.publish(array)
        labels = labels_of(found).astype("<u2")
        height, width = labels.shape
        self.labels.publish(
            Image(header=message.header, height=height, width=width, encoding="16UC1", is_bigendian=0, step=2 * width,
                  data=labels.tobytes())
        )  # fmt: skip


def main() -> None:
    rclpy.init()
    node = YolactNode()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.predictor.close()
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
