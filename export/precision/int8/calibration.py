"""Running a network on pictures of the user's own, and keeping of each tensor what calibration needs.

Statistics are running: memory does not grow with the number of pictures. A range needs one pass, in which the graph
itself reduces each tensor to two numbers; histograms need a second one, because their bins follow from the ranges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.artifacts.onnx_file import with_outputs
from yolact_deploy.artifacts.tensor_names import NETWORK_INPUT
from yolact_deploy.errors import DataError, ImageError, ModelFileError
from yolact_deploy.export.precision.int8.network_part import cut_network
from yolact_deploy.export.precision.int8.quantise import calibrated_tensors
from yolact_deploy.export.precision.int8.statistics import MINMAX, Statistics, TensorStatistics
from yolact_deploy.export.precision.int8.thresholds import BINS
from yolact_deploy.images import read_image
from yolact_deploy.inference import picture_sources
from yolact_deploy.ops.preprocess import preprocess_numpy
from yolact_deploy.runtimes.onnxruntime import create_session
from yolact_deploy.types import Advance

DEFAULT_PICTURES = 128
MIN_PICTURES = 8  # measured: fewer say too little of what a tensor can reach
_TINY = float(np.finfo(np.float32).tiny)  # half the width of a histogram of nothing but zeros
DATA_SET_FOLDER = "images"  # of a data set in COCO format, beside its instances.json


@dataclass(frozen=True)
class Calibration:
    """On what to calibrate."""

    folder: Path  # of pictures, or of a data set
    pictures: int = DEFAULT_PICTURES  # at most, spread over the folder
    method: str = MINMAX

    def find(self) -> tuple[Path, ...]:
        """The pictures. Raises DataError when the folder is missing or holds too few."""
        return find_pictures(self.folder, self.pictures)


def find_pictures(folder: Path, count: int = DEFAULT_PICTURES) -> tuple[Path, ...]:
    """At most `count` pictures of `folder`, or of `folder`/images, spread evenly over their names.

    Raises DataError when there is no such folder, or fewer than MIN_PICTURES in it or asked for.
    """
    if not folder.is_dir():
        raise DataError(f"no such folder of calibration pictures: {folder}")
    if count < MIN_PICTURES:
        raise DataError(f"--images {count}: calibration needs at least {MIN_PICTURES} pictures")
    found: tuple[Path, ...] = ()
    for place in (folder, folder / DATA_SET_FOLDER):
        if not found and place.is_dir():
            try:
                found = picture_sources.find_pictures(place).paths
            except ImageError:
                continue
    if len(found) < MIN_PICTURES:
        raise DataError(
            f"{folder} holds {len(found)} pictures, calibration needs at least {MIN_PICTURES}: "
            "name a folder with pictures like those that the model will see"
        )
    places = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    return tuple(found[place] for place in places)


def overflowing(
    model: onnx.ModelProto,
    metadata: ModelMetadata,
    calibration: Calibration,
    largest: float,
    source: object,
    advance: Advance = lambda done, total: None,
) -> dict[str, float]:
    """The tensors of the fp32 `model`'s network that exceed `largest` in magnitude on the pictures: name -> magnitude.

    Raises as `collect`.
    """
    pictures = calibration.find()
    network = cut_network(model, source)
    inferred = onnx.shape_inference.infer_shapes(network).graph
    values = {value.name: value for value in (*inferred.value_info, *inferred.output)}
    names = [name for name, value in values.items() if value.type.tensor_type.elem_type == TensorProto.FLOAT]
    inner = [name for name in names if name != NETWORK_INPUT]
    tensors = _extremes(network, inner, _inputs(network, pictures, metadata, advance), source)
    reached = {name: max(-item.minimum, item.maximum) for name, item in tensors.items()}
    return {name: magnitude for name, magnitude in reached.items() if magnitude > largest}


def collect(
    model: onnx.ModelProto,
    metadata: ModelMetadata,
    calibration: Calibration,
    source: object,
    advance: Advance = lambda done, total: None,
) -> Statistics:
    """Run the network of the fp32 `model` on the pictures of `calibration`; `source` names the model in errors.

    Histograms are collected where the method needs them. Raises DataError for pictures that cannot be used, and
    ModelFileError for a network whose tensors are not finite on one of them.
    """
    pictures = calibration.find()
    network = cut_network(model, source)
    names = calibrated_tensors(network)
    count, passes = len(pictures), 1 if calibration.method == MINMAX else 2

    def inputs(done: int) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
        return _inputs(network, pictures, metadata, lambda number, _: advance(done + number, passes * count))

    tensors = _extremes(network, names, inputs(0), source)
    if passes == 2:
        tensors = _with_histograms(network, tensors, inputs(count), source)
    return Statistics(metadata.checkpoint_sha256, len(pictures), calibration.folder.resolve().name, tensors)


def _inputs(
    network: onnx.ModelProto, pictures: Sequence[Path], metadata: ModelMetadata, advance: Advance
) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Name of the first picture and NETWORK_INPUT [B,3,S,S]; the last batch is filled up with its last picture."""
    batch = max(network.graph.input[0].type.tensor_type.shape.dim[0].dim_value, 1)
    for start in range(0, len(pictures), batch):
        tensors = [_network_input(path, metadata) for path in pictures[start : start + batch]]
        tensors += [tensors[-1]] * (batch - len(tensors))
        yield pictures[start].name, np.concatenate(tensors)
        advance(min(start + batch, len(pictures)), len(pictures))


