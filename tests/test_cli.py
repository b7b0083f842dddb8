"""The command line: exit statuses, one line for every failure, and the commands from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import typer

from yolact_deploy import __version__, cli
from yolact_deploy.commands.options import read_batch, read_class_names, read_config
from yolact_deploy.config import NAMED_CONFIGS
from yolact_deploy.errors import ConfigError, GateError, YolactDeployError
from yolact_deploy.images import read_image

ROOT = Path(__file__).parent.parent
NANO = ROOT / "benchmarks/data/nano/yolact_nano_22_4148.pth"
IMAGES = ROOT / "benchmarks/data/nano/images"
IMAGE = IMAGES / "000000001000.jpg"
COMMANDS = ("export", "bench", "infer", "inspect", "doctor", "weights", "weights list", "weights pull")

Captured = pytest.CaptureFixture[str]


def run_process(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "yolact_deploy", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd=ROOT)


def assert_one_error_line(stderr: str) -> None:
    assert stderr.startswith("error: ")
    assert stderr.count("\n") == 1
    assert stderr.endswith("\n")
    assert "Traceback" not in stderr


def fails(capsys: Captured, *arguments: str | Path, status: int = 2) -> str:
    """Runs, asserts status and a single line on stderr, and returns that line."""
    capsys.readouterr()
    assert cli.run([str(argument) for argument in arguments]) == status
    stderr = capsys.readouterr().err
    assert_one_error_line(stderr)
    return stderr


def succeeds(capsys: Captured, *arguments: str | Path) -> str:
    """Runs, asserts status 0, and returns stdout."""
    capsys.readouterr()
    status = cli.run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    return captured.out


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "nano.onnx"
    assert cli.run(["export", str(NANO), "-o", str(path)]) == 0
    return path


# ---- the frame


def test_help_is_instant_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, yolact_deploy.cli as cli; status = cli.run(['--help']);"
        "print(status, [name for name in ('torch', 'onnx', 'onnxruntime', 'numpy', 'cv2') if name in sys.modules])"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.perf_counter() - start < 10  # of a start without torch; with it, several times as long
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_explained(command: str) -> None:
    group = typer.main.get_command(cli.app)
    found = group
    for name in command.split():
        found = found.commands[name]  # type: ignore[attr-defined]
    assert found.help
    for parameter in found.params:
        assert getattr(parameter, "help", None), parameter.name


def test_help_and_version(capsys: Captured) -> None:
    assert succeeds(capsys, "--version") == f"yolact-deploy {__version__}\n"
    for arguments in ([], ["--help"], ["weights"], *([*command.split(), "--help"] for command in COMMANDS)):
        assert "Usage: yolact-deploy" in succeeds(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nonsense"], ["--nonsense", "yolact-deploy --help"]),
        (["nonsense"], ["nonsense", "yolact-deploy --help"]),
        (["export"], ["weights", "yolact-deploy export --help"]),
        (["export", "a.pth"], ["--output", "yolact-deploy export --help"]),
        (["export", "a.pth", "-o", "b.onnx", "--top-k", "many"], ["--top-k", "yolact-deploy export --help"]),
        (["infer", "a.jpg", "-m", "b.onnx", "-o", "c", "--score", "1.5"], ["--score", "yolact-deploy infer --help"]),
        (["weights", "pull"], ["yolact-deploy weights pull --help"]),
        (["inspect", "a", "b"], ["yolact-deploy inspect --help"]),
    ],
)
def test_usage_errors_name_the_help_to_read(capsys: Captured, arguments: list[str], words: list[str]) -> None:
    line = fails(capsys, *arguments)
    assert all(word in line for word in words)


def test_a_usage_error_of_the_installed_program() -> None:
    done = run_process("export", "--nonsense")
    assert done.returncode == 2
    assert done.stdout == ""
    assert_one_error_line(done.stderr)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (ValueError("two\nlines"), 2, "this is a bug in yolact-deploy, please report it (ValueError: two lines)"),
        (YolactDeployError("at\nfault"), 2, "at fault"),
        (GateError("not equal"), 1, "not equal"),
        (FileNotFoundError(2, "No such file or directory", "a.txt"), 2, "a.txt: No such file or directory"),
        (OSError(28, "No space left on device"), 2, "No space left on device"),
        (MemoryError(), 2, "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 2, "out of memory: close"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_failure_is_one_line(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, words: str
) -> None:
    def diagnose() -> None:
        raise error

    monkeypatch.setattr("yolact_deploy.commands.doctor.diagnose", diagnose)
    assert words in fails(capsys, "doctor", status=status)


@pytest.mark.parametrize("arguments", [["-v", "doctor"], ["doctor", "--verbose"]])
def test_verbose_shows_where_it_happened(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str]
) -> None:
    monkeypatch.setattr("yolact_deploy.commands.doctor.diagnose", lambda: 1 / 0)
    assert cli.run(arguments) == 2
    assert "Traceback" in capsys.readouterr().err
    fails(capsys, "doctor")  # and does not stay on


def test_a_closed_pipe_is_quiet() -> None:
    command = [sys.executable, "-m", "yolact_deploy", "weights", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_output_that_a_terminal_cannot_show(tmp_path: Path) -> None:
    path = tmp_path / "größe.txt"
    path.write_text("x")
    done = run_process("inspect", path, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2
    assert_one_error_line(done.stderr)


# ---- values of options


def test_values_of_options(tmp_path: Path) -> None:
    assert (read_batch("1"), read_batch("4"), read_batch("dynamic")) == (1, 4, None)
    assert read_class_names("a, b ,c") == ("a", "b", "c")
    names = tmp_path / "names.txt"
    names.write_text("traffic light\ncat\n\n")
    assert read_class_names(str(names)) == ("traffic light", "cat")
    assert read_config("yolact_base") == NAMED_CONFIGS["yolact_base"]
    file = tmp_path / "mine.json"
    file.write_text('{"base": "yolact_nano"}')
    config = read_config(str(file))
    assert config is not None
    assert config.name == "mine"


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "", "²"])
def test_wrong_batches(value: str) -> None:
    with pytest.raises(ConfigError, match="dynamic"):
        read_batch(value)


@pytest.mark.parametrize("value", ["a,,b", "", "missing.txt", "folder/missing"])
def test_wrong_class_names(value: str) -> None:
    with pytest.raises(ConfigError):
        read_class_names(value)


# ---- export and inspect


def test_export_then_inspect(capsys: Captured, exported: Path) -> None:
    text = succeeds(capsys, "inspect", exported)
    for words in ("yolact_nano", "disk, square", "yolact.YolactFastNMS", "uint8 [1, H, W, 3]", "ai.onnx 20"):
        assert words in text
    info = json.loads(succeeds(capsys, "inspect", exported, "--json", "-"))
    assert info["kind"] == "onnx"
    assert info["file"]["metadata"]["config"]["name"] == "yolact_nano"
    checkpoint = json.loads(succeeds(capsys, "inspect", NANO, "--json", "-"))
    assert checkpoint["kind"] == "checkpoint"
    assert checkpoint["file"]["sha256"] == info["file"]["metadata"]["checkpoint_sha256"]


def test_export_takes_its_options(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "nano.onnx"
    text = succeeds(
        capsys, "export", NANO, "-o", path, "--config", "yolact_nano", "--num-classes", "6", "--input", "tensor",
        "--class-names", "a,b,c,d,e,f", "--batch", "dynamic", "--score-threshold", "0.2", "--iou-threshold", "0.4",
        "--top-k", "50", "--max-detections", "20", "--image", IMAGE,
    )  # fmt: skip
    assert "matched" in text
    metadata = json.loads(succeeds(capsys, "inspect", path, "--json", "-"))["file"]["metadata"]
    assert metadata["config"]["class_names"] == list("abcdef")
    assert metadata["input_kind"] == "tensor"
    assert metadata["postprocess"] == {
        "score_threshold": 0.2, "iou_threshold": 0.4, "top_k": 50, "max_detections": 20, "cross_class": False
    }  # fmt: skip


def test_export_refuses_and_leaves_nothing(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    empty = tmp_path / "empty.pth"
    empty.touch()
    text = tmp_path / "yolact_nano.pth"
    text.write_text("no checkpoint")
    output = tmp_path / "out" / "a.onnx"
    for arguments, words in (
        ((tmp_path / "missing.pth",), "missing.pth"),
        ((empty,), "empty"),
        ((text,), str(text)),
        ((NANO, "--config", "yolact_bas"), "yolact_resnet50"),
        ((NANO, "--config", tmp_path / "missing.yaml"), "missing.yaml"),
        ((NANO, "--config", "yolact_base"), "yolact_nano"),
        ((NANO, "--num-classes", "7"), "--num-classes 6"),
        ((NANO, "--class-names", "a,b"), "6 classes"),
        ((NANO, "--batch", "0"), "--batch"),
        ((NANO, "--input", "video"), "image, tensor"),
        ((NANO, "--score-threshold", "2"), "between 0 and 1"),
        ((NANO, "--image", tmp_path / "missing.jpg"), "missing.jpg"),
    ):
        assert words in fails(capsys, "export", *arguments, "-o", output)
        assert not output.parent.exists() or list(output.parent.iterdir()) == []
    assert "--force" in fails(capsys, "export", NANO, "-o", exported)
    assert "cannot write into" in fails(capsys, "export", NANO, "-o", text / "a.onnx")


def test_inspect_of_a_foreign_file_is_an_answer(capsys: Captured, tmp_path: Path) -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y])), tmp_path / "a.onnx")
    assert "not made by yolact-deploy" in succeeds(capsys, "inspect", tmp_path / "a.onnx")


def test_inspect_of_damaged_files(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    for name, source in (("a.onnx", exported), ("yolact_nano_1_2.pth", NANO)):
        path = tmp_path / name
        path.write_bytes(source.read_bytes()[:100_000])
        assert str(path) in fails(capsys, "inspect", path)
    assert "no such file" in fails(capsys, "inspect", tmp_path / "b.onnx")


# ---- infer


def test_infer_draws_a_folder(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(source / name), read_image(IMAGE))
    (source / "notes.txt").write_text("not an image")
    text = succeeds(capsys, "infer", source, "-m", exported, "-o", tmp_path / "out", "--threads", "1")
    assert text.startswith("2 of 2 images drawn")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "b.png"]
    assert (read_image(tmp_path / "out" / "b.png") != read_image(source / "b.png")).any()
    assert "--force" in fails(capsys, "infer", source, "-m", exported, "-o", tmp_path / "out")
    succeeds(capsys, "infer", f"{source}/*.png", "-m", exported, "-o", tmp_path / "out", "--force")


def test_infer_of_a_picture_without_objects(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((1, 1, 3), np.uint8))
    text = succeeds(capsys, "infer", tmp_path / "black.png", "-m", exported, "-o", tmp_path / "out", "--score", "1")
    assert "0 detections" in text
    assert (read_image(tmp_path / "out" / "black.png") == 0).all()


def test_infer_reports_what_it_could_not_read_and_goes_on(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    cv2.imwrite(str(tmp_path / "good.png"), read_image(IMAGE))
    (tmp_path / "bad.png").write_bytes(b"no image")
    line = fails(capsys, "infer", tmp_path, "-m", exported, "-o", tmp_path / "out", status=1)
    assert "bad.png" in line
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


def test_infer_refuses(capsys: Captured, tmp_path: Path, exported: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    (tmp_path / "model.txt").write_text("x")
    cv2.imwrite(str(tmp_path / "good.png"), read_image(IMAGE))
    out = tmp_path / "out"
    for arguments, words in (
        ((tmp_path / "bad.png", "-m", exported, "-o", out), "bad.png"),
        ((tmp_path / "missing.png", "-m", exported, "-o", out), "no such file or folder"),
        ((tmp_path / "empty", "-m", exported, "-o", out), "no images in"),
        ((f"{tmp_path}/*.tif", "-m", exported, "-o", out), "no images in"),
        ((IMAGE, "-m", tmp_path / "missing.onnx", "-o", out), "missing.onnx"),
        ((IMAGE, "-m", tmp_path / "model.txt", "-o", out), "unknown kind of model file"),
        ((IMAGE, "-m", exported, "-o", tmp_path / "model.txt"), "cannot write into"),
        ((IMAGE, "-m", exported, "-o", out, "--device", "tpu"), "auto, cpu, cuda"),
        ((tmp_path / "good.png", "-m", exported, "-o", tmp_path, "--force"), "would replace its source"),
    ):
        assert words in fails(capsys, "infer", *arguments)
        assert not out.exists() or list(out.iterdir()) == []


# ---- weights and doctor


def test_weights_list(capsys: Captured, tmp_path: Path) -> None:
    table = succeeds(capsys, "weights", "list", "-o", tmp_path)
    assert "yolact_plus_base_54_800000.pth" in table
    releases = json.loads(succeeds(capsys, "weights", "list", "-o", tmp_path, "--json", "-"))
    assert len(releases) == 6
    assert all(release["url"] in table for release in releases)


def test_weights_pull_without_a_network(tmp_path: Path) -> None:
    mirror = {"YOLACT_DEPLOY_WEIGHTS_URL": "http://127.0.0.1:1/mirror"}
    done = run_process("weights", "pull", "yolact_base", "-o", tmp_path / "weights", env=mirror)
    assert done.returncode == 2
    assert_one_error_line(done.stderr)
    assert "http://127.0.0.1:1/mirror/yolact-base/resolve/main/yolact_base_54_800000.pth" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_doctor(capsys: Captured, tmp_path: Path) -> None:
    assert "ONNX Runtime" in succeeds(capsys, "doctor")
    succeeds(capsys, "doctor", "--json", tmp_path / "doctor.json")
    diagnosis = json.loads((tmp_path / "doctor.json").read_text())
    assert {"key", "title", "version"} <= diagnosis["findings"][0].keys()
    assert {"title", "missing"} <= diagnosis["abilities"][0].keys()
