"""`infer` from end to end: videos, streams, every output, Ctrl-C, and sources with faults."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from tests.conftest import NANO, PLUS_NANO_WEIGHTS, ROOT
from tests.running import Captured, assert_one_error_line, fails, run_process, succeeds
from yolact_deploy import cli
from yolact_deploy.benchmarks.accuracy.average_precision import GroundTruth
from yolact_deploy.benchmarks.accuracy.classes import map_classes
from yolact_deploy.benchmarks.accuracy.dataset import load_dataset
from yolact_deploy.benchmarks.accuracy.image_results import run_image
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.images import read_image
from yolact_deploy.inference import camera
from yolact_deploy.predictor import Predictor
from yolact_deploy.runtimes.onnxruntime import create_session
from yolact_deploy.types import Image

PICTURES = sorted((NANO / "images").glob("*.jpg"))[:8]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of 320x240 px, 10 a second."""
    path = tmp_path_factory.mktemp("film") / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (320, 240))
    for index in range(40):
        writer.write(cv2.resize(read_image(PICTURES[index % 8]), (320, 240)))
    writer.release()
    return path


def length(path: Path) -> tuple[int, float]:
    """Frames that can be decoded, and frames per second."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    return count, capture.get(cv2.CAP_PROP_FPS)


def annotations(path: Path) -> list[dict]:
    return json.loads(path.read_text())["annotations"]


def test_a_video_keeps_its_name_rate_and_length(capsys: Captured, tmp_path: Path, film: Path, nano_onnx: Path) -> None:
    text = succeeds(capsys, "infer", film, "-m", nano_onnx, "-o", tmp_path, "--json", tmp_path / "a.json")
    assert text.startswith("40 frames drawn")
    assert "FPS of each stage: decode" in text
    assert sorted(os.listdir(tmp_path)) == ["a.json", "film.mp4"]
    assert length(tmp_path / "film.mp4") == (40, 10.0)
    content = json.loads((tmp_path / "a.json").read_text())
    assert [image["file_name"] for image in content["images"]][::39] == ["film_000001.jpg", "film_000040.jpg"]
    assert [image["time"] for image in content["images"]][::13] == [0, 1.3, 2.6, 3.9]
    assert "would replace" in fails(capsys, "infer", film, "-m", nano_onnx, "-o", film, "--force")
    assert length(film)[0] == 40


def test_a_video_that_breaks_off(capsys: Captured, tmp_path: Path, film: Path, nano_onnx: Path) -> None:
    broken = tmp_path / "broken.avi"
    broken.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    out = tmp_path / "out"
    command = ("infer", broken, "-m", nano_onnx, "-o", out / "a.mp4", "--json", out / "a.json")
    assert cli.run([*map(str, command)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "broken.avi is damaged: 1 packets" in lines[0]  # the one in which it was cut
    line = lines[1]
    assert "broken.avi breaks off" in line
    count = length(out / "a.mp4")[0]
    assert 10 < count < 25
    assert f"stopped after frame {count}" in line
    assert len(json.loads((out / "a.json").read_text())["images"]) == count


def test_a_video_without_one_good_frame_leaves_nothing(
    capsys: Captured, tmp_path: Path, film: Path, nano_onnx: Path
) -> None:
    data = film.read_bytes()
    start, end = data.index(b"movi"), data.index(b"idx1")
    hollow = tmp_path / "hollow.avi"
    hollow.write_bytes(
        re.sub(rb"\xff\xd8.*?\xff\xd9", lambda picture: bytes(len(picture[0])), data[start:end], flags=re.S)
    )
    hollow.write_bytes(data[:start] + hollow.read_bytes() + data[end:])
    out = tmp_path / "out"
    line = fails(capsys, "infer", hollow, "-m", nano_onnx, "-o", out / "a.mp4", "--json", out / "a.json")
    assert "no frame in it can be decoded" in line
    assert os.listdir(out) == []


def test_a_folder_without_one_good_picture_leaves_nothing(capsys: Captured, tmp_path: Path, nano_onnx: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    line = fails(capsys, "infer", tmp_path, "-m", nano_onnx, "--json", tmp_path / "out" / "a.json")
    assert "none of 2 pictures could be used" in line
    assert "a.png: the file is empty" in line
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("option", ["--json", "--polygons"])
def test_json_on_standard_output(capsys: Captured, tmp_path: Path, nano_onnx: Path, option: str) -> None:
    command = ("infer", PICTURES[0], "-m", nano_onnx, "--force", option)
    succeeds(capsys, *command, tmp_path / "a.json")
    assert cli.run([*map(str, command), "-"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads((tmp_path / "a.json").read_text())
    assert captured.err.startswith("1 of 1 images written to standard output")
    assert not Path("-").exists()
    fails(capsys, "infer", tmp_path / "none.jpg", "-m", nano_onnx, option, "-")
    assert "two outputs" in fails(capsys, *command[:-1], "--json", "-", "--polygons", "-")
    assert "folder or a video" in fails(capsys, *command[:-1], "-o", "-")


def test_a_reader_of_standard_output_that_leaves(nano_onnx: Path) -> None:
    command = [sys.executable, "-m", "yolact_deploy", "infer", NANO / "images", "-m", nano_onnx, "--polygons", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


class Camera:
    """Gives `left` pictures, 20 a second, and is unplugged then."""

    def __init__(self, left: int) -> None:
        self.left = left

    def isOpened(self) -> bool:  # noqa: N802 as in OpenCV
        return True

    def read(self) -> tuple[bool, Image | None]:
        time.sleep(0.05)
        self.left -= 1
        return (True, read_image(PICTURES[0])) if self.left >= 0 else (False, None)

    def get(self, property_id: int, /) -> float:
        return {cv2.CAP_PROP_FPS: 20.0}.get(property_id, -1.0)

    def release(self) -> None:
        pass


def test_a_camera_that_is_unplugged(
    capsys: Captured, tmp_path: Path, nano_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras = {7: Camera(10), 8: Camera(0)}
    monkeypatch.setattr(camera, "_capture", lambda number: cameras[number])
    command = ("-m", nano_onnx, "-o", tmp_path, "--json", tmp_path / "a.json")
    line = fails(capsys, "infer", 7, *command, status=1)
    assert "camera 7 gave no more pictures after 10: unplugged" in line
    assert sorted(os.listdir(tmp_path)) == ["a.json", "camera7.mp4"]
    assert length(tmp_path / "camera7.mp4")[0] >= 5
    assert len(json.loads((tmp_path / "a.json").read_text())["images"]) >= 5  # the newest count, should it be slow
    assert "camera 8 was opened but gave no picture" in fails(capsys, "infer", 8, *command, "--force")
    assert sorted(os.listdir(tmp_path)) == ["a.json", "camera7.mp4"]


def test_videos_that_cannot_be_used(capsys: Captured, tmp_path: Path, film: Path, nano_onnx: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mkv").write_text("no video")
    out = tmp_path / "out"
    for arguments, words in (
        ((tmp_path / "empty.mp4", "-o", out), "the file is empty"),
        ((tmp_path / "text.mkv", "-o", out), "known format"),
        ((99, "-o", out), "cannot open camera 99"),
        ((film, "-o", out / "a.mp4", "--codec", "zzzz"), "no encoder 'zzzz'"),
        ((film,), "nothing to write"),
        ((film, "-o", out, "--color-by", "score"), "class, instance"),
        ((film, "-o", out, "--classes", "cat"), "disk"),
        ((film, "--json", tmp_path / "x", "--polygons", tmp_path / "x"), "each its own"),
        ((PICTURES[0], "-o", out / "a.mp4"), "into a folder"),
        ((film, "-o", out / "a.wmv"), "cannot write .wmv"),
        ((film, "-o", out / "a.png"), "name of one picture"),
        ((film, "--json", "/dev/null", "--force"), "a device or a pipe"),
        ((" ", "-o", out), "the source is empty"),
        ((PICTURES[0], "-o", PICTURES[0], "--force"), "would replace its source"),
        ((film, "--json", tmp_path / "empty.mp4"), "--force"),
        ((film, "--polygons", film, "--force"), "would replace its source"),
    ):
        assert words in fails(capsys, "infer", *map(str, arguments), "-m", nano_onnx)
        assert not out.exists() or os.listdir(out) == []
    assert sorted(os.listdir(tmp_path)) in (["empty.mp4", "text.mkv"], ["empty.mp4", "out", "text.mkv"])


def test_one_picture_into_one_picture(capsys: Captured, tmp_path: Path, nano_onnx: Path) -> None:
    succeeds(capsys, "infer", PICTURES[0], "-m", nano_onnx, "-o", tmp_path / "new" / "drawn.png")
    assert read_image(tmp_path / "new" / "drawn.png").shape == read_image(PICTURES[0]).shape
    fails(capsys, "infer", NANO / "images", "-m", nano_onnx, "-o", tmp_path / "b.png")


def test_opencv_says_nothing_past_us(tmp_path: Path, film: Path, nano_onnx: Path) -> None:
    """OpenCV prints to the process's own stderr, which only another process can see."""
    command = ("infer", film, "-m", nano_onnx, "-o")
    done = run_process(*command, tmp_path / "a.webm")
    assert (done.returncode, done.stderr) == (0, "")
    assert_one_error_line(run_process(*command, tmp_path / "a.mp4", "--codec", "XXXX").stderr)


