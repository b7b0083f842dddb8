"""Running a module of this package in another process, which imports nothing from the current folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

# As -m, with this process's module search path instead of one that begins with the current folder.
_LAUNCH = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def module_command(module: str) -> list[str]:
    """The command that is `python -m module`; its arguments are appended."""
    # -I: neither the current folder nor PYTHONPATH is searched until `_LAUNCH` sets the path.
    return [sys.executable, "-I", "-c", _LAUNCH, json.dumps(_search_path()), module]


def _search_path() -> list[str]:
    """Where this process finds modules, without the current folder; last, so that nothing beside it hides another
    module, the folder that holds this package, wherever it was imported from."""
    root = str(Path(__file__).parent.parent.resolve())
    current = os.path.realpath(os.curdir)
    folders = [os.path.realpath(folder) for folder in sys.path if folder]
    return [*(folder for folder in folders if folder not in (current, root)), root]
