"""Reading, recognising and refusing weight files."""

from __future__ import annotations

import os
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.checkpoints.files import refused, save
from yolact_deploy.checkpoints.reader import load_checkpoint, read_checkpoint
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import AssumptionWarning
from yolact_deploy.files import sha256_of

# Expected wherever a file names no configuration; tests that are about it ask for it.
pytestmark = pytest.mark.filterwarnings("ignore::yolact_deploy.errors.AssumptionWarning")


@pytest.mark.parametrize("zipped", [True, False])
def test_both_torch_formats(tmp_path: Path, nano_tensors: dict[str, torch.Tensor], zipped: bool) -> None:
    path = save(tmp_path / "yolact_nano_1_2.pth", nano_tensors, _use_new_zipfile_serialization=zipped)
    checkpoint = read_checkpoint(path)
    assert checkpoint.file_format == ("zip" if zipped else "legacy")
    assert checkpoint.config == ModelConfig.named("yolact_nano")
    assert checkpoint.sha256 == sha256_of(path)
    assert checkpoint.notes == checkpoint.dropped_keys == ()
    for key, tensor in checkpoint.build().state_dict().items():
        torch.testing.assert_close(tensor, nano_tensors[key], rtol=0, atol=0)


def test_safetensors(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "yolact_nano_1_2.safetensors"
    save_file(nano_tensors, path)
    model, config = load_checkpoint(path)
    assert config.name == "yolact_nano"
    torch.testing.assert_close(model.state_dict()["proto_net.0.weight"], nano_tensors["proto_net.0.weight"])
    path.write_bytes(path.read_bytes()[:2000])
    refused(path, "not a readable .safetensors file")


def test_model_is_ready_for_inference(nano_weights: Path) -> None:
    model, _ = load_checkpoint(nano_weights)
    assert not any(module.training for module in model.modules())


def test_wrapped_and_parallel_state_dicts(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    wrapped = {"state_dict": {f"module.{key}": value for key, value in nano_tensors.items()}, "epoch": 3}
    checkpoint = read_checkpoint(save(tmp_path / "yolact_nano_1_2.pth", wrapped))
    assert set(checkpoint.state_dict) == set(nano_tensors)


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.net.", "module.module.", "_orig_mod."])
def test_a_prefix_that_all_keys_share(tmp_path: Path, nano_tensors: dict[str, torch.Tensor], prefix: str) -> None:
    prefixed = {prefix + key: value for key, value in nano_tensors.items()}
    assert set(read_checkpoint(save(tmp_path / "yolact_nano_1_2.pth", prefixed)).state_dict) == set(nano_tensors)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: {"net": tensors, "iteration": 3},
        lambda tensors: {"model": {"state_dict": tensors}, "optimizer": {"state": {0: {"step": torch.zeros(1)}}}},
        lambda tensors: {"weights": tensors, "options": {"lr": 0.1}},
        lambda tensors: {**tensors, "epoch": 12, "best": None},
    ],
)
def test_what_training_scripts_put_around_the_weights(
    tmp_path: Path, nano_tensors: dict[str, torch.Tensor], wrap: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    checkpoint = read_checkpoint(save(tmp_path / "yolact_nano_1_2.pth", wrap(nano_tensors)))
    assert set(checkpoint.state_dict) == set(nano_tensors)
    assert checkpoint.notes == ()


def test_a_third_extra_level_is_left_out_and_said(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    more = {**nano_tensors, "fpn.downsample_layers.2.bias": torch.zeros(64)}
    more["fpn.downsample_layers.2.weight"] = torch.zeros(64, 64, 3, 3)
    with pytest.warns(AssumptionWarning, match="has 3 extra FPN levels, yolact_nano has 2: the others are left out"):
        checkpoint = read_checkpoint(save(tmp_path / "yolact_nano_1_2.pth", more))
    assert set(checkpoint.state_dict) == set(nano_tensors)


def test_a_training_only_layer_of_the_official_code_is_dropped(
    tmp_path: Path, nano_tensors: dict[str, torch.Tensor]
) -> None:
    more = {**nano_tensors, "class_existence_fc.weight": torch.zeros(6, 64), "class_existence_fc.bias": torch.zeros(6)}
    checkpoint = read_checkpoint(save(tmp_path / "yolact_nano_1_2.pth", more))
    assert checkpoint.dropped_keys == ("class_existence_fc.weight", "class_existence_fc.bias")


def test_half_precision_weights_become_float32(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    halved = {key: value.half() if value.is_floating_point() else value for key, value in nano_tensors.items()}
    checkpoint = read_checkpoint(save(tmp_path / "yolact_nano_1_2.pth", halved))
    assert {value.dtype for value in checkpoint.state_dict.values()} <= {torch.float32, torch.int64}


def test_legacy_and_training_keys_are_dropped(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    legacy = dict(nano_tensors)
    legacy["backbone.layer1.0.conv1.weight"] = torch.zeros(3)
    legacy["fpn.downsample_layers.2.weight"] = torch.zeros(64, 64, 3, 3)
    legacy["fpn.downsample_layers.2.bias"] = torch.zeros(64)
    del legacy["semantic_seg_conv.weight"], legacy["semantic_seg_conv.bias"]
    checkpoint = read_checkpoint(save(tmp_path / "yolact_nano_1_2.pth", legacy))
    assert set(checkpoint.dropped_keys) == set(legacy) - set(nano_tensors)
    torch.testing.assert_close(checkpoint.build().fpn.pred_layers[0].bias, nano_tensors["fpn.pred_layers.0.bias"])


def test_a_mask_dimension_that_contradicts_itself(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    broken = dict(nano_tensors)
    broken["prediction_layers.0.mask_layer.weight"] = torch.zeros(48, 64, 3, 3)
    refused(save(tmp_path / "yolact_nano_1_2.pth", broken), "32 prototypes, but 16 mask coefficients")


def test_missing_additional_and_misshapen_tensors(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "yolact_nano_1_2.pth"
    without = {key: value for key, value in nano_tensors.items() if key != "backbone.bn1.weight"}
    refused(save(path, without), "missing keys: backbone.bn1.weight;")
    refused(save(path, {**nano_tensors, "extra.weight": torch.zeros(1)}), "unexpected keys: extra.weight;")
    refused(
        save(path, {**nano_tensors, "backbone.bn1.weight": torch.zeros(3)}), "backbone.bn1.weight is [3], expected [16]"
    )
    broken = {**nano_tensors, "backbone.bn1.weight": torch.full((16,), float("nan"))}
    refused(save(path, broken), "backbone.bn1.weight holds NaN")


class _RunsCode:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch pwned",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
    monkeypatch.chdir(tmp_path)
    refused(save(tmp_path / "evil.pth", {"a": _RunsCode()}, _use_new_zipfile_serialization=zipped), "could run code")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(_RunsCode()))
    refused(tmp_path / "plain.pth", "a plain pickle could run code")
    assert not (tmp_path / "pwned").exists()


def test_a_whole_pickled_model_is_refused_by_name(tmp_path: Path) -> None:
    refused(save(tmp_path / "model.pth", torch.nn.Conv2d(1, 1, 1)), "it holds torch.nn.modules.conv.Conv2d")


@pytest.mark.parametrize(
    ("tensors", "looks_like"),
    [
        ({"fc.weight": torch.zeros(1)}, "an image classifier"),
        ({"roi_heads.box.weight": torch.zeros(1)}, "a torchvision R-CNN"),
        ({"model.0.conv.weight": torch.zeros(1)}, "an Ultralytics YOLO"),
        ({"layer.w": torch.zeros(1)}, "something else (1 tensors: layer.w"),
    ],
)
def test_another_architecture_is_said(tmp_path: Path, tensors: dict[str, torch.Tensor], looks_like: str) -> None:
    refused(save(tmp_path / "other.pth", tensors), looks_like)


BIAS = "fpn.lat_layers.0.bias"


@pytest.mark.filterwarnings("ignore")  # torch's own, of what is new or old in it
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda plain: plain.to_sparse(), "sparse"),
        (lambda plain: plain.to("meta"), "meta"),
        (lambda plain: torch.quantize_per_tensor(plain, 0.1, 0, torch.qint8), "quantised"),
        (lambda plain: torch.nested.nested_tensor([plain]), "nested"),
        (lambda plain: plain.long(), "int64"),
        (lambda plain: plain.bool(), "bool"),
        (lambda plain: plain.byte(), "uint8"),
        (lambda plain: plain.to(torch.float8_e4m3fn), "float8"),
        (lambda plain: plain.to(torch.complex64), "complex64"),
    ],
)
def test_tensors_that_are_no_float_weights(
    tmp_path: Path,
    nano_tensors: dict[str, torch.Tensor],
    change: Callable[[torch.Tensor], torch.Tensor],
    kind: str,
) -> None:
    broken = {**nano_tensors, BIAS: change(nano_tensors[BIAS])}
    refused(save(tmp_path / "yolact_nano_1_2.pth", broken), BIAS, kind)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("fpn.downsample_layers.x.weight", torch.zeros(1), "unexpected keys: fpn.downsample_layers.x.weight"),
        ("fpn.downsample_layers", torch.zeros(1), "unexpected keys: fpn.downsample_layers"),
        ("zz", torch.zeros(1, dtype=torch.half).expand(1 << 40), "unexpected keys: zz"),
        (BIAS, torch.zeros(1, dtype=torch.half).expand(1 << 40), f"{BIAS} is [1099511627776], expected [64]"),
        ("prediction_layers.0.conf_layer.weight", torch.zeros(1).expand(3 * 10**11), "99999999999 classes"),
        ("backbone.layers.99999.0.conv1.weight", torch.zeros(1), "backbone depths"),
        (f"backbone.layers.{'9' * 5000}.0.conv1.weight", torch.zeros(1), "backbone depths"),
        ("fpn_phase_1.lat_layers.0.weight", torch.zeros(1), "mixes two families"),
        (
            "prediction_layers.0.mask_layer.weight",
            torch.zeros(3 * 33, 64, 3, 3),
            "mask_layer.bias is [96], expected [99]",
        ),
    ],
)
def test_keys_and_shapes_that_do_not_fit(
    tmp_path: Path, nano_tensors: dict[str, torch.Tensor], key: str, value: torch.Tensor, reason: str
) -> None:
    """Shapes are compared before any value is converted, so that none of these takes memory."""
    refused(save(tmp_path / "yolact_nano_1_2.pth", {**nano_tensors, key: value}), reason)


