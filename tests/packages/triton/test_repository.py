"""The model repository: what is written, read by Triton's own schema, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.packages.engines import fake_engine
from tests.packages.triton.parts import require_client
from tests.shared_library import named_plugin_library
from yolact_deploy.artifacts.manifest import PluginRecord
from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.errors import ConfigError, ModelFileError, OutputError
from yolact_deploy.files import sha256_of
from yolact_deploy.machine import Machine
from yolact_deploy.packages.triton.repository import TritonOptions, package_triton


def read_config(folder: Path) -> Any:
    """config.pbtxt by Triton's own protobuf schema."""
    require_client()
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    return text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def dims(tensors: Any) -> dict[str, list[int]]:
    return {tensor.name: list(tensor.dims) for tensor in tensors}


def test_a_dynamic_batch_is_batched_by_triton(nano_dynamic_onnx: Path, tmp_path: Path) -> None:
    package = package_triton(nano_dynamic_onnx, TritonOptions(tmp_path / "repo", max_batch=4))
    config = read_config(package.model_folder)
    assert (config.name, config.backend, config.max_batch_size) == ("yolact_nano", "onnxruntime", 4)
    assert config.HasField("dynamic_batching")
    assert dims(config.input) == {"image": [-1, -1, 3]}
    assert dims(config.output) == {
        "boxes": [100, 4], "scores": [100], "classes": [100], "masks": [100, 64, 64], "num_detections": [1],
    }  # fmt: skip
    (counts,) = (output for output in config.output if output.name == "num_detections")
    assert counts.HasField("reshape")  # Triton takes no tensor without a dimension, the model gives one
    assert list(counts.reshape.shape) == []
    assert [one.batch_size for one in config.model_warmup] == [1, 4]
    assert list(config.model_warmup[0].inputs["image"].dims) == [256, 256, 3]
    assert (package.model_folder / "1/model.onnx").read_bytes() == nano_dynamic_onnx.read_bytes()


def test_a_fixed_batch_is_a_dimension(nano_onnx: Path, tmp_path: Path) -> None:
    package = package_triton(nano_onnx, TritonOptions(tmp_path, name="shapes-1.0"))
    config = read_config(tmp_path / "shapes-1.0")
    assert (package.max_batch, config.max_batch_size, config.HasField("dynamic_batching")) == (0, 0, False)
    assert dims(config.input) == {"image": [1, -1, -1, 3]}
    assert dims(config.output)["num_detections"] == [1]
    assert not any(output.HasField("reshape") for output in config.output)
    (warmup,) = config.model_warmup
    assert (warmup.batch_size, list(warmup.inputs["image"].dims)) == (1, [1, 256, 256, 3])


def test_other_outputs_and_inputs(
    nano_image_masks_onnx: Path, nano_planar_onnx: Path, plus_exports: dict[str, Any], tmp_path: Path
) -> None:
    package_triton(nano_image_masks_onnx, TritonOptions(tmp_path, name="bits"))
    (masks,) = (output for output in read_config(tmp_path / "bits").output if output.name == "masks")
    assert (list(masks.dims), masks.data_type) == ([100, -1, -1], 8)  # TYPE_INT32
    package_triton(nano_planar_onnx, TritonOptions(tmp_path, name="planar"))
    config = read_config(tmp_path / "planar")
    assert dims(config.input) == {"planes": [3, 256, 256]}
    assert list(config.model_warmup[0].inputs["planes"].dims) == [3, 256, 256]
    package_triton(plus_exports["gridsample"].path, TritonOptions(tmp_path, name="plus"))
    assert dims(read_config(tmp_path / "plus").output)["mask_scores"] == [1, 100]


def test_the_front(nano_dynamic_onnx: Path, nano_onnx: Path, tmp_path: Path) -> None:
    package = package_triton(nano_dynamic_onnx, TritonOptions(tmp_path, score_threshold=0.25))
    config = read_config(tmp_path / package.front_name)
    assert (config.name, config.backend, config.max_batch_size) == ("yolact_nano_front", "python", 0)
    assert (dims(config.input), dims(config.output)) == ({"picture": [-1]}, {"detections": [-1]})
    assert float(config.parameters["score_threshold"].string_value) == 0.25
    settings = json.loads((tmp_path / "yolact_nano_front/1/front.json").read_text())
    assert (settings["calls"], settings["input"], settings["batch"]) == ("yolact_nano", "image", None)
    assert ModelMetadata.from_props(settings["model"], "front").config.num_classes == 6
    package_triton(nano_onnx, TritonOptions(tmp_path, name="one"))
    assert json.loads((tmp_path / "one_front/1/front.json").read_text())["batch"] == 1