def test_every_output_of_a_folder_with_hard_names(capsys: Captured, tmp_path: Path, nano_onnx: Path) -> None:
    names = ["größe 猫 🐈.jpg", "x" * 251 + ".jpg", "é" * 125 + ".jpg"]
    for name in names:
        shutil.copy(PICTURES[0], tmp_path / name)
    (tmp_path / "zero.png").touch()
    outputs = ("-o", tmp_path / "out", "--cutouts", tmp_path / "cut", "--json", tmp_path / "out.json")
    command = ("infer", f"{tmp_path}/**/*", "-m", nano_onnx, *outputs, "--polygons", tmp_path / "p.json", "--force")
    for _ in range(2):  # the second time, what the first has written lies inside the source
        line = fails(capsys, *command, status=1)
        assert "zero.png: the file is empty" in line
        assert sorted(os.listdir(tmp_path / "out")) == sorted(names)
        assert {image["file_name"] for image in json.loads((tmp_path / "out.json").read_text())["images"]} == set(names)
    assert len(os.listdir(tmp_path / "cut")) == len(annotations(tmp_path / "out.json")) > 3
    assert len(annotations(tmp_path / "p.json")) == len(annotations(tmp_path / "out.json"))


def test_what_is_asked_for(capsys: Captured, tmp_path: Path, nano_onnx: Path) -> None:
    path = tmp_path / "a.json"

    def found(*options: str) -> list[dict]:
        succeeds(capsys, "infer", PICTURES[0], "-m", nano_onnx, "--json", path, "--force", *options)
        return annotations(path)

    everything = found("--score", "0")
    assert [item for item in everything if item["score"] >= 0.5] == found("--score", "0.5")
    disks = found("--score", "0", "--classes", "disk,2", "--max-detections", "3")
    assert {item["category_id"] for item in disks} <= {1, 3}
    expected = [item["score"] for item in everything if item["category_id"] in (1, 3)][:3]
    assert [item["score"] for item in disks] == expected
    assert "mask_score" not in everything[0]
    succeeds(capsys, "infer", PICTURES[0], "-m", PLUS_NANO_WEIGHTS, "--json", path, "--force", "--score", "0")
    assert "mask_score" in annotations(path)[0]


