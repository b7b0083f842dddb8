"""Run modules in subprocesses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from yolact_deploy.errors import YolactDeployError

# As -m, with this process's module search path instead of one that begins with the current folder.
_LAUNCH = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def run_module(module: str, arguments: Sequence[str], doing: str) -> str:
    """What `python -m module arguments` prints. `doing` says in errors what it is for ("exporting x.pth").

    Nothing is ever imported from the current folder. Raises YolactDeployError, with the last line that the subprocess
    wrote to stderr, when it fails.
    """
    # -I: neither the current folder nor PYTHONPATH is searched until `_LAUNCH` sets the path.
    command = [sys.executable, "-I", "-c", _LAUNCH, json.dumps(_search_path()), module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return done.stdout
    lines = done.stderr.strip().splitlines()
    reason = lines[-1].removeprefix("error: ") if lines else _ending(done.returncode)
    raise YolactDeployError(f"{doing} failed: {reason}")


def _search_path() -> list[str]:
    """Where this process finds modules, without the current folder; last, so that nothing beside it hides another
    module, the folder that holds this package, wherever it was imported from."""
    import yolact_deploy

    root = str(Path(yolact_deploy.__file__).parent.parent.resolve())
    current = os.path.realpath(os.curdir)
    folders = [os.path.realpath(folder) for folder in sys.path if folder]
    return [*(folder for folder in folders if folder not in (current, root)), root]


def _ending(status: int) -> str:
    """How a process ended that said nothing."""
    if status < 0:
        return f"its process was ended by signal {-status}" + (" (out of memory?)" if status == -9 else "")
    return f"its process ended with status {status}"
