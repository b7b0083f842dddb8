"""Files and weights that cannot become half precision: one clear error, nothing written; and what was lost, counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from tests.running import Captured, fails, succeeds
from yolact_deploy import cli
from yolact_deploy.errors import ConfigError, ModelFileError, OutputError, YolactDeployError
from yolact_deploy.export.precision.convert import PRECISIONS, convert_file, convert_precision
from yolact_deploy.export.precision.half_types import HALF_TYPES


@pytest.fixture(scope="module")
def fp32(nano_onnx: Path) -> onnx.ModelProto:
    return onnx.load(nano_onnx)


@pytest.fixture(scope="module")
def half_files(nano_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("half")
    return {name: convert_file(nano_onnx, folder / f"{name}.onnx", name).path for name in PRECISIONS}


def edited(model: onnx.ModelProto, edit: Callable[[np.ndarray], np.ndarray], name: str, path: Path) -> Path:
    """A copy of `model` in a file, one weight changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = next(tensor for tensor in copy.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(edit(numpy_helper.to_array(tensor).copy()), name))
    onnx.save(copy, path)
    return path


def with_first(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def edit(values: np.ndarray) -> np.ndarray:
        values.flat[0] = value
        return values

    return edit


WEIGHT = "model.fpn.lat_layers.0.weight"


@pytest.mark.parametrize(
    ("edit", "precision", "message"),
    [
        (with_first(7e4), "fp16", f"{WEIGHT} reaches 70000, fp16 ends at 65504"),
        (with_first(-65505.0), "fp16", f"{WEIGHT} reaches 65505"),
        (with_first(3.4e38), "bf16", f"{WEIGHT} reaches 3.4e\\+38"),
        (with_first(np.nan), "fp16", f"{WEIGHT} holds values that are not finite"),
        (with_first(np.inf), "bf16", f"{WEIGHT} holds values that are not finite"),
        (lambda values: values * np.float32(1e-9), "fp16", f"every value of the weight {WEIGHT} becomes zero"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    fp32: onnx.ModelProto, tmp_path: Path, edit: Callable[[np.ndarray], np.ndarray], precision: str, message: str
) -> None:
    source = edited(fp32, edit, WEIGHT, tmp_path / "bad.onnx")
    with pytest.raises(ModelFileError, match=message):
        convert_file(source, tmp_path / "half.onnx", precision)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.onnx"]


def test_large_and_tiny_weights_fit_bf16(fp32: onnx.ModelProto, tmp_path: Path) -> None:
    large = edited(fp32, with_first(7e4), WEIGHT, tmp_path / "large.onnx")
    tiny = edited(fp32, lambda values: values * np.float32(1e-9), WEIGHT, tmp_path / "tiny.onnx")
    for source in (large, tiny):
        assert convert_file(source, tmp_path / "half.onnx", "bf16", force=True).weights.zeroed == 0


def test_lost_weights_are_counted(fp32: onnx.ModelProto, tmp_path: Path) -> None:
    count = next(int(np.prod(tensor.dims)) for tensor in fp32.graph.initializer if tensor.name == WEIGHT)
    values = np.full(count, 1e-6, np.float32)
    values[:10] = (1.0, 0.0, 1e-9, -1e-9, 2.0**-25, 2.0**-24, -(2.0**-15), 2.0**-14, 65504.0, 1.0)
    source = edited(fp32, lambda old: values.reshape(old.shape), WEIGHT, tmp_path / "odd.onnx")
    plain = convert_precision_counts(fp32)
    lost = convert_file(source, tmp_path / "half.onnx", "fp16").weights
    assert lost.zeroed - plain[0] == 3  # 2^-25 is half of the smallest number, and goes to even
    assert lost.subnormal - plain[1] == count - 10 + 2


def convert_precision_counts(model: onnx.ModelProto) -> tuple[int, int]:
    """Zeroed and subnormal fp16 values in all weights but WEIGHT, counted plainly."""
    zeroed = subnormal = 0
    for tensor in model.graph.initializer:
        if tensor.name.startswith("model.") and tensor.name != WEIGHT and tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor)
            half = torch.from_numpy(values.copy()).half().float().numpy()
            zeroed += int(((values != 0) & (half == 0)).sum())
            subnormal += int(((half != 0) & (np.abs(half) < torch.finfo(torch.half).smallest_normal)).sum())
    return zeroed, subnormal


def test_half_precision_files_are_not_converted_again(half_files: dict[str, Path], tmp_path: Path) -> None:
    for name, path in half_files.items():
        with pytest.raises(ModelFileError, match=f"{name}.onnx is already {name}: convert the fp32 file"):
            convert_file(path, tmp_path / "again.onnx", "fp16")
    assert not list(tmp_path.iterdir())


def test_files_that_are_not_ours(fp32: onnx.ModelProto, tmp_path: Path) -> None:
    foreign = onnx.ModelProto()
    foreign.CopyFrom(fp32)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    (tmp_path / "truncated.onnx").write_bytes(fp32.SerializeToString()[:100_000])
    (tmp_path / "empty.onnx").write_bytes(b"")
    files = set(tmp_path.iterdir())
    for name, message in (
        ("foreign.onnx", "was not made by yolact-deploy"),
        ("truncated.onnx", "not an ONNX file, or truncated"),
        ("empty.onnx", "not an ONNX file, or truncated"),
        ("missing.onnx", "no such file"),
    ):
        with pytest.raises(ModelFileError, match=message):
            convert_file(tmp_path / name, tmp_path / "out" / "half.onnx", "fp16")
    assert {path for path in tmp_path.iterdir() if path.is_file()} == files


def test_edited_graphs(fp32: onnx.ModelProto) -> None:
    broken, renamed = onnx.ModelProto(), onnx.ModelProto()
    broken.CopyFrom(fp32)
    next(node for node in broken.graph.node if node.op_type == "Conv").input[0] = "nothing"
    with pytest.raises(ModelFileError, match="not valid ONNX"):
        convert_precision(broken, "fp16")
    renamed.CopyFrom(fp32)
    for node in renamed.graph.node:
        node.name = node.name.removeprefix("network/")
    with pytest.raises(ModelFileError, match="no weights in nodes named network/"):
        convert_precision(renamed, "fp16")


def test_outputs_that_are_in_the_way(nano_onnx: Path, fp32: onnx.ModelProto, tmp_path: Path) -> None:
    existing = tmp_path / "old.onnx"
    existing.write_bytes(b"old")
    with pytest.raises(OutputError, match="--force"):
        convert_file(nano_onnx, existing, "fp16")
    assert existing.read_bytes() == b"old"
    convert_file(nano_onnx, existing, "fp16", force=True)
    assert onnx.load(existing).graph.node
    same = tmp_path / "same.onnx"
    onnx.save(fp32, same)
    with pytest.raises(OutputError, match="is an input of this command"):
        convert_file(same, tmp_path / "." / "same.onnx", "fp16", force=True)


@pytest.mark.parametrize("precision", ["fp32", "int8", "half", ""])
def test_unknown_precisions(nano_onnx: Path, tmp_path: Path, precision: str) -> None:
    with pytest.raises(ConfigError, match="use one of fp16, bf16") as caught:
        convert_file(nano_onnx, tmp_path / "half.onnx", precision)
    assert isinstance(caught.value, YolactDeployError)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_rounding_is_that_of_pytorch(precision: str) -> None:
    half, torch_type = HALF_TYPES[precision], {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    random = np.random.default_rng(3)
    values = (random.standard_normal(100_000) * 10.0 ** random.uniform(-9, 4, 100_000)).astype(np.float32)
    ties = (np.arange(0x3F80_0000, 0x3F90_0000, 0x800, dtype=np.uint32)).view(np.float32)  # 1.0 ... 1.125
    for numbers in (values, ties, -ties):
        expected = torch.from_numpy(numbers.copy()).to(torch_type).float().numpy()
        np.testing.assert_array_equal(half.decode(half.encode(numbers)), expected)
    assert half.largest == torch.finfo(torch_type).max
    assert half.smallest_normal == torch.finfo(torch_type).smallest_normal


def test_command(capsys: Captured, nano_onnx: Path, tmp_path: Path) -> None:
    output = tmp_path / "half.onnx"
    text = succeeds(capsys, "convert-precision", nano_onnx, "--fp16", "-o", output)
    assert "0 became zero, 1,790 are subnormal" in text
    assert re.search(r"yolact_nano in fp16, 5\.\d+ MiB -> 2\.\d+ MiB", text)
    assert "is already fp16" in fails(capsys, "convert-precision", output, "--bf16", "-o", tmp_path / "b.onnx")
    assert "--force" in fails(capsys, "convert-precision", nano_onnx, "--fp16", "-o", output)
    assert cli.run(["convert-precision", str(nano_onnx), "--precision", "bf16", "-o", str(output), "--force"]) == 0
    assert "cannot run bf16 convolutions on a CPU" in capsys.readouterr().err
    for wanted in ([], ["--fp16", "--bf16"], ["--fp16", "--precision", "bf16"]):
        line = fails(capsys, "convert-precision", nano_onnx, "-o", tmp_path / "c.onnx", *wanted)
        assert "name one precision" in line
    assert [path.name for path in tmp_path.iterdir()] == ["half.onnx"]
