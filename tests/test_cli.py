"""The frame of the command line: help, usage, exit statuses, one line for every failure, values of options."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer

from tests.conftest import ROOT
from tests.running import Captured, assert_one_error_line, fails, run_process, succeeds
from yolact_deploy import __version__, cli
from yolact_deploy.commands.options import read_batch, read_class_names, read_config
from yolact_deploy.config.model import NAMED_CONFIGS
from yolact_deploy.errors import ConfigError, GateError, YolactDeployError

COMMANDS = ("export", "bench", "compare", "infer", "inspect", "doctor", "weights", "weights list", "weights pull")


def test_help_is_instant_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, yolact_deploy.cli as cli; status = cli.run(['--help']);"
        "print(status, [name for name in ('torch', 'onnx', 'onnxruntime', 'numpy', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_explained(command: str) -> None:
    group = typer.main.get_command(cli.app)
    found = group
    for name in command.split():
        found = found.commands[name]  # type: ignore[attr-defined]
    assert found.help
    for parameter in found.params:
        if parameter.param_type_name == "option":  # some releases of typer keep no help text of arguments
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
    line = fails(capsys, *arguments).lower()  # releases of typer differ in case
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

    monkeypatch.setattr("yolact_deploy.commands.doctor.examine_machine", diagnose)
    assert words in fails(capsys, "doctor", status=status)


@pytest.mark.parametrize("arguments", [["-v", "doctor"], ["doctor", "--verbose"]])
def test_verbose_shows_where_it_happened(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str]
) -> None:
    monkeypatch.setattr("yolact_deploy.commands.doctor.examine_machine", lambda: 1 / 0)
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


@pytest.mark.parametrize(("shell", "settings"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_completion_is_installed(tmp_path: Path, shell: str, settings: str) -> None:
    """Into a home folder without any settings, and it completes."""
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    program = tmp_path / "bin" / cli.PROGRAM
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m yolact_deploy "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def start(command: str, **more: str) -> str:
        words = [shell, "-c", f"{command}; exit $?"]  # with a second command, the shell stays the program's parent
        done = subprocess.run(words, capture_output=True, text=True, env={**environment, **more})
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "completion installed" in start(f"{cli.PROGRAM} --install-completion")
    assert (tmp_path / settings).is_file()
    words = {"COMP_WORDS": f"{cli.PROGRAM} ins", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": f"{cli.PROGRAM} ins"}
    assert "inspect" in start(cli.PROGRAM, _YOLACT_DEPLOY_COMPLETE=f"complete_{shell}", **words)


def test_completion_for_an_unknown_shell(tmp_path: Path) -> None:
    """Status 1 would say that a gate failed."""
    command = f'"{sys.executable}" -m yolact_deploy --install-completion; exit $?'
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, cwd=ROOT, env={**os.environ, "HOME": str(tmp_path)}
    )
    if "completion installed" not in done.stdout:  # where sh is bash
        assert done.returncode == 2
        assert_one_error_line(done.stderr)
        assert "bash, zsh" in done.stderr


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


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "", "²", "1" + "0" * 5000, "9" * 20])
def test_wrong_batches(value: str) -> None:
    with pytest.raises(ConfigError, match="dynamic"):
        read_batch(value)


@pytest.mark.parametrize("value", ["a,,b", "", "missing.txt", "folder/missing"])
def test_wrong_class_names(value: str) -> None:
    with pytest.raises(ConfigError):
        read_class_names(value)


@pytest.mark.parametrize(("closing", "status"), [("<&-", 0), (">&-", 2), ("2>&-", 0), ("<&- >&- 2>&-", 2)])
def test_closed_streams(closing: str, status: int) -> None:
    command = f"{sys.executable} -m yolact_deploy --version {closing}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == status
    if closing == ">&-":
        assert_one_error_line(done.stderr)
        assert "standard output is closed" in done.stderr
