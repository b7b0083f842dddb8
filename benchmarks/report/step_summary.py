"""GitHub's summary of a step: a file that steps add to, named by $GITHUB_STEP_SUMMARY."""

from __future__ import annotations

import os
from pathlib import Path

from yolact_deploy.errors import OutputError

VARIABLE = "GITHUB_STEP_SUMMARY"
MAX_BYTES = 1 << 20  # 1 MiB: GitHub refuses larger ones


def is_step_summary(target: str | None) -> bool:
    """Whether `target` is the file that the variable names."""
    named = os.environ.get(VARIABLE)
    return bool(named) and target is not None and Path(target) == Path(str(named))


def append_step_summary(text: str) -> None:
    """Add `text`; what others wrote stays. What is too long is cut at a line. Raises OutputError."""
    path = Path(os.environ[VARIABLE])
    try:
        room = MAX_BYTES - (path.stat().st_size if path.exists() else 0)
        data = text.encode("utf-8")
        if len(data) > room:
            data = data[: max(room - 100, 0)].rpartition(b"\n")[0] + b"\n\nThe rest is too long for this summary.\n"
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
