"""The end-to-end graph: pixels, network, Fast NMS, masks, in one ONNX model."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..boxes import make_priors
from ..config import ModelConfig, PostprocessConfig
from ..metadata import ModelMetadata
from .domain import DOMAIN, DOMAIN_VERSION, FAST_NMS, MASK_ASSEMBLY, OPSET
from .fast_nms import fast_nms_attributes, fast_nms_function
from .mask_assembly import mask_assembly_attributes, mask_assembly_function
from .network import NETWORK_INPUT

IMAGE_INPUT = "image"  # uint8 [B,H,W,3], BGR
_IR_VERSION = 10  # what TensorRT 10.3 reads


def build_model(
    network: onnx.GraphProto, metadata: ModelMetadata, batch: int | None, mask_scores: onnx.GraphProto | None = None
) -> onnx.ModelProto:
    """Put the parts around `network` (see network.export_network) and let the result pass onnx.checker.

    mask_scores: see mask_scores.export_mask_scores; None for YOLACT. Outputs: boxes [B,D,4], scores [B,D],
    classes [B,D] int32, masks [B,D,Hp,Wp], num_detections [B] int32, and of YOLACT++ mask_scores [B,D].
    """
    config, postprocess = metadata.config, metadata.postprocess
    batch_dim: int | str = batch or "B"
    if metadata.input_kind == "image":
        graph_input = helper.make_tensor_value_info(IMAGE_INPUT, TensorProto.UINT8, [batch_dim, "H", "W", 3])
        nodes, initializers = _preprocess(config)
    else:
        size = config.image_size
        graph_input = helper.make_tensor_value_info(NETWORK_INPUT, TensorProto.FLOAT, [batch_dim, 3, size, size])
        nodes, initializers = [], []
    rescoring = mask_scores or onnx.GraphProto()
    graph = helper.make_graph(
        nodes=[*nodes, *network.node, *_domain_nodes(postprocess), *rescoring.node],
        name="yolact",
        inputs=[graph_input],
        outputs=_outputs(config, postprocess, batch_dim),
        initializer=[
            *initializers,
            *network.initializer,
            numpy_helper.from_array(make_priors(config), "priors"),
            *rescoring.initializer,
        ],
        value_info=[*network.input, *network.output],
    )
    model = helper.make_model(
        graph,
        functions=[
            fast_nms_function(postprocess, config.num_priors, config.num_classes),
            mask_assembly_function(config.proto_size, config.proto_size),
        ],
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)],
        ir_version=_IR_VERSION,
        producer_name="yolact-deploy",
        producer_version=metadata.tool_version,
    )
    helper.set_model_props(model, metadata.to_props())
    onnx.checker.check_model(model, full_check=True)
    return model


def _preprocess(config: ModelConfig) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """preprocess.preprocess in nodes. Cast comes first: TensorRT takes uint8 nowhere else."""
    normalization = config.normalization
    constants: dict[str, np.ndarray] = {
        "preprocess/size": np.array([config.image_size, config.image_size], np.int64),
        "preprocess/mean": np.array(normalization.mean, np.float32).reshape(1, 3, 1, 1),
        "preprocess/std": np.array(normalization.std, np.float32).reshape(1, 3, 1, 1),
        "preprocess/rgb": np.array([2, 1, 0], np.int64),
    }

    def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(operator, inputs, [output], name=f"preprocess/{operator}", **attributes)

    nodes = [
        node("Cast", [IMAGE_INPUT], "preprocess/float", to=TensorProto.FLOAT),
        node("Transpose", ["preprocess/float"], "preprocess/planes", perm=[0, 3, 1, 2]),
        # Whole sizes, not the attribute `axes`: with that, TensorRT-RTX 1.7 refuses a dynamic batch.
        node("Shape", ["preprocess/planes"], "preprocess/batch_and_channels", start=0, end=2),
        node("Concat", ["preprocess/batch_and_channels", "preprocess/size"], "preprocess/sizes", axis=0),
        node(
            "Resize",
            ["preprocess/planes", "", "", "preprocess/sizes"],
            "preprocess/resized",
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        node("Sub", ["preprocess/resized", "preprocess/mean"], "preprocess/centered"),
        node("Div", ["preprocess/centered", "preprocess/std"], "preprocess/normalized"),
        node("Gather", ["preprocess/normalized", "preprocess/rgb"], NETWORK_INPUT, axis=1),
    ]
    return nodes, [numpy_helper.from_array(value, name) for name, value in constants.items()]


def _domain_nodes(postprocess: PostprocessConfig) -> list[onnx.NodeProto]:
    return [
        helper.make_node(
            FAST_NMS,
            ["loc", "conf", "coef", "priors"],
            ["boxes", "scores", "classes", "kept_coefs", "num_detections"],
            name=f"postprocess/{FAST_NMS}",
            domain=DOMAIN,
            **fast_nms_attributes(postprocess),
        ),
        helper.make_node(
            MASK_ASSEMBLY,
            ["proto", "kept_coefs", "boxes"],
            ["masks"],
            name=f"postprocess/{MASK_ASSEMBLY}",
            domain=DOMAIN,
            **mask_assembly_attributes(),
        ),
    ]


def _outputs(config: ModelConfig, postprocess: PostprocessConfig, batch: int | str) -> list[onnx.ValueInfoProto]:
    count, size = postprocess.output_count, config.proto_size
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [batch, count, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, count]),
        helper.make_tensor_value_info("classes", TensorProto.INT32, [batch, count]),
        helper.make_tensor_value_info("masks", TensorProto.FLOAT, [batch, count, size, size]),
        helper.make_tensor_value_info("num_detections", TensorProto.INT32, [batch]),
    ]
    if config.rescores_masks:
        outputs.append(helper.make_tensor_value_info("mask_scores", TensorProto.FLOAT, [batch, count]))
    return outputs
