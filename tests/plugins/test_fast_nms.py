"""`YolactFastNMS`, its host build, equals the PyTorch reference: classes, order and priors exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import DATA
from tests.hard_cases import HARD_CASES, RULES, Case, random_case, with_rules
from tests.plugins.host_build import ORDERS, HostBuild
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.ops.boxes import box_iou, decode
from yolact_deploy.ops.postprocess import fast_nms

FP32, FP16 = np.float32, np.float16
TOLERANCE = {FP32: 1e-5, FP16: 2e-3}


def with_indices(case: Case) -> Case:
    """The coefficients tell the prior, in half precision too: the operator does not return which ones it kept."""
    coef = case.coef.clone()
    coef[:, 0] = torch.arange(len(coef)) % 2048
    coef[:, -1] += torch.arange(len(coef)) // 2048 * 64
    return Case(case.loc, case.conf, coef, case.priors)


def run(
    host_build: HostBuild, cases: list[Case], config: PostprocessConfig, dtype: type, order: str = "forward"
) -> dict[str, np.ndarray]:
    stacked = [torch.stack([getattr(case, name) for case in cases]).numpy() for name in ("loc", "conf", "coef")]
    return host_build.fast_nms(*(array.astype(dtype) for array in stacked), cases[0].priors.numpy(), config, order)


def check(host_build: HostBuild, cases: list[Case], config: PostprocessConfig, dtype: type = FP32) -> None:
    """Every image of the batch equals the reference, which sees what half precision left of the inputs."""
    cases = [with_indices(case) for case in cases]
    outputs = run(host_build, cases, config, dtype)
    rounded = {FP32: torch.float32, FP16: torch.float16}[dtype]
    for index, case in enumerate(cases):
        loc, conf, coef = (tensor.to(rounded).float() for tensor in (case.loc, case.conf, case.coef))
        expected = fast_nms(loc, conf, coef, cases[0].priors, config)
        count = outputs["num_detections"][index]
        assert count == len(expected.scores)
        for name in ("classes", "scores", "coefs"):
            np.testing.assert_array_equal(outputs[name][index, :count], getattr(expected, name).numpy())
        np.testing.assert_allclose(
            outputs["boxes"][index, :count], expected.boxes.numpy(), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
        )
        for name in ("boxes", "scores", "classes", "coefs"):
            assert not outputs[name][index, count:].any()


@pytest.mark.parametrize("dtype", [FP32, FP16])
@pytest.mark.parametrize("cross_class", [False, True])
@pytest.mark.parametrize("rules", ["official", "all"])
@pytest.mark.parametrize("name", HARD_CASES)
def test_hard_cases(host_build: HostBuild, name: str, rules: str, cross_class: bool, dtype: type) -> None:
    case = HARD_CASES[name]()
    config = PostprocessConfig(top_k=12, max_detections=7, cross_class=cross_class)
    check(host_build, [case], with_rules(config, rules, case), dtype)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31), batch=st.integers(1, 3), n=st.integers(1, 150), classes=st.integers(1, 9),
    prototypes=st.integers(1, 9), dtype=st.sampled_from([FP32, FP16]), cross_class=st.booleans(),
    top_k=st.integers(1, 60), max_detections=st.integers(1, 70), rules=st.sampled_from(list(RULES)),
    score_threshold=st.sampled_from([0.0, 0.05, 0.3]), iou_threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)  # fmt: skip
def test_random_shapes(
    host_build: HostBuild, seed: int, batch: int, n: int, classes: int, prototypes: int, dtype: type, rules: str,
    **options: object,
) -> None:  # fmt: skip
    cases = [random_case(seed + index, n, classes, prototypes) for index in range(batch)]
    config = PostprocessConfig(**options)  # type: ignore[arg-type]
    check(host_build, cases, with_rules(config, rules, cases[0]), dtype)


@pytest.mark.parametrize("dtype", [FP32, FP16])
@pytest.mark.parametrize("cross_class", [False, True])
@pytest.mark.parametrize("limit", [1, 512, 1000, 1023, 1024, 1025, 3000, 3840])
def test_levels_with_more_candidates_than_they_may_have(
    host_build: HostBuild, limit: int, cross_class: bool, dtype: type
) -> None:
    """Two images, many equal scores, levels over the limit and under it."""
    cases = [random_case(seed, n=4500, classes=3, prototypes=2) for seed in (21, 22)]
    config = PostprocessConfig(
        candidates_per_level=limit, level_priors=(3100, 1050, 300, 50), top_k=1024, max_detections=1024,
        cross_class=cross_class, iou_threshold=0.9,
    )  # fmt: skip
    check(host_build, cases, config, dtype)


def test_of_equal_scores_a_level_keeps_the_first_priors(host_build: HostBuild) -> None:
    """Only the prior's index is left to decide."""
    case = random_case(3, n=3000, classes=2)
    equal = Case(case.loc * 0.01, torch.full_like(case.conf, 0.25), case.coef, case.priors * 0.02)
    config = PostprocessConfig(candidates_per_level=700, level_priors=(2000, 1000), top_k=1024, max_detections=1024)
    check(host_build, [equal], config)


