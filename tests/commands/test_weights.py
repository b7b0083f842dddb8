"""`weights list` and `weights pull`, with and without a network."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.checkpoints.files import save, zeros
from tests.conftest import ROOT
from tests.running import Captured, assert_one_error_line, fails, run_process, succeeds
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.files import sha256_of


def test_weights_list(capsys: Captured, tmp_path: Path) -> None:
    table = succeeds(capsys, "weights", "list", "-o", tmp_path)
    assert "195 MiB" in table
    path = save(tmp_path / "yolact_resnet50_54_800000.pth", zeros(ModelConfig.named("yolact_resnet50")))
    succeeds(capsys, "weights", "pull", "yolact_resnet50", "-o", tmp_path)  # records what is there
    assert f"yes, sha256 {sha256_of(path)[:12]}" in succeeds(capsys, "weights", "list", "-o", tmp_path)
    releases = json.loads(succeeds(capsys, "weights", "list", "-o", tmp_path, "--json", "-"))
    assert len(releases) == 6
    assert all(release["url"] in table for release in releases)


def test_time_limits_that_no_clock_takes(capsys: Captured, tmp_path: Path) -> None:
    for value in ("inf", "1e400", "nan", "99999999999999999999"):
        assert "--timeout" in fails(capsys, "weights", "pull", "yolact_base", "-o", tmp_path, "--timeout", value)


def test_weights_pull_without_a_network(tmp_path: Path) -> None:
    mirror = {"YOLACT_DEPLOY_WEIGHTS_URL": "http://127.0.0.1:1/mirror"}
    done = run_process("weights", "pull", "yolact_base", "-o", tmp_path / "weights", env=mirror)
    assert done.returncode == 2
    assert_one_error_line(done.stderr)
    assert "http://127.0.0.1:1/mirror/yolact-base/resolve/main/yolact_base_54_800000.pth" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_pull_leaves_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [
            sys.executable,
            "-m",
            "yolact_deploy",
            "weights",
            "pull",
            "yolact_base",
            "--url",
            url,
            "-o",
            str(tmp_path),
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
            silent.settimeout(60)
            connection, _ = silent.accept()
            connection.recv(16)  # now it waits for an answer
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            assert process.stderr.read() == "error: interrupted\n"
        connection.close()
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
