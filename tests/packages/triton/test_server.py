"""The repository in Triton's real server, over HTTP and gRPC. Its onnxruntime backend is played: see stand_in_core."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import NANO, ROOT
from tests.packages.triton.parts import FOLDER, SERVER, STUB, require_client, require_server
from yolact_deploy.images import read_image
from yolact_deploy.packages.triton.repository import TritonOptions, package_triton
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Detections

pytestmark = pytest.mark.slow
PICTURES = sorted((NANO / "images").glob("*.jpg"))[:8]
CLIENTS = 16
READY = "Started HTTPService"  # the last thing that the server says when it starts
THRESHOLD = 0.1


@dataclass(frozen=True)
class Server:
    http: str
    grpc: str


@pytest.fixture(scope="module")
def server(nano_dynamic_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require_client()
    require_server()
    folder = tmp_path_factory.mktemp("triton")
    options = TritonOptions(folder / "repo", max_batch=4, score_threshold=THRESHOLD)
    package = package_triton(nano_dynamic_onnx, options)
    config = package.model_folder / "config.pbtxt"
    config.write_text(config.read_text().replace('"onnxruntime"', '"python"'))
    shutil.copy(Path(__file__).with_name("stand_in_core.py"), package.model_folder / "1/model.py")
    # Triton's Python is isolated: it has the packages of the system, and neither a venv's nor those of PYTHONPATH.
    packages = [str(ROOT), *(path for path in sys.path if path.endswith("-packages"))]
    for model in (package.name, package.front_name):
        file = folder / "repo" / model / "1/model.py"
        text = file.read_text().replace("from __future__ import annotations\n", "")
        file.write_text(f"import sys\nsys.path[:0] = {packages!r}\n{text}")
    shutil.copytree(SERVER / "backends", folder / "backends")
    shutil.copy(STUB, folder / "backends/python")
    with running(folder) as server:
        yield server


class running:  # noqa: N801 used as a function
    """The server, from when it is ready to when the block ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Server:
        http, grpc = free_ports(2)
        command = [
            str(SERVER / "bin/tritonserver"), f"--model-repository={self._folder / 'repo'}",
            f"--backend-directory={self._folder / 'backends'}", "--allow-metrics=false",
            "--http-address=127.0.0.1", "--grpc-address=127.0.0.1", f"--http-port={http}", f"--grpc-port={grpc}",
        ]  # fmt: skip
        environment = {**os.environ, "LD_LIBRARY_PATH": str(FOLDER / "nvidia_pytriton.libs")}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if READY in line:
                break
        else:
            pytest.fail("".join(said[-30:]))
        # Read on, so that the server never waits for room in the pipe.
        self._reader = threading.Thread(target=self._process.stdout.read)
        self._reader.start()
        return Server(f"127.0.0.1:{http}", f"127.0.0.1:{grpc}")

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def expected(nano_dynamic_onnx: Path) -> dict[Path, Detections]:
    with Predictor.open(nano_dynamic_onnx, device="cpu", score_threshold=THRESHOLD) as predictor:
        return {path: predictor(read_image(path)) for path in PICTURES}


def ask(server: Server, kind: str, data: bytes, model: str = "yolact_nano_front") -> Any:
    """One request by Triton's own client."""
    from tritonclient import grpc, http

    module, address = {"http": (http, server.http), "grpc": (grpc, server.grpc)}[kind]
    client = module.InferenceServerClient(address)
    array = np.frombuffer(data, np.uint8)
    picture = module.InferInput("picture", list(array.shape), "UINT8")
    picture.set_data_from_numpy(array)
    return json.loads(client.infer(model, [picture]).as_numpy("detections").tobytes())


def assert_same(answer: Any, expected: Detections) -> None:
    from pycocotools import mask

    assert (answer["width"], answer["height"]) == (expected.width, expected.height)
    assert [one["class"] for one in answer["detections"]] == expected.classes.tolist()
    assert [one["box"] for one in answer["detections"]] == expected.boxes.tolist()
    for one, score, inside in zip(answer["detections"], expected.scores, expected.masks, strict=True):
        assert one["score"] == pytest.approx(score, abs=1e-5)
        decoded = mask.decode({**one["mask"], "counts": one["mask"]["counts"].encode()})
        assert np.count_nonzero(decoded != inside) <= 2  # batches of other sizes round otherwise


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_answers_are_those_of_predictor(server: Server, expected: dict[Path, Detections], kind: str) -> None:
    assert sum(map(len, expected.values())) > 50
    for path, detections in expected.items():
        assert_same(ask(server, kind, path.read_bytes()), detections)


def test_many_clients_at_once(server: Server, expected: dict[Path, Detections]) -> None:
    asked = [(PICTURES[index % len(PICTURES)], ("http", "grpc")[index % 2]) for index in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda one: ask(server, one[1], one[0].read_bytes()), asked))
    for (path, _), answer in zip(asked, answers, strict=True):
        assert_same(answer, expected[path])


def post(server: Server, data: bytes) -> tuple[int, bytes]:
    """What curl sends with --data-binary: status and body."""
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "0"}
    request = urllib.request.Request(f"http://{server.http}/v2/models/yolact_nano_front/infer", data, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_bytes_of_a_file_alone(server: Server, expected: dict[Path, Detections]) -> None:
    status, body = post(server, PICTURES[0].read_bytes())
    _, end = json.JSONDecoder().raw_decode(body.decode())  # Triton's own header
    assert status == 200
    assert_same(json.loads(body[end:]), expected[PICTURES[0]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"garbage", "not an image"),
        (PICTURES[0].read_bytes()[:100], "not an image|damaged|cannot"),
        (b"P6 99999 99999 255\n", "more than the limit"),
        (b"\xff" * 100_000, "not an image"),
    ],
)
def test_garbage_is_the_clients_fault(server: Server, data: bytes, message: str) -> None:
    import re

    from tritonclient.utils import InferenceServerException

    status, body = post(server, data)
    assert status == 400
    assert re.search(message, json.loads(body)["error"])
    with pytest.raises(InferenceServerException, match=message) as error:
        ask(server, "grpc", data)
    assert error.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert_ready(server)


def assert_ready(server: Server) -> None:
    with urllib.request.urlopen(f"http://{server.http}/v2/health/ready") as answer:
        assert answer.status == 200


def test_the_model_itself_is_held_to_its_configuration(server: Server, expected: dict[Path, Detections]) -> None:
    from tritonclient import http
    from tritonclient.utils import InferenceServerException

    client = http.InferenceServerClient(server.http)
    image = read_image(PICTURES[0])
    tensor = http.InferInput("image", [2, *image.shape], "UINT8")
    tensor.set_data_from_numpy(np.stack([image, image]))
    found = client.infer("yolact_nano", [tensor])
    assert found.as_numpy("masks").shape == (2, 100, 64, 64)
    assert found.as_numpy("num_detections").shape == (2, 1)
    wrong = http.InferInput("image", [5, *image.shape], "UINT8")
    wrong.set_data_from_numpy(np.stack([image] * 5))
    with pytest.raises(InferenceServerException, match="batch-size must be <= 4"):
        client.infer("yolact_nano", [wrong])
