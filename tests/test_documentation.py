"""Every command line of README and docs/ is parsed, and run where this machine can; README's Python runs, too."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer

from tests.conftest import NANO, NANO_WEIGHTS, ROOT
from yolact_deploy import cli

PAGES = [
    ROOT / "README.md",
    ROOT / "plugins/README.md",
    ROOT / "docker/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
LOCAL = {  # what the pages call their files -> what stands for it here
    "weights/yolact_resnet50_54_800000.pth": str(NANO_WEIGHTS),
    "coco/val2017": "data",
    "photographs/": "photographs",
}
ELSEWHERE = {  # commands that this machine cannot run, or that have tests of their own
    "weights pull": "needs the network",
    "build-plugins": "needs a GPU, or minutes of nvcc",
    "compare model.onnx model.engine": "needs a GPU",
    "selftest": "takes minutes",
    "bench model.engine": "needs a GPU",
    "--model model.engine": "needs a GPU",
}


def command_lines(page: Path) -> list[str]:
    """Lines of fenced blocks that begin with the program's name, without comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.partition(" #")[0].strip() for line in lines if line.startswith("yolact-deploy ")]


CASES = [
    pytest.param(page, line, id=f"{page.relative_to(ROOT)}: {line}") for page in PAGES for line in command_lines(page)
]


def test_the_pages_have_commands() -> None:
    assert len(CASES) > 20
    assert {page.name for page, _ in (case.values for case in CASES)} >= {"README.md", "tensorrt.md", "jetson.md"}


@pytest.mark.parametrize(("page", "line"), CASES)
def test_each_command_line_is_understood(page: Path, line: str) -> None:
    """Its command and options exist and its values convert; nothing is run."""
    words = shlex.split(line)[1:]
    command = typer.main.get_command(cli.app)
    while hasattr(command, "commands"):
        name = words.pop(0)
        assert name in command.commands, f"{page.name}: there is no command {name}"
        command = command.commands[name]
    command.make_context(command.name, words)  # raises for what it does not know


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, nano_onnx: Path) -> Path:
    """A folder with everything that the pages name."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("data/images", "photographs"):
        (folder / name).mkdir(parents=True)
    instances = NANO / "instances.json"
    shutil.copy(instances, folder / "data")
    for image in sorted((NANO / "images").iterdir()):
        shutil.copy(image, folder / "data/images")
    for image in sorted((NANO / "images").iterdir())[:2]:
        shutil.copy(image, folder / "photographs")
    shutil.copy(NANO / "images/000000001000.jpg", folder / "photo.jpg")
    shutil.copy(nano_onnx, folder / "model.onnx")
    return folder


@pytest.mark.parametrize("line", list(dict.fromkeys(command_lines(ROOT / "README.md"))))
def test_each_command_of_readme_runs(line: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = next((reason for words, reason in ELSEWHERE.items() if words in line), None)
    if reason is not None or "FILE" in line or " A B" in line:
        pytest.skip(reason or "a pattern, not a command")
    monkeypatch.chdir(workplace)
    words = [LOCAL.get(word, word) for word in shlex.split(line)[1:]]
    if words[0] == "bench":
        words += ["--limit", "2", "--iterations", "1", "--repeats", "1", "--max-ap-difference", "100"]
    if words[0] in ("export", "build-engine", "infer"):
        words.append("--force")
    if words[0] == "build-engine":
        pytest.importorskip("tensorrt_rtx_bindings")
    assert cli.run(words) == 0


def test_the_python_of_the_pages_runs(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    for page in (ROOT / "README.md", ROOT / "docs/python.md"):
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        assert blocks
        exec(compile(blocks[0], str(page), "exec"), {})


def test_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
