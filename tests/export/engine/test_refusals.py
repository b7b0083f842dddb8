"""What `build-engine` refuses, with one line, and before the build where that can be known."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from yolact_deploy.errors import ConfigError, MissingDependencyError, ModelFileError, OutputError, YolactDeployError
from yolact_deploy.export.engine import build as engine_module
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.build_monitor import SilentListener
from yolact_deploy.export.engine.options import EngineOptions, read_batch_range, read_bytes
from yolact_deploy.types import ImageSize

pytest.importorskip("tensorrt_rtx_bindings", reason='needs TensorRT for RTX: pip install "yolact-deploy[rtx]"')


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "model.engine"


def refused(source: Path, options: EngineOptions, kind: type[Exception] = YolactDeployError) -> str:
    """The one line that a build fails with; nothing is left of it."""
    with pytest.raises(kind) as error:
        build_engine(source, options)
    text = str(error.value)
    assert "\n" not in text
    assert not options.output.exists()
    assert not list(options.output.parent.glob(".*")) if options.output.parent.is_dir() else True
    return text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version_compatible": True}, "--version-compatible is not supported by TensorRT for RTX"),
        ({"hardware_compatibility": "ampere+"}, "--hardware-compatibility"),
        ({"dla_core": 0}, "--dla is not supported by TensorRT for RTX"),
        ({"timing_cache": Path("x.cache")}, "--timing-cache is not supported by TensorRT for RTX"),
        ({"plugins": Path("plugins.so")}, "--plugins (use --plugins none, or --runtime tensorrt) is not supported"),
        ({"compute_capabilities": ("8.6", "5.0")}, "compute capability 5.0 is unknown to TensorRT for RTX"),
    ],
)
def test_what_rtx_does_not_have(
    nano_onnx: Path, output: Path, changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_read", lambda *arguments: pytest.fail("the build had begun"))
    assert message in refused(nano_onnx, EngineOptions(output, runtime="tensorrt-rtx", **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "fp8"}, "unknown precision 'fp8': use fp32, fp16, bf16"),
        ({"precision": "fp16", "tf32": True}, "--tf32 is about fp32 engines"),
        ({"hardware_compatibility": "all"}, "unknown hardware compatibility 'all'"),
        ({"optimization_level": 6}, "optimisation level 6"),
        ({"workspace_bytes": 0}, "workspace 0 bytes"),
        ({"dla_core": -1}, "DLA core -1"),
        ({"batch": (2, 1, 4)}, "batch 2,1,4"),
        ({"batch": (0, 1, 1)}, "batch 0,1,1"),
        ({"min_size": ImageSize(800, 600), "opt_size": ImageSize(640, 480)}, "must be in order on both sides"),
        ({"opt_size": ImageSize(640, 480), "max_size": ImageSize(1000, 400)}, "must be in order on both sides"),
        ({"max_size": ImageSize(20000, 400)}, "--max 20000x400: each side 1 to 16384 px"),
    ],
)
def test_options_that_no_library_could_use(output: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        EngineOptions(output, **changes)


def test_sizes_make_room_for_each_other(output: Path) -> None:
    sizes = EngineOptions(output).sizes
    assert [str(size) for size in sizes] == ["32x32", "640x480", "1920x1920"]
    assert [str(size) for size in EngineOptions(output, max_size=ImageSize(320, 1000)).sizes] == [
        *("32x32", "320x480", "320x1000")
    ]
    assert [str(size) for size in EngineOptions(output, opt_size=ImageSize(16, 3000)).sizes] == [
        *("16x32", "16x3000", "1920x3000")
    ]


@pytest.mark.parametrize("text", ["640", "640x", "x480", "0x480", "640x480x3", "-1x480", "640X480", "6 x 4", ""])
def test_sizes_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ConfigError, match="WIDTHxHEIGHT"):
        ImageSize.parse(text)


def test_numbers_that_are_read() -> None:
    assert ImageSize.parse("640x480") == ImageSize(640, 480)
    assert read_batch_range("4") == (4, 4, 4)
    assert read_batch_range("1,4,8") == (1, 4, 8)
    assert [read_bytes(text) for text in ("100", "2K", "512m", "1GiB")] == [100, 2048, 512 << 20, 1 << 30]
    for text in ("1,2", "a", "1,2,3,4", "0", "", "1,,3"):
        with pytest.raises(ConfigError, match="batch"):
            read_batch_range(text)
    for text in ("0", "-1", "1T", "many", ""):
        with pytest.raises(ConfigError, match="size"):
            read_bytes(text)


def test_an_output_that_exists(nano_onnx: Path, output: Path) -> None:
    output.parent.mkdir()
    output.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists: pass --force"):
        build_engine(nano_onnx, EngineOptions(output))
    output.rename(output.parent / "model.engine.json")
    with pytest.raises(OutputError, match=r"model\.engine\.json exists: pass --force"):
        build_engine(nano_onnx, EngineOptions(output))
    assert build_engine(nano_onnx, EngineOptions(output, force=True)).path == output


def test_an_output_that_cannot_be_written(nano_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        build_engine(nano_onnx, EngineOptions(tmp_path / "file" / "model.engine"))
    assert "an engine's name ends in .engine" in refused(nano_onnx, EngineOptions(tmp_path / "model.onnx2"))
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(OutputError, match="cannot write into"):
        build_engine(nano_onnx, EngineOptions(folder / "model.engine"))


def test_no_library(nano_onnx: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "is not installed: pip install" in refused(nano_onnx, EngineOptions(output), MissingDependencyError)


def test_a_foreign_file(output: Path, tmp_path: Path) -> None:
    source = tmp_path / "foreign.onnx"
    assert "no such file" in refused(source, EngineOptions(output), ModelFileError)
    source.write_bytes(b"no ONNX")
    assert "is not an ONNX file" in refused(source, EngineOptions(output), ModelFileError)
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "foreign", values[:1], values[1:])
    onnx.save(onnx.helper.make_model(graph), source)
    assert "was not made by yolact-deploy" in refused(source, EngineOptions(output), ModelFileError)


def unknown_operator(model: onnx.ModelProto) -> str:
    node = [node for node in model.graph.node if node.op_type == "Conv"][3]
    node.op_type = "Frobnicate"
    return rf"cannot parse it at node {node.name} \(Frobnicate\): .*Plugin not found"


def missing_input(model: onnx.ModelProto) -> str:
    node = [node for node in model.graph.node if node.op_type == "Conv"][5]
    node.input[0] = "nowhere"
    return rf"at node {node.name} \(Conv\): Node input was not registered"


def broken_function(model: onnx.ModelProto) -> str:
    model.functions[0].node[5].op_type = "Frobnicate"
    return r"at node YolactFastNMS/\w+ \(Frobnicate, in postprocess/YolactFastNMS"


def wrong_weights(model: onnx.ModelProto) -> str:
    weights = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    weights.dims[0] += 1
    return rf"Failed to import initializer: .*{weights.name}"


def no_functions(model: onnx.ModelProto) -> str:
    del model.functions[:]
    return r"at node postprocess/YolactFastNMS \(YolactFastNMS\)"


def renamed_output(model: onnx.ModelProto) -> str:
    del model.graph.output[1]
    return "lacks the outputs scores"


@pytest.mark.parametrize(
    "edit", [unknown_operator, missing_input, broken_function, wrong_weights, no_functions, renamed_output]
)
def test_an_edited_file(nano_onnx: Path, output: Path, tmp_path: Path, edit: Callable[[onnx.ModelProto], str]) -> None:
    model = onnx.load(nano_onnx)
    expected = edit(model)
    source = tmp_path / "edited.onnx"
    onnx.save(model, source)
    text = refused(source, EngineOptions(output), ModelFileError)
    assert re.search(expected, text), text
    assert text.startswith(str(source))
    assert len(text) < 700


def test_a_batch_that_the_file_does_not_have(nano_onnx: Path, output: Path) -> None:
    text = refused(nano_onnx, EngineOptions(output, batch=(1, 2, 4)), ConfigError)
    assert "is fixed to batch 1: export it with --batch dynamic" in text


def test_a_workspace_that_is_too_small(nano_onnx: Path, output: Path) -> None:
    text = refused(nano_onnx, EngineOptions(output, workspace_bytes=1024))
    assert "a workspace of 1 KiB is not enough" in text


def test_a_gpu_that_cannot(nano_onnx: Path, output: Path) -> None:
    text = refused(nano_onnx, EngineOptions(output, runtime="tensorrt-rtx", compute_capabilities=("7.5",)))
    assert "cannot build" in text
    assert "Turing" in text


class _Interrupts(SilentListener):
    """Presses Ctrl-C, as it were, at one step."""

    def __init__(self, step: int, error: type[BaseException]) -> None:
        self.steps, self._at, self._error = 0, step, error

    def stepped(self, phase: str, step: int) -> None:
        self.steps += 1
        if self.steps == self._at:
            raise self._error


@pytest.mark.parametrize("step", [1, 300, 710])
def test_an_interrupted_build(nano_onnx: Path, output: Path, step: int) -> None:
    listener = _Interrupts(step, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        build_engine(nano_onnx, EngineOptions(output), listener)
    assert step <= listener.steps <= step + 5
    assert list(output.parent.iterdir()) == []


def test_ctrl_c(nano_onnx: Path, output: Path) -> None:
    class PressesKeys(SilentListener):
        steps = 0

        def stepped(self, phase: str, step: int) -> None:
            self.steps += 1
            if self.steps == 300:
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.001)  # a real build gives the signal this time too

    listener = PressesKeys()
    with pytest.raises(KeyboardInterrupt):
        build_engine(nano_onnx, EngineOptions(output), listener)
    assert 300 <= listener.steps < 700
    assert list(output.parent.iterdir()) == []


def test_a_listener_that_fails(nano_onnx: Path, output: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        build_engine(nano_onnx, EngineOptions(output), _Interrupts(50, ZeroDivisionError))
