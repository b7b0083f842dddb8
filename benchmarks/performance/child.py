"""Modules run in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from yolact_deploy.errors import YolactDeployError

# As -m, but this package is found wherever it was imported from and whatever the current folder is; last in the path,
# so that nothing beside it hides a standard module.
_LAUNCH = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def run_module(module: str, arguments: Sequence[str], doing: str) -> str:
    """What `python -m module arguments` prints. `doing` says in errors what it is for ("exporting x.pth").

    Raises YolactDeployError, with the last line that it wrote to stderr, when it fails.
    """
    import yolact_deploy

    root = Path(yolact_deploy.__file__).parent.parent
    command = [sys.executable, "-c", _LAUNCH, str(root), module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return done.stdout
    lines = done.stderr.strip().splitlines()
    reason = lines[-1].removeprefix("error: ") if lines else _ending(done.returncode)
    raise YolactDeployError(f"{doing} failed: {reason}")


def _ending(status: int) -> str:
    """How a process ended that said nothing."""
    if status < 0:
        return f"its process was ended by signal {-status}" + (" (for want of memory?)" if status == -9 else "")
    return f"its process ended with status {status}"