def test_levels_of_another_model_are_refused(host_build: HostBuild) -> None:
    with pytest.raises(AssertionError, match="refused"):
        run(host_build, [random_case(9, n=40)], PostprocessConfig(candidates_per_level=2, level_priors=(5, 4)), FP32)


@pytest.mark.parametrize("dtype", [FP32, FP16])
def test_full_size_with_different_counts(host_build: HostBuild, dtype: type) -> None:
    """80 classes and three images: more candidates than are sorted at once, some, and none."""
    cases = [random_case(seed, n=1501, classes=80, prototypes=32) for seed in (5, 6, 7)]
    cases[1] = Case(
        cases[1].loc, cases[1].conf * (torch.arange(1501) % 7 == 0)[:, None], cases[1].coef, cases[1].priors
    )
    cases[2] = Case(cases[2].loc, cases[2].conf * 0.01, cases[2].coef, cases[2].priors)
    check(host_build, cases, PostprocessConfig(score_threshold=0.01), dtype)


@pytest.mark.parametrize("top_k", [1, 512, 513, 1024])
def test_many_equal_scores(host_build: HostBuild, top_k: int) -> None:
    """Only the prior's index is left to decide: the selection needs its last digits."""
    case = random_case(3, n=3000, classes=2)
    equal = Case(case.loc * 0.01, torch.full_like(case.conf, 0.25), case.coef, case.priors * 0.02)
    check(host_build, [equal], PostprocessConfig(top_k=top_k, max_detections=1024))


def test_largest_settings(host_build: HostBuild) -> None:
    """The most classes and coefficients; one prior more than a tile."""
    case = random_case(4, n=8, classes=1024, prototypes=64)
    check(host_build, [case], PostprocessConfig(score_threshold=0.0, top_k=1024, max_detections=1024))


@pytest.mark.parametrize("dtype", [FP32, FP16])
@pytest.mark.parametrize("cross_class", [False, True])
def test_every_prior_is_a_candidate(host_build: HostBuild, cross_class: bool, dtype: type) -> None:
    """The worst case of YOLACT++: 57,744 priors, all above the threshold, 80 classes."""
    rng = np.random.default_rng(8)
    count, classes = 57744, 80
    loc = rng.standard_normal((count, 4)).astype(np.float32)
    priors = rng.uniform(0.02, 0.3, (count, 4)).astype(np.float32)
    conf = rng.uniform(0.06, 1, (count, classes + 1)).astype(np.float32)
    coef = rng.standard_normal((count, 2)).astype(np.float32)
    case = Case(*(torch.from_numpy(array) for array in (loc, conf, coef, priors)))
    check(host_build, [case], PostprocessConfig(cross_class=cross_class), dtype)


