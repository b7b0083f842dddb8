"""The end-to-end graph: pixels, network, Fast NMS, masks, in one ONNX model."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.inliner
from onnx import TensorProto, helper, numpy_helper

from yolact_deploy.artifacts.metadata import IMAGE_INPUTS, IMAGE_SIZE_MASKS, PLANAR_INPUTS, ModelMetadata
from yolact_deploy.artifacts.operators import DOMAIN, FAST_NMS, MASK_ASSEMBLY
from yolact_deploy.artifacts.outputs import COUNTS, IMAGE_INPUT, PLANAR_INPUT
from yolact_deploy.artifacts.tensor_names import FLOAT_IMAGE, NETWORK_INPUT, PADDED_IMAGE
from yolact_deploy.config.model import KEEP_ASPECT, ModelConfig
from yolact_deploy.export.graph.aspect import SQUARE_BOXES, SQUARE_MASKS, image_boxes, image_masks, padded_image
from yolact_deploy.export.graph.domain import DOMAIN_VERSION, OPSET, inlined
from yolact_deploy.export.graph.fast_nms import fast_nms_attributes, fast_nms_function
from yolact_deploy.export.graph.mask_assembly import (
    image_mask_attributes,
    image_mask_function,
    mask_assembly_attributes,
    mask_assembly_function,
)
from yolact_deploy.ops.boxes import make_priors

PROTOTYPE_MASKS = "postprocess/prototype_masks"  # [B,D,Hp,Wp], for re-scoring where `masks` have the image's size
_FLAT_COUNTS = "postprocess/counts"  # [B], where the output is [B,1]
_IR_VERSION = 10  # what TensorRT 10.3 reads


def build_model(
    network: onnx.GraphProto, metadata: ModelMetadata, batch: int | None, mask_scores: onnx.GraphProto | None = None
) -> onnx.ModelProto:
    """Put the parts around `network` (see network.export_network) and let the result pass onnx.checker.

    mask_scores: see mask_scores.export_mask_scores; None for YOLACT. Outputs: boxes [B,D,4], scores [B,D],
    classes [B,D] int32, masks as metadata.mask_size says, num_detections [B] int32 ([B,1] with planar inputs, because
    DeepStream's nvinfer takes no output without a dimension after the batch), and of YOLACT++ mask_scores [B,D].
    """
    config = metadata.config
    batch_dim: int | str = batch or "B"
    if metadata.input_kind == IMAGE_INPUTS:
        shape = [batch_dim, "H", "W", 3]
        graph_input = helper.make_tensor_value_info(IMAGE_INPUT, TensorProto.UINT8, shape)
        nodes, initializers = _preprocess(config)
        named = [helper.make_tensor_value_info(FLOAT_IMAGE, TensorProto.FLOAT, shape)]
        if config.resize == KEEP_ASPECT:
            square = [batch_dim, "M", "M", 3]
            named.append(helper.make_tensor_value_info(PADDED_IMAGE, TensorProto.FLOAT, square))
    else:
        shape = [batch_dim, 3, config.image_size, config.image_size]
        is_planar = metadata.input_kind == PLANAR_INPUTS
        graph_input = helper.make_tensor_value_info(
            PLANAR_INPUT if is_planar else NETWORK_INPUT, TensorProto.FLOAT, shape
        )
        nodes, initializers = _normalize(config) if is_planar else ([], [])
        named = []
    postprocess_nodes, constants, functions = _postprocess(metadata)
    rescoring = mask_scores or onnx.GraphProto()
    graph = helper.make_graph(
        nodes=[*nodes, *network.node, *postprocess_nodes, *rescoring.node],
        name="yolact",
        inputs=[graph_input],
        outputs=_outputs(metadata, batch_dim),
        initializer=[
            *initializers,
            *network.initializer,
            numpy_helper.from_array(make_priors(config), "priors"),
            *constants,
            *rescoring.initializer,
        ],
        value_info=[*named, *network.input, *network.output],  # where the graph may be cut
    )
    model = helper.make_model(
        graph,
        functions=functions,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)],
        ir_version=_IR_VERSION,
        producer_name="yolact-deploy",
        producer_version=metadata.tool_version,
    )
    helper.set_model_props(model, metadata.to_props())
    onnx.checker.check_model(model, full_check=True)
    return model


def with_standard_operators(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with its functions inlined: for what knows neither our domain nor model-local functions."""
    inlined_model = onnx.inliner.inline_local_functions(model)
    kept = [entry for entry in inlined_model.opset_import if entry.domain != DOMAIN]
    del inlined_model.opset_import[:]
    inlined_model.opset_import.extend(kept)
    onnx.checker.check_model(inlined_model, full_check=True)
    return inlined_model


def _preprocess(config: ModelConfig) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """preprocess.preprocess in nodes. Cast comes first: TensorRT takes uint8 nowhere else."""
    normalization = config.normalization
    keeps_aspect = config.resize == KEEP_ASPECT
    padding_nodes, padding_constants = padded_image(config) if keeps_aspect else ([], [])
    constants: dict[str, np.ndarray] = {
        "preprocess/size": np.array([config.image_size, config.image_size], np.int64),
        "preprocess/std": np.array(normalization.std, np.float32).reshape(1, 3, 1, 1),
        "preprocess/rgb": np.array([2, 1, 0], np.int64),
    }
    if not keeps_aspect:
        constants["preprocess/mean"] = np.array(normalization.mean, np.float32).reshape(1, 3, 1, 1)

    def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(operator, inputs, [output], name=f"preprocess/{operator}", **attributes)

    resized = "preprocess/resized"
    nodes = [
        node("Cast", [IMAGE_INPUT], FLOAT_IMAGE, to=TensorProto.FLOAT),
        *padding_nodes,
        node("Transpose", [PADDED_IMAGE if keeps_aspect else FLOAT_IMAGE], "preprocess/planes", perm=[0, 3, 1, 2]),
        # Whole sizes, not the attribute `axes`: with that, TensorRT-RTX 1.7 refuses a dynamic batch.
        node("Shape", ["preprocess/planes"], "preprocess/batch_and_channels", start=0, end=2),
        node("Concat", ["preprocess/batch_and_channels", "preprocess/size"], "preprocess/sizes", axis=0),
        node(
            "Resize",
            ["preprocess/planes", "", "", "preprocess/sizes"],
            resized,
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        *([] if keeps_aspect else [node("Sub", [resized, "preprocess/mean"], "preprocess/centered")]),
        node("Div", [resized if keeps_aspect else "preprocess/centered", "preprocess/std"], "preprocess/normalized"),
        node("Gather", ["preprocess/normalized", "preprocess/rgb"], NETWORK_INPUT, axis=1),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return nodes, [*initializers, *padding_constants]


def _normalize(config: ModelConfig) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """What is left of `_preprocess` when the planes come resized and in RGB order."""
    constants = {
        "preprocess/mean": np.array(config.normalization.mean[::-1], np.float32).reshape(1, 3, 1, 1),
        "preprocess/std": np.array(config.normalization.std[::-1], np.float32).reshape(1, 3, 1, 1),
    }
    nodes = [
        helper.make_node("Sub", [PLANAR_INPUT, "preprocess/mean"], ["preprocess/centered"], name="preprocess/Sub"),
        helper.make_node("Div", ["preprocess/centered", "preprocess/std"], [NETWORK_INPUT], name="preprocess/Div"),
    ]
    return nodes, [numpy_helper.from_array(value, name) for name, value in constants.items()]


def _postprocess(
    metadata: ModelMetadata,
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], list[onnx.FunctionProto]]:
    """The nodes of our domain and, where the network sees a padded square, those that lead back to the image; their
    constants; the functions that say what the domain nodes mean."""
    config, postprocess = metadata.config, metadata.postprocess
    is_square = config.resize == KEEP_ASPECT and metadata.input_kind == IMAGE_INPUTS
    is_planar = metadata.input_kind == PLANAR_INPUTS
    boxes = SQUARE_BOXES if is_square else "boxes"
    fast_nms = _domain_node(
        FAST_NMS,
        ["loc", "conf", "coef", "priors"],
        [boxes, "scores", "classes", "kept_coefs", _FLAT_COUNTS if is_planar else COUNTS],
        fast_nms_attributes(postprocess),
    )
    nodes, functions = _masks(metadata, ["proto", "kept_coefs", boxes], is_square)
    back = [image_boxes("boxes")] if is_square else []
    if is_square and metadata.mask_size == IMAGE_SIZE_MASKS:
        back.append(image_masks("masks"))
    return (
        [fast_nms, *nodes, *(node for part in back for node in part[0]), *(_column_of_counts() if is_planar else ())],
        [constant for part in back for constant in part[1]],
        [fast_nms_function(postprocess, config.num_priors, config.num_classes), *functions],
    )


def _masks(
    metadata: ModelMetadata, inputs: list[str], is_square: bool
) -> tuple[list[onnx.NodeProto], list[onnx.FunctionProto]]:
    """Mask assembly of `inputs`: proto, coefs, boxes. is_square: they are of the padded square."""
    config = metadata.config
    function = mask_assembly_function(config.proto_size, config.proto_size)
    if metadata.mask_size != IMAGE_SIZE_MASKS:
        return [_domain_node(MASK_ASSEMBLY, inputs, ["masks"], mask_assembly_attributes())], [function]
    image, output = (PADDED_IMAGE, SQUARE_MASKS) if is_square else (FLOAT_IMAGE, "masks")
    nodes = [_domain_node(MASK_ASSEMBLY, [*inputs, image], [output], image_mask_attributes())]
    if config.rescores_masks:
        # The net that re-scores masks wants them at prototype size, too. Plain nodes make them, because a function may
        # be found by its name alone: TensorRT for RTX 1.7 gives nodes of one name one body, silently, whatever their
        # domains and overloads are.
        tensors = dict(zip(function.input, inputs, strict=True)) | {"masks": PROTOTYPE_MASKS}
        nodes += inlined(function, tensors, PROTOTYPE_MASKS)
    return nodes, [image_mask_function(config.proto_size, config.proto_size)]


def _column_of_counts() -> tuple[onnx.NodeProto, ...]:
    """[B] -> [B,1]."""
    axis, name = "postprocess/last_axis", "postprocess/Unsqueeze"
    return (
        helper.make_node("Constant", [], [axis], name=axis, value_ints=[1]),
        helper.make_node("Unsqueeze", [_FLAT_COUNTS, axis], [COUNTS], name=name),
    )


def _domain_node(operator: str, inputs: list[str], outputs: list[str], attributes: dict[str, Any]) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, outputs, name=f"postprocess/{operator}", domain=DOMAIN, **attributes)


def _outputs(metadata: ModelMetadata, batch: int | str) -> list[onnx.ValueInfoProto]:
    config, count = metadata.config, metadata.postprocess.output_count
    mask_shape: tuple[int | str, ...]
    mask_type, mask_shape = TensorProto.FLOAT, (config.proto_size, config.proto_size)
    if metadata.mask_size == IMAGE_SIZE_MASKS:
        mask_type, mask_shape = TensorProto.INT32, ("H", "words")  # of 32 pixels, the last of a row filled up
    counts_shape = [batch, 1] if metadata.input_kind == PLANAR_INPUTS else [batch]
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [batch, count, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, count]),
        helper.make_tensor_value_info("classes", TensorProto.INT32, [batch, count]),
        helper.make_tensor_value_info("masks", mask_type, [batch, count, *mask_shape]),
        helper.make_tensor_value_info(COUNTS, TensorProto.INT32, counts_shape),
    ]
    if config.rescores_masks:
        outputs.append(helper.make_tensor_value_info("mask_scores", TensorProto.FLOAT, [batch, count]))
    return outputs