def test_an_engine_with_its_plugins(tmp_path: Path) -> None:
    library = named_plugin_library(tmp_path / "libyolact_plugins.so", 10)
    engine, repository = tmp_path / "model.engine", tmp_path / "repo"
    fake_engine(
        engine, (1, 4), plugins=PluginRecord(library.name, sha256_of(library), "", "10"), version_compatible=True
    )
    package = package_triton(engine, TritonOptions(repository))
    config = read_config(package.model_folder)
    assert (config.backend, config.max_batch_size) == ("tensorrt", 4)  # what the engine takes, not the default of 8
    assert dims(config.input) == {"image": [-1, -1, 3]}
    assert list(config.model_warmup[1].inputs["image"].dims) == [480, 640, 3]
    copied = package.model_folder / "libyolact_plugins.so"
    assert copied.read_bytes() == library.read_bytes()
    assert package.server_options == (
        f"--backend-config=tensorrt,plugins={copied}",
        "--backend-config=tensorrt,version-compatible=true",
    )
    assert "Orin" in package.suits  # an engine for another GPU: said
    assert package.tensorrt == "10.3.0"
    with pytest.raises(ConfigError, match=r"--max-batch 5: .* takes 1 to 4 images per call"):
        package_triton(engine, TritonOptions(repository, name="more", max_batch=5))
    library.write_bytes(b"another")
    with pytest.raises(ModelFileError, match=r"is not the plugin library that .* was built with"):
        package_triton(engine, TritonOptions(repository, name="other"))
    library.unlink()
    with pytest.raises(ModelFileError, match=r"needs the plugin library 'libyolact_plugins\.so'"):
        package_triton(engine, TritonOptions(repository, name="none"))
    assert sorted(path.name for path in repository.iterdir()) == ["yolact_nano", "yolact_nano_front"]


def test_engines_of_a_fixed_or_large_batch(tmp_path: Path) -> None:
    engine = tmp_path / "model.engine"
    for batches, size in (((4, 4), 4), ((2, 4), -1)):
        fake_engine(engine, batches)
        package = package_triton(engine, TritonOptions(tmp_path / "repo", force=True))
        config = read_config(package.model_folder)
        assert (config.max_batch_size, next(iter(config.input[0].dims))) == (0, size)
        assert json.loads((tmp_path / "repo/yolact_nano_front/1/front.json").read_text())["batch"] == 4


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "-a", "a b", "a\n", "ä", "a:b", "a" * 201, "a%2f"])
def test_forbidden_names(nano_onnx: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a model in Triton: pass --name"):
        package_triton(nano_onnx, TritonOptions(tmp_path / "repo", name=name))
    assert not (tmp_path / "repo").exists()


def test_refusals_leave_nothing_behind(nano_onnx: Path, nano_weights: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repo"
    with pytest.raises(ModelFileError, match="is a checkpoint: export it first"):
        package_triton(nano_weights, TritonOptions(repository))
    with pytest.raises(ConfigError, match="takes 1 image per call: leave out --max-batch"):
        package_triton(nano_onnx, TritonOptions(repository, max_batch=2))
    with pytest.raises(ModelFileError, match="uses no plugin library: leave out --plugins"):
        package_triton(nano_onnx, TritonOptions(repository, plugins=tmp_path / "x.so"))
    fake_engine(tmp_path / "rtx.engine", (1, 1), built_on=Machine("tensorrt-rtx", "1.7.1.116"))
    with pytest.raises(ModelFileError, match="is an engine of TensorRT for RTX"):
        package_triton(tmp_path / "rtx.engine", TritonOptions(repository))
    fake_engine(tmp_path / "changed.engine", (1, 1))
    (tmp_path / "changed.engine").write_bytes(b"changed")
    with pytest.raises(ModelFileError, match="is another file than"):
        package_triton(tmp_path / "changed.engine", TritonOptions(repository))
    assert not repository.exists()
    package_triton(nano_onnx, TritonOptions(repository))
    with pytest.raises(OutputError, match="exists: pass --force"):
        package_triton(nano_onnx, TritonOptions(repository))
    package_triton(nano_onnx, TritonOptions(repository, force=True))
    assert sorted(path.name for path in repository.iterdir()) == ["yolact_nano", "yolact_nano_front"]
