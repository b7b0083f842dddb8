"""The stand-in for TensorRT's module beside the real one: same names, parameters and values of enums."""

from __future__ import annotations

import ast
import inspect
import json
from enum import IntEnum

import pytest

from tests import tensorrt_stand_in as stand_in
from tests.real_tensorrt.releases import BINDINGS

RELEASE = BINDINGS[-1]
KINDS = [kind for kind in vars(stand_in).values() if inspect.isclass(kind) and kind.__module__ == stand_in.__name__]
CLASSES = [kind for kind in KINDS if not issubclass(kind, IntEnum) and kind is not stand_in.SeenOptions]
ENUMS = [kind for kind in KINDS if issubclass(kind, IntEnum)]
FOR_TESTS = {"last_config", "seen"}  # what a test looks at afterwards

pytestmark = pytest.mark.skipif(not RELEASE.is_installed, reason=RELEASE.missing)


@pytest.fixture(scope="module")
def real_classes() -> dict[str, ast.ClassDef]:
    tree = ast.parse((RELEASE.stubs / "tensorrt.pyi").read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def members(node: ast.ClassDef) -> dict[str, list[list[str]]]:
    """The parameters of each overload of each method; none for a property or an attribute."""
    found: dict[str, list[list[str]]] = {}
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            is_property = any(isinstance(word, ast.Name) and word.id == "property" for word in item.decorator_list)
            parameters = [] if is_property else [[argument.arg for argument in item.args.args]]
            found.setdefault(item.name, []).extend(parameters)
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            found[item.target.id] = []
    return found


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_it_has_only_what_the_real_class_has(kind: type, real_classes: dict[str, ast.ClassDef]) -> None:
    real = members(real_classes[kind.__name__])
    for name in set(vars(kind)) - FOR_TESTS:
        if name.startswith("_"):
            continue
        assert name in real or name == "Severity", name
        value = vars(kind)[name]
        if inspect.isfunction(value):
            parameters = list(inspect.signature(value).parameters)
            assert any(overload[: len(parameters)] == parameters for overload in real[name]), (name, real[name])


def test_values_of_enums() -> None:
    done = RELEASE.run(["-m", "tests.real_tensorrt.probe"])
    assert done.returncode == 0, done.stderr
    real = json.loads(done.stdout)["enums"]
    assert len(ENUMS) >= 10
    for kind in ENUMS:
        assert {member.name: int(member) for member in kind}.items() <= real[kind.__name__].items()
