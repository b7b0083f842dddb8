"""Official checkpoints arrive whole or not at all; the servers are real ones, on this machine."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from yolact_deploy.checkpoints.releases import RELEASES, Release, find_release, list_local, pull
from yolact_deploy.errors import OutputError, YolactDeployError

BODY = bytes(range(256)) * 3000  # 768 kB, several reads
SHA256 = hashlib.sha256(BODY).hexdigest()
RELEASE = find_release("yolact_base")


class Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path says how to behave; the rest is the file."""

    def do_GET(self) -> None:
        behaviour = self.path.split("/")[1]
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        if behaviour == "redirect":
            self.send_response(302)
            self.send_header("Location", self.path.replace("redirect", "ok", 1))
            self.end_headers()
        elif behaviour == "missing":
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if behaviour == "page" else "application/octet-stream")
            if behaviour != "unmeasured":
                self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY[: {"truncated": 300_000, "empty": 0}.get(behaviour, len(BODY))])

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
    assert pulled.path == folder / "yolact_base_54_800000.pth"
    assert pulled.path.read_bytes() == BODY
    assert (pulled.sha256, pulled.size_bytes, pulled.was_downloaded) == (SHA256, len(BODY), True)
    record = folder / "yolact_base_54_800000.pth.sha256"
    assert record.read_text() == f"{SHA256}  yolact_base_54_800000.pth\n"
    assert seen[-1] == (len(BODY), None if behaviour == "unmeasured" else len(BODY))
    assert server.paths[-1].endswith("/yolact-base/resolve/main/yolact_base_54_800000.pth")  # type: ignore[attr-defined]
    assert len(list(folder.iterdir())) == 2


def test_a_second_pull_checks_the_record_and_downloads_nothing(
    server: http.server.ThreadingHTTPServer, tmp_path: Path
) -> None:
    pull(RELEASE, tmp_path, base_url(server, "ok"))
    again = pull(RELEASE, tmp_path, base_url(server, "ok"))
    assert (again.was_downloaded, again.was_recorded, again.sha256) == (False, True, SHA256)
    assert len(server.paths) == 1  # type: ignore[attr-defined]
    again.path.write_bytes(BODY[:-1] + b"x")
    with pytest.raises(YolactDeployError, match="differs from its recorded SHA-256"):
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
    with pytest.raises(YolactDeployError, match="no longer has the SHA-256"):
        pull(RELEASE, tmp_path, base_url(server, "ok"))
    assert list(tmp_path.iterdir()) == [record]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("truncated", "ended after 300000 of 768000"), ("empty", "ended"), ("missing", "404"), ("page", "web page")],
)
def test_a_failed_pull_leaves_nothing_and_names_the_url(
    server: http.server.ThreadingHTTPServer, tmp_path: Path, behaviour: str, reason: str
) -> None:
    url = base_url(server, behaviour)
    with pytest.raises(YolactDeployError, match=reason) as caught:
        pull(RELEASE, tmp_path, url)
    assert RELEASE.url(url) in str(caught.value)
    assert str(tmp_path / RELEASE.file_name) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("url", [f"http://127.0.0.1:{free_port()}", "http://name.invalid", "nonsense", "http://[::1"])
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
        assert find_release(name) == RELEASE
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