def test_torchscript_is_named(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.ReLU()).save(str(tmp_path / "script.pth"))
    refused(tmp_path / "script.pth", "is TorchScript")


def test_weights_that_differ_from_the_zips_own_checksum(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    path = save(tmp_path / "yolact_nano_1_2.pth", nano_tensors)
    data = bytearray(path.read_bytes())
    position = data.find(nano_tensors["proto_net.0.weight"].numpy().tobytes()[:64])
    data[position + 10] ^= 1
    path.write_bytes(data)
    refused(path, "damaged or cut off", "CRC")


def test_a_zip_without_checksums_is_read(
    tmp_path: Path, nano_tensors: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        path = save(tmp_path / "yolact_nano_1_2.pth", nano_tensors)
    finally:
        torch.serialization.set_crc32_options(True)
    assert len(read_checkpoint(path).state_dict) == len(nano_tensors)


def rezipped(path: Path, changed: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """The zip at `path` written again; the record whose name ends like a key gets the value."""
    with zipfile.ZipFile(path) as archive:
        records = {record.filename: archive.read(record) for record in archive.infolist()}
    for ending, data in changed.items():
        records[next(name for name in records if name.endswith(ending))] = data
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in records.items():
            archive.writestr(name, data)
    return path


def test_records_that_grow_beyond_the_file_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "bomb.pth", {"a": torch.zeros(1_000_000), "b": torch.zeros(1)})
    refused(rezipped(path, {}, zipfile.ZIP_DEFLATED), "times the file")


def test_a_compressed_checkpoint_is_read(tmp_path: Path, nano_tensors: dict[str, torch.Tensor]) -> None:
    path = rezipped(save(tmp_path / "yolact_nano_1_2.pth", nano_tensors), {}, zipfile.ZIP_DEFLATED)
    assert len(read_checkpoint(path).state_dict) == len(nano_tensors)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_of_nested_tuples_is_refused(tmp_path: Path, zipped: bool) -> None:
    """As a key of a mapping it would overflow the stack, and no handler catches that."""
    path = save(tmp_path / "deep.pth", {"a": torch.zeros(1)}, _use_new_zipfile_serialization=zipped)
    deep = b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns."  # {((((),),),): None}
    if zipped:
        rezipped(path, {"data.pkl": deep})
    else:
        head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
        path.write_bytes(head + deep)
    refused(path, "tuples")


def test_a_length_that_is_only_claimed_takes_no_memory(tmp_path: Path) -> None:
    """A text of 2 GiB, of which a few bytes are there."""
    (tmp_path / "claim.pth").write_bytes(b"\x80\x02X\xff\xff\xff\x7fabc")
    tracemalloc.start()
    refused(tmp_path / "claim.pth", "damaged or cut off")
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_a_git_lfs_pointer_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    refused(tmp_path / "a.pth", "a Git LFS pointer", "git lfs pull")


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    refused(path, "No such file")
    refused(tmp_path, "Is a directory")
    path.write_bytes(b"")
    refused(path, "is empty")
    path.write_text("<html>404</html>")
    refused(path, "is not a PyTorch checkpoint")
    refused(save(path, [torch.zeros(1)]), "holds a list, not a state dict")
    refused(save(path, {"lr": 0.1}), "holds no state dict")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.999])
def test_truncated_files(tmp_path: Path, nano_tensors: dict[str, torch.Tensor], zipped: bool, share: float) -> None:
    path = save(tmp_path / "cut.pth", nano_tensors, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "damaged or cut off")
