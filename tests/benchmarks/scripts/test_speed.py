"""The speed comparison on the small network: that it measures what it says, not how fast anything is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import NANO, NANO_WEIGHTS
from yolact_deploy.benchmarks.hardware import Hardware, cpu_name, describe_hardware
from yolact_deploy.benchmarks.performance.memory import MemoryUse
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.scripts import speed
from yolact_deploy.benchmarks.scripts.speed import SpeedOptions, SpeedReport, compare_speed, interleave, lines_of, main
from yolact_deploy.benchmarks.scripts.synthetic import (
    CANDIDATES,
    background_shift,
    synthetic_image,
    synthetic_tensor,
    write_synthetic_checkpoint,
)
from yolact_deploy.checkpoints.reader import load_checkpoint
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.ops.preprocess import preprocess

NANO_CONFIG = ModelConfig.named("yolact_nano")


def test_the_comparison_from_start_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "speed.json"
    arguments = ["--config", "yolact_nano", "--threads", "1", "--image", "320x200", "--rounds", "1"]
    assert main([*arguments, "--json", str(file)]) == 0
    text = capsys.readouterr().out
    assert "yolact_nano, synthetic weights; image 320x200 px, synthetic; 1 threads; 1 rounds" in text
    assert "detections: 100 in b, 100 in c" in text
    value = json.loads(file.read_text())
    assert value["overhead"] == pytest.approx(value["end_to_end"]["p50"] / value["network"]["p50"])
    assert value["speedup"] == pytest.approx(value["eager"]["p50"] / value["end_to_end"]["p50"])
    assert value["memory"]["imports_torch"] is False


def test_files_of_one_s_own(nano_onnx: Path) -> None:
    image = NANO / "images/000000001000.jpg"
    report = compare_speed(SpeedOptions(threads=1, rounds=1, weights=NANO_WEIGHTS, onnx=nano_onnx, image_file=image))
    assert report.weights == NANO_WEIGHTS.name
    assert report.image == "300x384 px, 000000001000.jpg"
    assert report.detections == report.eager_detections == 36


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "640"], "write WIDTHxHEIGHT in pixels"),
        (["--image", "0x480"], "image size '0x480'"),
        (["--rounds", "0"], "rounds 0: 1 or more"),
        (["--onnx", "model.onnx"], "name the checkpoint that it was made from"),
        (["--config", "yolact"], "unknown configuration 'yolact'"),
        (["--image-file", "missing.png"], "cannot read image missing.png"),
    ],
)
def test_wrong_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_calls_take_turns_and_each_runs_untimed_before_it_is_timed() -> None:
    order: list[str] = []
    latencies = interleave([lambda: order.append("a"), lambda: order.append("b"), lambda: order.append("c")], 3)
    assert [latency.iterations for latency in latencies] == [3, 3, 3]
    timed = order[6 * speed.WARMUP_ROUNDS :]
    assert "".join(timed) == "aabbcc" + "bbccaa" + "ccaabb"


def test_goals_are_judged_in_words() -> None:
    def latency(ms: float) -> Latency:
        return Latency.of([ms / 1000] * 3)

    hardware = Hardware("Some CPU", 2, None, None, "Linux", {}, "0", "today")
    memory = MemoryUse(10**9, "VmHWM", False, 100)
    good = SpeedReport(
        "net", "w", "640x480 px", 2, latency(100), latency(107), latency(172), 100, 100, memory, hardware
    )
    text = "\n".join(lines_of(good))
    assert "(b / a): 1.070, goal at most 1.08: met" in text
    assert "(c / b): 1.61, goal at least 1.6: met" in text
    assert "954 MiB (VmHWM), goal below 1144 MiB: met" in text
    slow = SpeedReport("net", "w", "640x480 px", 2, latency(100), latency(109), latency(170), 1, 1, memory, hardware)
    assert "\n".join(lines_of(slow)).count("MISSED") == 2


# ---- stand-ins


def test_synthetic_weights_are_reproducible_and_finite(tmp_path: Path) -> None:
    image = synthetic_image(120, 160)
    paths = [tmp_path / name / "yolact_nano_0_0.pth" for name in ("first", "second")]
    for path in paths:
        path.parent.mkdir()
        write_synthetic_checkpoint(path, NANO_CONFIG, image)
    (one, config), (two, _) = (load_checkpoint(path) for path in paths)
    assert config == NANO_CONFIG
    for key, tensor in one.state_dict().items():
        torch.testing.assert_close(tensor, two.state_dict()[key], rtol=0, atol=1e-4)
    with torch.inference_mode():
        raw = one(preprocess(image[None], config))
    assert all(tensor.isfinite().all() for tensor in (raw.loc, raw.conf, raw.coef, raw.proto))
    assert raw.loc.abs().max() < 50
    passing = int((raw.conf[0, :, 1:].max(dim=1).values > 0.05).sum())
    assert abs(passing - CANDIDATES) <= 5


def test_weights_depend_on_key_shape_and_seed() -> None:
    one = synthetic_tensor("a.weight", (4, 3, 3, 3), 0)
    np.testing.assert_array_equal(one, synthetic_tensor("a.weight", (4, 3, 3, 3), 0))
    assert not np.array_equal(one, synthetic_tensor("b.weight", (4, 3, 3, 3), 0))
    assert not np.array_equal(one, synthetic_tensor("a.weight", (4, 3, 3, 3), 1))
    assert synthetic_tensor("bn1.num_batches_tracked", (), 0) == 0
    assert one.dtype == np.float32


@pytest.mark.parametrize("candidates", [1, 7, 30])
def test_the_background_shift_leaves_as_many_candidates(candidates: int) -> None:
    logits = torch.from_numpy(np.random.default_rng(0).normal(0, 2, (30, 5)))
    shift = background_shift(logits.softmax(dim=1), candidates, 0.05)
    shifted = torch.cat((logits[:, :1] + shift, logits[:, 1:]), dim=1).softmax(dim=1)[:, 1:].max(dim=1).values
    assert int((shifted > 0.05 * (1 - 1e-9)).sum()) == candidates


def test_synthetic_images() -> None:
    image = synthetic_image(48, 64)
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image.std() > 20
    np.testing.assert_array_equal(image, synthetic_image(48, 64))
    with pytest.raises(YolactDeployError, match="image size 0x48: at least 1x1"):
        synthetic_image(48, 0)


# ---- the machine


def test_the_machine_is_described() -> None:
    hardware = describe_hardware()
    assert hardware.cores >= 1
    assert hardware.cpu
    assert "Python" in hardware.versions
    assert "PyTorch" in hardware.versions
    machine, software = hardware.lines()
    assert hardware.cpu in machine
    assert hardware.tool_version in software


def test_cpu_names(tmp_path: Path) -> None:
    cpuinfo, board = tmp_path / "cpuinfo", tmp_path / "model"
    assert cpu_name(cpuinfo, board)
    board.write_bytes(b"NVIDIA Jetson Orin Nano\0")
    cpuinfo.write_text("processor\t: 0\nCPU part\t: 0xd42\n")
    assert cpu_name(cpuinfo, board) == "NVIDIA Jetson Orin Nano"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: AMD EPYC: 7\nprocessor\t: 1\nmodel name\t: other\n")
    assert cpu_name(cpuinfo, board) == "AMD EPYC: 7"
