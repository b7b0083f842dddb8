"""Run modules in subprocesses."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence

from yolact_deploy.errors import YolactDeployError
from yolact_deploy.launch import module_command


class TimeLimitError(YolactDeployError):
    """A subprocess took too long and was ended."""


def run_module(
    module: str, arguments: Sequence[str], doing: str, limit_s: float | None = None, prefix: Sequence[str] = ()
) -> str:
    """What `python -m module arguments` prints. `doing` says in errors what it is for ("exporting x.pth").

    Nothing is ever imported from the current folder. limit_s: seconds after which it and what it has started are
    ended; None: no limit. prefix: words before the command, such as those of a tool that watches it.

    Raises YolactDeployError, with the last line that the subprocess wrote to stderr, when it fails, and TimeLimitError.
    """
    command = [*prefix, *module_command(module), *arguments]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # so that what it starts can be ended with it
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=limit_s)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeLimitError(f"{doing} was ended: it took longer than {limit_s:.0f} s") from None
            raise
    if process.returncode == 0:
        return stdout
    lines = stderr.strip().splitlines()
    reason = lines[-1].removeprefix("error: ") if lines else ""
    if process.returncode < 0 or not reason:
        reason = _ending(process.returncode) + (f"; its last line was: {reason}" if reason else "")
    raise YolactDeployError(f"{doing} failed: {reason}")


def _ending(status: int) -> str:
    """How a process ended."""
    if status < 0:
        return f"its process was ended by signal {-status}" + (" (out of memory?)" if status == -9 else "")
    return f"its process ended with status {status}"
