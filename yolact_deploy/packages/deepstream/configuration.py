"""The text of nvinfer's configuration file; its keys are those of NVIDIA's page on Gst-nvinfer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..model import ModelFile

PARSER_LIBRARY = "libnvdsinfer_yolact.so"
_NETWORK_MODES = {"fp32": 0, "int8": 1, "fp16": 2}  # of the file; nvinfer knows no bf16


def configuration(served: ModelFile, file_name: str, batch: int, score_threshold: float) -> str:
    """config_infer.txt. nvinfer looks for the files that it names in its own folder."""
    metadata = served.metadata
    side = metadata.config.image_size
    model = "onnx-file" if served.manifest is None else "model-engine-file"
    engine = f"model-engine-file={file_name}_b{batch}_gpu0_fp32.engine\n" if served.manifest is None else ""
    return f"""\
# {plain(metadata.config.name)} for nvinfer. First: cmake -S parser -B parser/build && cmake --build parser/build
[property]
gpu-id=0
gie-unique-id=1
{model}={file_name}
{engine}batch-size={batch}
network-mode={_NETWORK_MODES.get(metadata.precision, 0)}
infer-dims=3;{side};{side}
# RGB from 0 to 255; the graph normalises each channel. The frame is stretched, as in training.
net-scale-factor=1.0
model-color-format=0
maintain-aspect-ratio=0
scaling-filter=1
# Instance masks, which nvinfer does not cluster: Fast NMS is in the graph.
network-type=3
cluster-mode=4
output-instance-mask=1
segmentation-threshold=0.5
num-detected-classes={metadata.config.num_classes}
labelfile-path=labels.txt
parse-bbox-instance-mask-func-name=NvDsInferParseYolact
custom-lib-path={PARSER_LIBRARY}

[class-attrs-all]
pre-cluster-threshold={score_threshold!r}
topk=-1
"""


def labels(names: Sequence[str]) -> str:
    """labels.txt: a name per line. nvinfer cuts a line at a semicolon."""
    return "".join(plain(name) + "\n" for name in names)


def plain(name: str) -> str:
    """A name of the model as one line without semicolons."""
    return re.sub(r"[;\s]+", " ", name).strip()
