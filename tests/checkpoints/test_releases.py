"""Official checkpoints arrive whole or not at all; the servers are real ones, on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkpoints.files import saved_bytes, zeros
from yolact_deploy.checkpoints.releases import RELEASES, Release, find_release, list_local, pull, without_secrets
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import OutputError, YolactDeployError

RELEASE = find_release("yolact_resnet50")
BODY = saved_bytes(zeros(ModelConfig.named("yolact_resnet50")))  # the right keys and shapes, and small
SHA256 = hashlib.sha256(BODY).hexdigest()
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 204000000\n"
HALF = BODY[: len(BODY) // 2]
BODIES = {"truncated": HALF, "empty": b"", "pointer": LFS_POINTER, "tiny": b"hello", "page": b"<html>"}


class Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path says how to behave; the rest is the file."""

    def do_GET(self) -> None:
        behaviour = self.path.split("/")[1]
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        if behaviour == "redirect":
            self.send_response(302)
            self.send_header("Location", self.path.replace("redirect", "ok", 1))
            self.end_headers()
        elif behaviour == "locked" and self.headers["Authorization"] != "Basic dXNlcjpodW50ZXIy":  # user:hunter2
            self.send_error(401)
        elif behaviour == "missing":
            self.send_error(404)
        else:
            body = BODIES.get(behaviour, BODY)
            self.send_response(200)
            if behaviour != "unmeasured":
                self.send_header("Content-Length", str(len(BODY if behaviour in ("truncated", "empty") else body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.paths = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def base_url(server: http.server.ThreadingHTTPServer, behaviour: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{behaviour}/dbolya"


@pytest.mark.parametrize("behaviour", ["ok", "redirect", "unmeasured"])
def test_a_pull_is_whole_and_recorded(server: http.server.ThreadingHTTPServer, tmp_path: Path, behaviour: str) -> None:
    seen: list[tuple[int, int | None]] = []
    folder = tmp_path / "new" / "weights"
    pulled = pull(RELEASE, folder, base_url(server, behaviour), advance=lambda *step: seen.append(step))
    assert pulled.path == folder / RELEASE.file_name
    assert pulled.path.read_bytes() == BODY
    assert (pulled.sha256, pulled.size_bytes, pulled.was_downloaded) == (SHA256, len(BODY), True)
    record = folder / f"{RELEASE.file_name}.sha256"
    assert record.read_text() == f"{SHA256}  {RELEASE.file_name}\n"
    assert seen[-1] == (len(BODY), None if behaviour == "unmeasured" else len(BODY))
    assert server.paths[-1].endswith("/yolact-resnet50/resolve/main/yolact_resnet50_54_800000.pth")  # type: ignore[attr-defined]
    assert len(list(folder.iterdir())) == 2


def test_a_second_pull_checks_the_record_and_downloads_nothing(
    server: http.server.ThreadingHTTPServer, tmp_path: Path
) -> None:
    pull(RELEASE, tmp_path, base_url(server, "ok"))
    again = pull(RELEASE, tmp_path, base_url(server, "ok"))
    assert (again.was_downloaded, again.was_recorded, again.sha256) == (False, True, SHA256)
    assert len(server.paths) == 1  # type: ignore[attr-defined]
    again.path.write_bytes(BODY[:-1] + b"x")
    with pytest.raises(YolactDeployError, match="SHA-256 differs from the recorded"):
        pull(RELEASE, tmp_path, base_url(server, "ok"))


def test_a_file_fetched_by_hand_is_recorded(tmp_path: Path) -> None:
    (tmp_path / RELEASE.file_name).write_bytes(BODY)
    pulled = pull(RELEASE, tmp_path, "http://127.0.0.1:1")
    assert (pulled.was_downloaded, pulled.was_recorded, pulled.sha256) == (False, False, SHA256)
    assert pull(RELEASE, tmp_path, "http://127.0.0.1:1").was_recorded


def test_a_download_must_equal_an_older_record(server: http.server.ThreadingHTTPServer, tmp_path: Path) -> None:
    record = tmp_path / f"{RELEASE.file_name}.sha256"
    record.write_text(f"{SHA256}  {RELEASE.file_name}\n")
    assert pull(RELEASE, tmp_path, base_url(server, "ok")).was_recorded
    (tmp_path / RELEASE.file_name).unlink()
    record.write_text(f"{'0' * 64}  {RELEASE.file_name}\n")
    with pytest.raises(YolactDeployError, match="SHA-256 differs from the recorded"):
        pull(RELEASE, tmp_path, base_url(server, "ok"))
    assert list(tmp_path.iterdir()) == [record]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("truncated", f"ended after {len(HALF)} of {len(BODY)}"),
        ("empty", f"ended after 0 of {len(BODY)}"),
        ("missing", "404"),
        ("page", "not a PyTorch checkpoint"),
        ("tiny", "not a PyTorch checkpoint"),
        ("pointer", "Git LFS pointer"),
    ],
)
def test_a_failed_pull_leaves_nothing_and_names_the_url(
    server: http.server.ThreadingHTTPServer, tmp_path: Path, behaviour: str, reason: str
) -> None:
    url = base_url(server, behaviour)
    with pytest.raises(YolactDeployError, match=reason) as caught:
        pull(RELEASE, tmp_path, url)
    assert RELEASE.url(url) in str(caught.value)
    assert ".part" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"http://127.0.0.1:{free_port()}", id="nobody listens"),
        "http://name.invalid",
        "nonsense",
        "http://[::1",
    ],
)
def test_without_a_network_the_error_says_what_to_fetch_and_where_to_put_it(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "weights"
    with pytest.raises(YolactDeployError, match="by hand and put it at") as caught:
        pull(RELEASE, folder, url)
    assert RELEASE.url(url) in str(caught.value)
    assert not folder.exists()


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(YolactDeployError, match="no answer in time"):
            pull(RELEASE, tmp_path, url, timeout=0.1)


def test_a_trickle_is_given_up(tmp_path: Path) -> None:
    """A byte now and then keeps a connection open for ever."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                while True:
                    connection.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        with pytest.raises(YolactDeployError, match="less than 256 KiB in 0"):
            pull(RELEASE, tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.05)
        thread.join()
    assert list(tmp_path.iterdir()) == []


def test_secrets_of_a_mirror_are_not_shown(server: http.server.ThreadingHTTPServer, tmp_path: Path) -> None:
    assert pull(RELEASE, tmp_path / "a", f"http://user:hunter2@127.0.0.1:{server.server_port}/locked").was_downloaded
    mirror = f"http://user:hunter2@127.0.0.1:{server.server_port}/missing"
    with pytest.raises(YolactDeployError) as caught:
        pull(RELEASE, tmp_path, mirror)
    assert "hunter2" not in str(caught.value)
    assert without_secrets("https://me:hunter2@host/a?password=hunter2#b") == "https://host/a"


def test_a_file_of_something_else_is_neither_kept_nor_recorded(
    server: http.server.ThreadingHTTPServer, tmp_path: Path
) -> None:
    base = find_release("yolact_base")
    with pytest.raises(YolactDeployError, match="ResNet-50 backbone, not ResNet-101"):
        pull(base, tmp_path, base_url(server, "ok"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / base.file_name).write_bytes(b"12345")
    with pytest.raises(YolactDeployError, match="not a PyTorch checkpoint"):
        pull(base, tmp_path, base_url(server, "ok"))
    assert [path.name for path in tmp_path.iterdir()] == [base.file_name]


def test_a_folder_that_cannot_be_written(server: http.server.ThreadingHTTPServer, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x")
    with pytest.raises(OutputError, match="cannot write into"):
        pull(RELEASE, blocker / "weights", base_url(server, "ok"))


@pytest.mark.parametrize("content", [b"", b"nonsense  x.pth\n", b"\xff\xfe"])
def test_a_damaged_record_is_not_trusted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"{RELEASE.file_name}.sha256").write_bytes(content)
    with pytest.raises(YolactDeployError, match="holds no SHA-256"):
        list_local(tmp_path)


def test_names_are_accepted_in_every_usual_form() -> None:
    for name in ("yolact_base", "yolact_base_config", "yolact_base_54_800000", "yolact_base_54_800000.pth"):
        assert find_release(name) == Release("yolact_base", about_bytes=204_000_000)
    with pytest.raises(YolactDeployError, match="did you mean yolact_im700") as caught:
        find_release("yolact_im7OO")
    assert all(release.config in str(caught.value) for release in RELEASES)


def test_the_catalogue() -> None:
    assert len({release.file_name for release in RELEASES}) == len(RELEASES) == 6
    assert (
        Release("yolact_plus_resnet50").url()
        == "https://huggingface.co/dbolya/yolact-plus-resnet50/resolve/main/yolact_plus_resnet50_54_800000.pth"
    )


def test_list_says_what_is_here(tmp_path: Path) -> None:
    (tmp_path / RELEASE.file_name).write_bytes(BODY)
    before = {weights.release: weights for weights in list_local(tmp_path)}
    assert before[RELEASE].size_bytes == len(BODY)
    assert before[RELEASE].recorded_sha256 is None
    pull(RELEASE, tmp_path)
    after = {weights.release: weights for weights in list_local(tmp_path)}
    assert after[RELEASE].recorded_sha256 == SHA256
    assert [weights.size_bytes for release, weights in after.items() if release != RELEASE] == [None] * 5
