"""Imports point one way: read from the source, so that those inside functions count, too."""

from __future__ import annotations

import ast
import graphlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT

PACKAGE = "yolact_deploy"
LINKED = (
    "export",
    "benchmarks",
)  # real folders at the top, reached as yolact_deploy.export and yolact_deploy.benchmarks
# Rooms, lowest first: a room imports rooms of earlier lines and itself.
ORDER = (
    ("_version", "errors"),
    ("dependencies",),
    ("config",),
    ("formats",),
    ("detections",),
    ("machine", "types"),
    ("files", "launch", "telemetry"),
    ("images",),
    ("console",),
    ("ops",),
    ("draw", "models"),
    ("artifacts", "checkpoints"),
    ("trt",),
    ("runtimes",),
    ("predictor",),
    ("diagnosis", "inference", "inspection"),
    ("benchmarks", "export", "packages"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}


class Import(NamedTuple):
    """One import of a module of the package by another."""

    importer: str
    imported: str
    line: int
    lazy: bool  # inside a function, or for type checkers alone

    @property
    def rooms(self) -> tuple[str, str]:
        """The importer's and the imported module's."""
        return room_of(self.importer), room_of(self.imported)


def room_of(module: str) -> str:
    """The first name below the package; the package's own for its `__init__`."""
    return module.split(".")[1] if "." in module else module


def source_files() -> dict[str, Path]:
    """Every module of the package: name -> file, each in its real folder."""
    files = {}
    for folder in (PACKAGE, *LINKED):
        for path in (ROOT / folder).rglob("*.py"):  # does not follow the links
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts if folder == PACKAGE else (PACKAGE, *parts)
            if folder != PACKAGE or parts[1] not in LINKED:
                files[".".join(parts).removesuffix(".__init__")] = path
    return files


def import_nodes(node: ast.AST, lazy: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """The import statements below `node`, and whether they run when the module is imported (False) or not (True)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, lazy
        postponed = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        )
        yield from import_nodes(child, lazy or postponed)


def targets(node: ast.Import | ast.ImportFrom, module: str, is_package: bool, modules: set[str]) -> Iterator[str]:
    """The package's modules that a statement of `module` names."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        base = module.split(".")[: len(module.split(".")) - node.level + is_package] if node.level else []
        source = ".".join([*base, *([node.module] if node.module else [])])
        names = [f"{source}.{alias.name}" if f"{source}.{alias.name}" in modules else source for alias in node.names]
    yield from (name for name in names if name.split(".")[0] == PACKAGE)


def read_imports() -> list[Import]:
    files = source_files()
    return [
        Import(module, target, node.lineno, lazy)
        for module, path in files.items()
        for node, lazy in import_nodes(ast.parse(path.read_text()))
        for target in targets(node, module, path.name == "__init__.py", set(files))
    ]


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return read_imports()


def test_the_source_is_read(imports: list[Import]) -> None:
    """Each way of writing an import is understood; otherwise the other tests pass over it."""
    assert {room for found in imports for room in found.rooms} == {*LEVEL, PACKAGE}
    found = {(one.importer, one.imported, one.lazy) for one in imports}
    assert ("yolact_deploy.__main__", "yolact_deploy.cli", True) in found
    assert ("yolact_deploy.commands.export", "yolact_deploy.export.graph.torch_to_onnx", True) in found
    modules = {"yolact_deploy.a.b", "yolact_deploy.c"}
    for text, expected in (
        ("from ..c import x", "yolact_deploy.c"),
        ("from .. import c", "yolact_deploy.c"),
        ("from . import b", "yolact_deploy.a.b"),
        ("import yolact_deploy.c as c", "yolact_deploy.c"),
        ("from yolact_deploy.a import b", "yolact_deploy.a.b"),
        ("from yolact_deploy.a import x", "yolact_deploy.a"),
        ("def f():\n  from ..c import x", "yolact_deploy.c"),
        ("if TYPE_CHECKING:\n  from ..c import x", "yolact_deploy.c"),
    ):
        ((node, lazy),) = import_nodes(ast.parse(text))
        assert list(targets(node, "yolact_deploy.a.d", False, modules)) == [expected]
        assert lazy == ("\n" in text)


def test_imports_point_down(imports: list[Import]) -> None:
    upward = [
        f"{one.importer}, line {one.line}: {one.imported}"
        for one in imports
        for importer, imported in [one.rooms]
        if PACKAGE not in one.rooms and importer != imported and LEVEL[importer] <= LEVEL[imported]
    ]
    assert upward == []


def test_no_module_imports_itself_through_others(imports: list[Import]) -> None:
    graph = defaultdict(set)
    for one in imports:
        if one.importer != PACKAGE:  # gives names of the whole package, when they are asked for
            graph[one.importer].add(one.imported)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


def test_the_package_itself_and_the_commands_import_the_rest_lazily(imports: list[Import]) -> None:
    """So that `import yolact_deploy` and `--help` are instant."""
    early = [
        one for one in imports if not one.lazy and one.importer == PACKAGE and one.imported != "yolact_deploy._version"
    ]
    early += [one for one in imports if not one.lazy and one.rooms[0] == "commands" and one.rooms[1] in LINKED]
    assert early == []


def test_imports_of_linked_folders_are_absolute() -> None:
    """A reader, an editor and a type checker can follow them from where the files really lie."""
    relative = [
        f"{path.relative_to(ROOT)}, line {node.lineno}"
        for folder in LINKED
        for path in (ROOT / folder).rglob("*.py")
        for node, _ in import_nodes(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]
    assert relative == []