def test_pictures_on_standard_input(tmp_path: Path, nano_onnx: Path) -> None:
    command = [sys.executable, "-m", "yolact_deploy", "infer", "-", "-m", nano_onnx, "-o", tmp_path]
    data = b"".join(path.read_bytes() for path in PICTURES)
    done = subprocess.run(command, input=data, capture_output=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(os.listdir(tmp_path)) == [f"stdin_{number:06d}.jpg" for number in range(1, 9)]


@pytest.mark.parametrize(
    ("number", "words", "status"), [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)]
)
def test_an_interrupt_finishes_the_files(
    tmp_path: Path, nano_onnx: Path, number: signal.Signals, words: str, status: int
) -> None:
    target = tmp_path / "a.json"
    command = ["infer", "-", "-m", nano_onnx, "-o", tmp_path / "out", "--json", target]
    with subprocess.Popen(
        [sys.executable, "-m", "yolact_deploy", *map(str, command)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.buffer.write(b"".join(path.read_bytes() for path in PICTURES))
        process.stdin.flush()  # and it stays open, as that of a camera would
        deadline = time.monotonic() + 60
        while not (tmp_path / "out" / "stdin_000008.jpg").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        assert process.stderr.read() == f"error: {words}\n"
        assert process.wait(10) == status
    assert len(json.loads(target.read_text())["images"]) == 8
    assert sorted(os.listdir(tmp_path)) == ["a.json", "out"]


def test_an_interrupted_video_can_be_played(tmp_path: Path, film: Path, nano_onnx: Path) -> None:
    long_film = tmp_path / "long.avi"
    writer = cv2.VideoWriter(str(long_film), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (320, 240))
    frame = cv2.resize(read_image(PICTURES[0]), (320, 240))
    for _ in range(4000):
        writer.write(frame)
    writer.release()
    out = tmp_path / "out"
    command = ["infer", long_film, "-m", nano_onnx, "-o", out / "a.mp4", "--json", out / "a.json"]
    with subprocess.Popen(
        [sys.executable, "-m", "yolact_deploy", *map(str, command)], stdout=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        deadline = time.monotonic() + 60
        while not list(out.glob(".*.mp4")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    count = length(out / "a.mp4")[0]
    assert 0 < count < 4000
    assert len(json.loads((out / "a.json").read_text())["images"]) == count
    assert sorted(os.listdir(out)) == ["a.json", "a.mp4"]


def test_help_says_how_standard_input_is_framed() -> None:
    assert "image2pipe" in " ".join(run_process("infer", "--help").stdout.split())


def test_waiting_threads_of_the_model_leave_the_cores_to_other_stages(nano_onnx: Path) -> None:
    session = create_session(str(nano_onnx), nano_onnx, "cpu", shares_cores=True)
    assert session.get_session_options().get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_no_output_is_an_input(capsys: Captured, tmp_path: Path, nano_onnx: Path) -> None:
    """By the identity of the file: through links of both kinds, and for everything that is read."""
    folder = tmp_path / "in"
    folder.mkdir()
    picture = folder / PICTURES[0].name
    shutil.copy(PICTURES[0], picture)
    model = tmp_path / "m.onnx"
    shutil.copy(nano_onnx, model)
    (tmp_path / "soft.json").symlink_to(picture)
    (tmp_path / "hard.json").hardlink_to(picture)
    (tmp_path / "again").symlink_to(folder)
    instances = tmp_path / "i.json"
    shutil.copy(NANO / "instances.json", instances)
    (tmp_path / "m.onnx.data").write_text("weights")
    (tmp_path / "cut").mkdir()
    for name in ModelConfig.named("yolact_nano").class_names:  # whichever it finds first
        (tmp_path / "cut" / f"{picture.name}_01_{name}.png").hardlink_to(picture)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for options in (
        ("--json", picture),
        ("--json", tmp_path / "soft.json"),
        ("--polygons", tmp_path / "hard.json"),
        ("--results", model),
        ("--json", tmp_path / "m.onnx.data"),
        ("--json", instances, "--annotations", instances),
        ("-o", folder),
        ("-o", tmp_path / "again"),
    ):
        assert "would replace" in fails(capsys, "infer", folder, "-m", model, *options, "--force")
    capsys.readouterr()
    status = cli.run(["infer", str(folder), "-m", str(model), "--cutouts", str(tmp_path / "cut"), "--force"])
    assert (status, "is an input" in capsys.readouterr().err) == (2, True)
    assert {path: path.read_bytes() for path in before} == before


def test_two_outputs_are_two_files(capsys: Captured, tmp_path: Path, film: Path, nano_onnx: Path) -> None:
    out = tmp_path / "out"
    line = fails(capsys, "infer", film, "-m", nano_onnx, "-o", out, "--json", out / "film.mp4")
    assert "two outputs" in line


def test_results_are_scored_as_bench_does(capsys: Captured, tmp_path: Path, nano_onnx: Path) -> None:
    """Against the user's own file, by pycocotools; the annotations have other ids than the model."""
    coco = pytest.importorskip("pycocotools.coco").COCO
    evaluation = pytest.importorskip("pycocotools.cocoeval").COCOeval
    content = json.loads((NANO / "instances.json").read_text())
    moved = {category["id"]: 100 - 7 * category["id"] for category in content["categories"]}
    for record in content["categories"]:
        record["id"] = moved[record["id"]]
    for record in content["annotations"]:
        record["category_id"] = moved[record["category_id"]]
        record["image_id"] += 5_000_000
    for record in content["images"]:
        record["id"] += 5_000_000
        record["file_name"] = f"train/{record['file_name']}"
    own = tmp_path / "own.json"
    own.write_text(json.dumps(content))
    results = tmp_path / "r.json"
    text = succeeds(
        capsys, "infer", NANO / "images", "-m", nano_onnx, "--results", results, "--annotations", own
    )  # alone, so the lowest score is 0
    assert "model's" not in text
    truth = coco(str(own))
    found = truth.loadRes(str(results))
    scored = {}
    for kind in ("bbox", "segm"):
        run = evaluation(truth, found, kind)
        run.evaluate()
        run.accumulate()
        run.summarize()
        scored[kind] = float(run.stats[0])
    dataset = load_dataset(NANO)
    with Predictor.open(nano_onnx) as predictor:
        in_bench = [run_image(predictor, image.id, image.read()) for image in dataset.images]
        mapping = map_classes(predictor.metadata.config, dataset.categories)
    expected = GroundTruth(dataset).evaluate(in_bench, mapping)
    assert expected.box.ap > 0.4
    assert scored == {"bbox": pytest.approx(expected.box.ap), "segm": pytest.approx(expected.mask.ap)}


def test_ids_are_said_to_be_the_models(capsys: Captured, tmp_path: Path, nano_onnx: Path) -> None:
    text = succeeds(capsys, "infer", PICTURES[0], "-m", nano_onnx, "--json", tmp_path / "a.json")
    assert text.count("--annotations") == 1
    assert "--annotations" not in succeeds(capsys, "infer", PICTURES[0], "-m", nano_onnx, "-o", tmp_path / "out")


def test_an_id_does_not_depend_on_the_rest_of_the_folder(capsys: Captured, tmp_path: Path, nano_onnx: Path) -> None:
    ids = []
    for names in (["b.jpg"], ["a.jpg", "b.jpg", "c.jpg"]):
        folder = tmp_path / f"in{len(names)}"
        folder.mkdir()
        for name in names:
            shutil.copy(PICTURES[0], folder / name)
        succeeds(capsys, "infer", folder, "-m", nano_onnx, "--json", folder / "a.json")
        images = json.loads((folder / "a.json").read_text())["images"]
        ids.append(next(image["id"] for image in images if image["file_name"] == "b.jpg"))
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    "arguments", [("--threads", "99999999999999999999"), ("--max-pixels", "0"), ("--score", "nan")]
)
def test_absurd_numbers(capsys: Captured, tmp_path: Path, nano_onnx: Path, arguments: tuple[str, str]) -> None:
    line = fails(capsys, "infer", PICTURES[0], "-m", nano_onnx, "-o", tmp_path, *arguments)
    assert arguments[0] in line


def test_an_image_bomb_takes_no_memory(tmp_path: Path, nano_onnx: Path) -> None:
    """12 kB that are 100 million pixels when decoded."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = (10_000).to_bytes(4, "big") * 2 + b"\x01\x00\x00\x00\x00"
    rows = zlib.compress(bytes(1251 * 10_000), 9)
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    done = run_process("infer", bomb, "-m", nano_onnx, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert_one_error_line(done.stderr)
    assert "10000x10000 px, more than the limit" in done.stderr
