"""Networks with other official options: exported, converted and compared like the default one."""

from __future__ import annotations

import functools
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from tests.conftest import NANO, seeded_state_dict
from tests.export.graph.test_torch_to_onnx import assert_same
from tests.variants import FINER, OWN, variant_config
from yolact_deploy.artifacts.onnx_file import metadata_of
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.diagnosis.compare import CompareOptions, compare_models
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx
from yolact_deploy.export.precision.convert import convert_file, convert_precision
from yolact_deploy.export.precision.int8.calibration import Calibration, collect
from yolact_deploy.export.precision.int8.convert import Int8Options, convert_int8
from yolact_deploy.export.precision.int8.network_part import cut_network
from yolact_deploy.export.precision.int8.stages import nodes_of_stages, work_of_stages
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image

POSTPROCESS = PostprocessConfig(max_detections=20)


@pytest.fixture(scope="module", params=[FINER, OWN])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """Name of the variant, its checkpoint, its ONNX file."""
    folder = tmp_path_factory.mktemp(request.param)
    config = variant_config(request.param)
    torch.save(seeded_state_dict(config), folder / "mine.pth")
    options = ExportOptions(folder / "mine.onnx", config=config, postprocess=POSTPROCESS)
    result = export_onnx(folder / "mine.pth", options)
    assert result.check.passed
    assert result.check.reference_count > 0
    return request.param, folder / "mine.pth", result.path


def test_a_file_gives_what_pytorch_gives(exported: tuple[str, Path, Path], nano_image: Image) -> None:
    name, weights, path = exported
    config = variant_config(name)
    with (
        Predictor.open(weights, config=config, postprocess=POSTPROCESS) as reference,
        Predictor.open(path, device="cpu") as predictor,
    ):
        assert predictor.metadata.config == config
        found = predictor(nano_image)
        assert len(found) > 0
        assert_same(found, reference(nano_image))


def test_compare_finds_nothing(exported: tuple[str, Path, Path], nano_image: Image) -> None:
    name, weights, path = exported
    comparison = compare_models(weights, path, nano_image, CompareOptions(config=variant_config(name)))
    assert comparison.first_divergence is None, comparison.culprit
    assert all(result.difference is not None for result in comparison.stages)


def test_half_precision(exported: tuple[str, Path, Path], nano_image: Image, tmp_path: Path) -> None:
    _, _, path = exported
    onnx.checker.check_model(convert_precision(onnx.load(path), "bf16"), full_check=True)  # not run: no CPU does
    half = convert_file(path, tmp_path / "half.onnx", "fp16").path
    comparison = compare_models(path, half, nano_image, CompareOptions())
    assert comparison.first_divergence is None, comparison.culprit


@pytest.mark.parametrize("layout", ["cpu", "tensorrt"])
def test_int8(exported: tuple[str, Path, Path], nano_image: Image, tmp_path: Path, layout: str) -> None:
    _, _, path = exported
    model = onnx.load(path)
    statistics = collect(model, metadata_of(model, path), Calibration(NANO, 8, "minmax"), path)
    (tmp_path / "int8.onnx").write_bytes(convert_int8(model, statistics, Int8Options(layout), path).SerializeToString())
    comparison = compare_models(path, tmp_path / "int8.onnx", nano_image, CompareOptions())
    assert comparison.first_divergence is None, comparison.culprit


def test_packed_masks_are_those_of_the_prototypes(
    exported: tuple[str, Path, Path], nano_image: Image, tmp_path: Path
) -> None:
    name, weights, path = exported
    options = ExportOptions(
        tmp_path / "image.onnx", config=variant_config(name), postprocess=POSTPROCESS, mask_size="image"
    )
    result = export_onnx(weights, options)
    assert result.check.passed
    with Predictor.open(path, device="cpu") as soft, Predictor.open(result.path, device="cpu") as packed:
        assert_same(packed(nano_image), soft(nano_image))


@torch.inference_mode()
def test_the_work_of_stages_counts_every_kind_of_convolution(exported: tuple[str, Path, Path]) -> None:
    name, _, path = exported
    config = variant_config(name)
    work: dict[str, int] = {}

    def count(key: str, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        place = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        work[key] = work.get(key, 0) + module.weight.numel() * place.shape[2] * place.shape[3]  # type: ignore[operator]

    model = Yolact(config).eval()
    for key, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(functools.partial(count, key))
    model(torch.zeros(1, 3, config.image_size, config.image_size))
    network = cut_network(onnx.load(path), path)
    shares = work_of_stages(network, nodes_of_stages(network, config))
    proto = sum(value for key, value in work.items() if key.startswith("proto_net."))
    assert shares["proto"] == pytest.approx(proto / sum(work.values()))
