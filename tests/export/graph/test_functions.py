"""The function bodies in ONNX Runtime say the same as the PyTorch reference, on hard and random cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.hard_cases import HARD_CASES, RULES, Case, random_case, with_rules
from yolact_deploy.artifacts.operators import DOMAIN, FAST_NMS, MASK_ASSEMBLY
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import ConfigError
from yolact_deploy.export.graph import fast_nms as fast_nms_module
from yolact_deploy.export.graph.domain import DOMAIN_VERSION, OPSET
from yolact_deploy.export.graph.fast_nms import fast_nms_attributes, fast_nms_function
from yolact_deploy.export.graph.mask_assembly import (
    image_mask_attributes,
    image_mask_function,
    mask_assembly_attributes,
    mask_assembly_function,
)
from yolact_deploy.ops.masks import MASK_THRESHOLD
from yolact_deploy.ops.postprocess import assemble_masks, fast_nms, upsample_masks

FLOAT, INT32 = TensorProto.FLOAT, TensorProto.INT32
NMS_OUTPUTS = {"boxes": (FLOAT, 3), "scores": (FLOAT, 2), "classes": (INT32, 2), "coefs": (FLOAT, 3),
               "num_detections": (INT32, 1)}  # fmt: skip  # type and rank


def run(
    node: onnx.NodeProto, function: onnx.FunctionProto, feed: dict[str, np.ndarray], outputs: dict[str, tuple[int, int]]
) -> dict[str, np.ndarray]:
    """One node with its function, in ONNX Runtime without graph optimisation, so that the body runs as written."""
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in feed.items()],
        [helper.make_tensor_value_info(name, kind, [None] * rank) for name, (kind, rank) in outputs.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)]
    model = helper.make_model(graph, functions=[function], opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(outputs, session.run(list(outputs), feed), strict=True))


def run_fast_nms(cases: list[Case], config: PostprocessConfig) -> dict[str, np.ndarray]:
    node = helper.make_node(
        FAST_NMS, ["loc", "conf", "coef", "priors"], list(NMS_OUTPUTS), domain=DOMAIN, **fast_nms_attributes(config)
    )
    feed = {name: torch.stack([getattr(case, name) for case in cases]).numpy() for name in ("loc", "conf", "coef")}
    feed["priors"] = cases[0].priors.numpy()
    priors, classes = len(cases[0].priors), cases[0].conf.shape[1] - 1
    return run(node, fast_nms_function(config, priors, classes), feed, NMS_OUTPUTS)


def check_fast_nms(cases: list[Case], config: PostprocessConfig) -> None:
    """Every image of the batch equals the reference; the rows past its detections are zero."""
    outputs = run_fast_nms(cases, config)
    assert outputs["boxes"].shape == (len(cases), config.output_count, 4)
    assert outputs["classes"].dtype == outputs["num_detections"].dtype == np.int32
    for index, case in enumerate(cases):
        expected = fast_nms(case.loc, case.conf, case.coef, cases[0].priors, config)
        count = outputs["num_detections"][index]
        assert count == len(expected.scores)
        for name in ("boxes", "scores", "classes", "coefs"):
            actual = outputs[name][index]
            np.testing.assert_allclose(actual[:count], getattr(expected, name).numpy(), rtol=1e-6, atol=1e-6)
            assert not actual[count:].any()


@pytest.mark.parametrize("rules", ["official", "all"])
@pytest.mark.parametrize("few", [2, fast_nms_module.FEW])
@pytest.mark.parametrize("cross_class", [False, True])
@pytest.mark.parametrize("name", HARD_CASES)
def test_fast_nms_on_hard_cases(
    name: str, cross_class: bool, few: int, rules: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With and without the short cut for few candidates."""
    monkeypatch.setattr(fast_nms_module, "FEW", few)
    case = HARD_CASES[name]()
    config = PostprocessConfig(top_k=12, max_detections=7, cross_class=cross_class)
    check_fast_nms([case], with_rules(config, rules, case))


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**31), batch=st.integers(1, 3), n=st.integers(1, 60), classes=st.integers(1, 6),
    cross_class=st.booleans(), top_k=st.integers(1, 40), max_detections=st.integers(1, 50),
    score_threshold=st.sampled_from([0.0, 0.05, 0.3]), iou_threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    few=st.integers(1, 60), rules=st.sampled_from(list(RULES)),
)  # fmt: skip
def test_fast_nms_on_random_shapes(
    seed: int, batch: int, n: int, classes: int, few: int, rules: str, **options: object
) -> None:
    cases = [random_case(seed + index, n, classes) for index in range(batch)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_nms_module, "FEW", few)
        config = PostprocessConfig(**options)  # type: ignore[arg-type]
        check_fast_nms(cases, with_rules(config, rules, cases[0]))