def test_the_most_priors(host_build: HostBuild) -> None:
    """A prior's index has 16 bits of a key, all of which are used; one more prior is refused."""
    case = random_case(9, n=65536, classes=1, prototypes=2)
    check(host_build, [Case(case.loc, torch.full_like(case.conf, 0.5), case.coef, case.priors * 0.02)],
          PostprocessConfig(top_k=1024, max_detections=1024))  # fmt: skip
    with pytest.raises(AssertionError, match="refused"):
        run(host_build, [random_case(9, n=65537, classes=1)], PostprocessConfig(), FP32)


@pytest.mark.parametrize("limit", [0, 100])
@pytest.mark.parametrize("cross_class", [False, True])
def test_thread_orders_give_identical_bits(host_build: HostBuild, cross_class: bool, limit: int) -> None:
    config = PostprocessConfig(score_threshold=0.01, cross_class=cross_class, candidates_per_level=limit,
                               level_priors=(1000, 501))  # fmt: skip
    cases = [random_case(seed, n=1501, classes=20, prototypes=8) for seed in (1, 2)]
    results = [run(host_build, cases, config, FP32, order) for order in ORDERS]
    assert results[0]["num_detections"].min() > 0
    for other in results[1:]:
        for name, expected in results[0].items():
            assert other[name].tobytes() == expected.tobytes()


def test_iou_exactly_at_the_threshold(host_build: HostBuild) -> None:
    """As in tests/ops/test_postprocess.py: an IoU of exactly 1/2 survives at 0.5, not below."""
    priors = torch.tensor([[0.5, 0.5, 1.0, 1.0], [1.0, 0.5, 2.0, 1.0]])
    case = Case(torch.zeros(2, 4), torch.tensor([[0.1, 0.9], [0.2, 0.8]]), torch.zeros(2, 2), priors)
    for threshold, count in ((0.5, 2), (0.4999, 1)):
        config = PostprocessConfig(iou_threshold=threshold)
        assert run(host_build, [case], config, FP32)["num_detections"] == [count]


@pytest.mark.parametrize("size", [1.0, 1e-8, 1e-16, 1e-19])
def test_iou_near_the_threshold(host_build: HostBuild, size: float) -> None:
    """Thresholds from the last bit to a relative 1e-5 around the IoU of two boxes, large ones and tiny ones."""
    scores = torch.tensor([[0.1, 0.9], [0.2, 0.8]])
    fallen = 0
    for seed in range(40):
        priors = random_case(seed, n=2).priors * torch.tensor([0.3, 0.3, 1.0, 1.0]) * size
        case = Case(torch.zeros(2, 4), scores, torch.zeros(2, 2), priors)
        boxes = decode(case.loc, priors)
        iou = box_iou(boxes, boxes)[0, 1].numpy()
        for offset in (0, 1, 2, 8, 16, 17, 100):  # floats
            for sign in (-1, 1):
                near = np.maximum(iou.view(np.int32) + sign * offset, 0, dtype=np.int32).view(FP32)
                config = PostprocessConfig(iou_threshold=min(float(near), 1.0))
                expected = len(fast_nms(case.loc, case.conf, case.coef, priors, config).scores)
                assert run(host_build, [case], config, FP32)["num_detections"] == [expected]
                fallen += 2 - expected
    assert fallen > 100


@pytest.mark.parametrize("dtype", [FP32, FP16])
@pytest.mark.parametrize("cross_class", [False, True])
def test_golden_raw_outputs(host_build: HostBuild, cross_class: bool, dtype: type) -> None:
    """What the official network says of images of the bundled data set."""
    golden = np.load(DATA / "official_nano/reference_raw.npz")
    cases = [
        Case(*(torch.from_numpy(golden[name]) for name in (f"loc_{index}", f"conf_{index}", f"mask_{index}", "priors")))
        for index in range(len(golden["image_ids"]))
    ]
    check(host_build, cases, PostprocessConfig(cross_class=cross_class), dtype)


def test_shapes_out_of_range_are_refused(host_build: HostBuild) -> None:
    case = random_case(1, n=4, prototypes=65)
    with pytest.raises(AssertionError, match="refused"):
        run(host_build, [case], PostprocessConfig(), FP32)
