"""Cut an exported graph at the tensors that every export names, so that its stages can be timed apart.

Only timing needs this: in use, the file runs as one graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yolact_deploy.artifacts.tensor_names import FLOAT_IMAGE, NETWORK_INPUT, PADDED_IMAGE, RAW_OUTPUTS
from yolact_deploy.dependencies import require
from yolact_deploy.errors import ModelFileError


@dataclass(frozen=True)
class GraphStages:
    """The parts of an exported graph as serialised models."""

    # image -> NETWORK_INPUT, and FLOAT_IMAGE or PADDED_IMAGE where `postprocess` takes it; None when the graph takes
    # NETWORK_INPUT
    preprocess: bytes | None
    network: bytes  # NETWORK_INPUT -> RAW_OUTPUTS
    postprocess: bytes  # RAW_OUTPUTS, and where it needs the image's size such an image -> the graph's outputs


def split_graph(path: Path) -> GraphStages:
    """Cut the exported file at `path`.

    Raises ModelFileError when it is no ONNX file or lacks the tensors to cut at, MissingDependencyError without onnx.
    """
    onnx = require("onnx", "timing the stages of an ONNX file")
    utils = require("onnx.utils", "timing the stages of an ONNX file")
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's own error classes, which differ between its versions
        raise ModelFileError(f"{path}: cannot read it ({error}): export it again") from None
    inputs = [value.name for value in model.graph.input]
    outputs = [value.name for value in model.graph.output]
    named = {value.name for value in (*model.graph.value_info, *model.graph.input, *model.graph.output)}
    missing = [name for name in (NETWORK_INPUT, *RAW_OUTPUTS) if name not in named]
    if missing:
        raise ModelFileError(
            f"{path} cannot be cut into stages: missing tensors: {', '.join(missing)}; export it again"
        )
    extract = utils.Extractor(model).extract_model
    image = [name for name in (FLOAT_IMAGE, PADDED_IMAGE) if name in named]
    read = {name for node in extract([*RAW_OUTPUTS, *image], outputs).graph.node for name in node.input}
    image = [name for name in image if name in read]
    postprocess = extract([*RAW_OUTPUTS, *image], outputs)
    has_image = NETWORK_INPUT not in inputs
    return GraphStages(
        preprocess=extract(inputs, [NETWORK_INPUT, *image]).SerializeToString() if has_image else None,
        network=extract([NETWORK_INPUT], list(RAW_OUTPUTS)).SerializeToString(),
        postprocess=postprocess.SerializeToString(),
    )