@pytest.mark.parametrize("count", [999, 1000, 1001, 1024, 1025, 2100])
def test_the_limit_of_a_level_holds_beside_the_short_cut(count: int) -> None:
    """All candidates in one level: below its limit, between it and the short cut's, and above both."""
    case = random_case(12, n=2500, classes=3)
    conf = np.full((2500, 4), 0.01, np.float32)
    random = np.random.default_rng(count)
    conf[random.permutation(2200)[:count], 1] = random.integers(10, 90, count) / np.float32(100)
    config = PostprocessConfig(candidates_per_level=1000, level_priors=(2200, 300), top_k=1024, max_detections=1024,
                               iou_threshold=1.0)  # fmt: skip
    check_fast_nms([replace(case, conf=torch.from_numpy(conf))], config)


def test_a_function_for_levels_of_another_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="9 priors, not 300"):
        fast_nms_function(PostprocessConfig(candidates_per_level=2, level_priors=(5, 4)), 300, 3)


def test_rules_that_are_not_used_leave_no_attribute() -> None:
    """So that plugins of before take what they can do."""
    before = {"score_threshold", "iou_threshold", "top_k", "max_detections", "cross_class"}
    assert set(fast_nms_attributes(PostprocessConfig())) - {"plugin_version", "plugin_namespace"} == before


@pytest.mark.parametrize("cross_class", [False, True])
@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 1500])
def test_fast_nms_with_so_many_candidates(count: int, cross_class: bool) -> None:
    """Around the limit of the short cut, with many equal scores, which rank by their place."""
    case = random_case(11, n=1500, classes=5)
    random = np.random.default_rng(count)
    conf = np.full((1500, 6), 0.01, np.float32)
    chosen = random.permutation(1500)[:count]
    conf[chosen, random.integers(1, 6, count)] = random.integers(2, 10, count) / np.float32(10)
    conf[:, 0] = 1 - conf[:, 1:].sum(axis=1)
    check_fast_nms([replace(case, conf=torch.from_numpy(conf))], PostprocessConfig(cross_class=cross_class))


def test_fast_nms_at_full_size() -> None:
    """80 classes, more candidates than top_k, the default blocks of the overlap."""
    check_fast_nms([random_case(5, n=1500, classes=80, prototypes=32)], PostprocessConfig(score_threshold=0.01))


def test_iou_exactly_at_the_threshold() -> None:
    """As in tests/ops/test_postprocess.py: an IoU of exactly 1/2 survives at 0.5, not below."""
    case = Case(
        torch.zeros(2, 4),
        torch.tensor([[0.1, 0.9], [0.2, 0.8]]),
        torch.zeros(2, 2),
        torch.tensor([[0.5, 0.5, 1.0, 1.0], [1.0, 0.5, 2.0, 1.0]]),
    )
    assert run_fast_nms([case], PostprocessConfig(iou_threshold=0.5))["num_detections"] == [2]
    assert run_fast_nms([case], PostprocessConfig(iou_threshold=0.4999))["num_detections"] == [1]


def run_mask_assembly(proto: np.ndarray, coefs: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    node = helper.make_node(
        MASK_ASSEMBLY, ["proto", "coefs", "boxes"], ["masks"], domain=DOMAIN, **mask_assembly_attributes()
    )
    function = mask_assembly_function(*proto.shape[1:3])
    return run(node, function, {"proto": proto, "coefs": coefs, "boxes": boxes}, {"masks": (FLOAT, 4)})["masks"]


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**31), batch=st.integers(1, 3), d=st.integers(1, 5),
    height=st.integers(1, 20), width=st.integers(1, 20), prototypes=st.integers(1, 8),
)  # fmt: skip
def test_mask_assembly(seed: int, batch: int, d: int, height: int, width: int, prototypes: int) -> None:
    rng = np.random.default_rng(seed)
    proto = rng.standard_normal((batch, height, width, prototypes)).astype(np.float32)
    coefs = rng.standard_normal((batch, d, prototypes)).astype(np.float32)
    boxes = rng.uniform(-0.5, 1.5, (batch, d, 4)).astype(np.float32)  # inverted and outside ones among them
    actual = run_mask_assembly(proto, coefs, boxes)
    for index in range(batch):
        arguments = (torch.from_numpy(array[index]) for array in (proto, coefs, boxes))
        np.testing.assert_allclose(actual[index], assemble_masks(*arguments).numpy(), atol=1e-6)