def _network_input(path: Path, metadata: ModelMetadata) -> npt.NDArray[np.float32]:
    try:
        return np.asarray(preprocess_numpy(read_image(path)[None], metadata.config))
    except ImageError as error:
        raise DataError(f"calibration: {error}; remove it from the folder") from None


def _extremes(
    network: onnx.ModelProto,
    names: Sequence[str],
    inputs: Iterator[tuple[str, npt.NDArray[np.float32]]],
    source: object,
) -> dict[str, TensorStatistics]:
    """Least and largest value of each tensor, which the graph itself reduces to."""
    reduced = onnx.ModelProto()
    reduced.CopyFrom(network)
    outputs = []
    for name in names:
        for operator in ("ReduceMin", "ReduceMax"):
            outputs.append(f"{name}/{operator}")
            reduced.graph.node.append(helper.make_node(operator, [name], [outputs[-1]], outputs[-1], keepdims=0))
            reduced.graph.output.append(helper.make_tensor_value_info(outputs[-1], TensorProto.FLOAT, []))
    session = create_session(reduced.SerializeToString(), source, device="cpu")
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for picture, tensor in inputs:
        found = np.array(session.run(outputs, {NETWORK_INPUT: tensor}), np.float64).reshape(-1, 2)  # [tensors,2]
        if not np.isfinite(found).all():
            name = names[int(np.argmin(np.isfinite(found).all(axis=1)))]
            raise ModelFileError(f"{source}: the tensor {name} is not finite on {picture}: such a model is not usable")
        low, high = np.minimum(low, found[:, 0]), np.maximum(high, found[:, 1])
    return {name: TensorStatistics(*pair) for name, *pair in zip(names, low.tolist(), high.tolist(), strict=True)}


def _with_histograms(
    network: onnx.ModelProto,
    tensors: dict[str, TensorStatistics],
    inputs: Iterator[tuple[str, npt.NDArray[np.float32]]],
    source: object,
) -> dict[str, TensorStatistics]:
    names = [name for name in tensors if name != NETWORK_INPUT]  # a graph's input is no output of it
    session = create_session(with_outputs(network, names).SerializeToString(), source, device="cpu")
    counts = {name: np.zeros(BINS, np.int64) for name in tensors}
    for _, tensor in inputs:
        values = dict(zip(names, session.run(names, {NETWORK_INPUT: tensor}), strict=True))
        for name, item in tensors.items():
            counts[name] += _histogram(values.get(name, tensor), max(-item.minimum, item.maximum))
    return {name: replace(item, histogram=counts[name]) for name, item in tensors.items()}


def _histogram(values: npt.NDArray[np.float32], bound: float) -> npt.NDArray[np.int64]:
    """Counts over -bound..bound; the upper end is OpenCV's exclusive one, so it is moved a little."""
    edge = float(np.nextafter(np.float32(max(bound, _TINY)), np.float32(np.inf)))
    row = np.ascontiguousarray(values).reshape(1, -1)
    return cv2.calcHist([row], [0], None, [BINS], [-edge, edge]).ravel().astype(np.int64)