def test_padding_rows_have_empty_masks() -> None:
    """Four zeros are no box; the crop's padding must not turn them into a pixel."""
    proto = np.ones((1, 6, 6, 2), np.float32)
    boxes = np.zeros((1, 2, 4), np.float32)
    boxes[0, 0] = [0, 0, 0.001, 0.001]
    masks = run_mask_assembly(proto, np.ones((1, 2, 2), np.float32), boxes)
    assert masks[0, 0].any()
    assert not masks[0, 1].any()


def run_image_masks(proto: np.ndarray, coefs: np.ndarray, boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    node = helper.make_node(
        MASK_ASSEMBLY, ["proto", "coefs", "boxes", "image"], ["masks"], domain=DOMAIN, **image_mask_attributes()
    )
    feed = {"proto": proto, "coefs": coefs, "boxes": boxes}
    feed["image"] = np.full((len(proto), height, width, 3), np.nan, np.float32)  # its values are not used
    return run(node, image_mask_function(*proto.shape[1:3]), feed, {"masks": (INT32, 4)})["masks"]


def pixels_of(words: np.ndarray, width: int) -> np.ndarray:
    """Words [...,ceil(W/32)] as [...,W] bool, bit by bit."""
    bits = [(words >> bit) & 1 for bit in range(32)]
    pixels = np.stack(bits, axis=-1).reshape(*words.shape[:-1], -1).astype(bool)
    assert not pixels[..., width:].any()
    return pixels[..., :width]


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**31), batch=st.integers(1, 3), d=st.integers(1, 4), rows=st.integers(1, 20),
    columns=st.integers(1, 20), height=st.integers(1, 70), width=st.sampled_from([1, 31, 32, 33, 64, 95, 161]),
)  # fmt: skip
def test_masks_at_the_images_size(
    seed: int, batch: int, d: int, rows: int, columns: int, height: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    proto = 3 * rng.standard_normal((batch, rows, columns, 5)).astype(np.float32)
    coefs = rng.standard_normal((batch, d, 5)).astype(np.float32)
    boxes = rng.uniform(-0.5, 1.5, (batch, d, 4)).astype(np.float32)
    words = run_image_masks(proto, coefs, boxes, height, width)
    assert words.shape == (batch, d, height, -(-width // 32))
    actual = pixels_of(words, width)
    for index in range(batch):
        masks = assemble_masks(*(torch.from_numpy(array[index]) for array in (proto, coefs, boxes)))
        soft = upsample_masks(masks, height, width).numpy()
        clear = np.abs(soft - MASK_THRESHOLD) > 1e-5  # nearer to the threshold rounding decides
        np.testing.assert_array_equal(actual[index][clear], (soft > MASK_THRESHOLD)[clear])


def test_the_last_bit_of_a_word_is_its_sign() -> None:
    words = run_image_masks(
        np.ones((1, 4, 4, 1), np.float32), np.ones((1, 1, 1), np.float32), np.float32([[[0, 0, 1, 1]]]), 2, 33
    )
    np.testing.assert_array_equal(words, np.broadcast_to([-1, 1], (1, 1, 2, 2)))


def test_constants_are_tensors() -> None:
    """ONNX Runtime 1.23 refuses functions whose TopK takes its K from a `value_ints` attribute."""
    functions = [
        fast_nms_function(PostprocessConfig(), 300, 3),
        mask_assembly_function(4, 4),
        image_mask_function(4, 4),
    ]
    constants = [node for function in functions for node in function.node if node.op_type == "Constant"]
    assert constants
    assert {node.attribute[0].name for node in constants} == {"value"}
