"""Checks of the TensorRT plugins: they compile, their kernels are right, and how fast they are."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from yolact_deploy.benchmarks.selftest.check import FailedError, Finding, SkippedError
from yolact_deploy.benchmarks.selftest.context import COMMAND, CheckContext
from yolact_deploy.errors import YolactDeployError

KERNELS = "yolact_deploy.benchmarks.kernels.run"
SANITIZER = "compute-sanitizer"
SANITIZER_TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
_FOUND_STATUS = 9  # of compute-sanitizer, when it has found something
_BUILD_SECONDS, _CHECK_SECONDS, _SANITIZE_SECONDS, _TIME_SECONDS = 240, 90, 120, 120


def build(context: CheckContext) -> Finding:
    """The plugins compile for the GPU here."""
    context.need("gpu")
    missing = context.lacks("compile the TensorRT plugins")
    if missing:
        try:
            used = f"; {context.library()} is used"
        except SkippedError as reason:
            used = f"; {reason}"
        raise SkippedError(f"lacks {', '.join(missing)}{used}")
    words = ["build-plugins", "--output", context.built_library]
    printed = context.run(COMMAND, words, "compiling the plugins", _BUILD_SECONDS)
    return Finding(_last_line(printed).rpartition(".so: ")[2])


def kernels(context: CheckContext, group: str) -> Finding:
    """The kernels of an operator give what the reference gives."""
    context.need_gpu()
    words = [context.library(), "check", group]
    found = json.loads(_last_line(context.run(KERNELS, words, "running the kernels", _CHECK_SECONDS)))
    return Finding(f"{found['cases']} inputs, largest difference {found['largest_difference']:.1e}", found)


def sanitize(context: CheckContext, tool: str) -> Finding:
    """compute-sanitizer finds nothing in the kernels."""
    if not context.sanitize:
        raise SkippedError("pass --sanitize")
    context.need_gpu()
    library = context.library()
    if shutil.which(SANITIZER) is None:
        raise SkippedError(f"no {SANITIZER} on the PATH: it comes with the CUDA toolkit")
    log = context.folder / f"{tool}.log"
    watched = [SANITIZER, "--tool", tool, "--error-exitcode", str(_FOUND_STATUS), "--log-file", str(log)]
    # initcheck takes garbage for a value like any other, so there is none for it.
    garbage = ["--uninitialised"] if tool == "initcheck" else []
    try:
        words = [library, "sanitize", *garbage]
        printed = context.run(KERNELS, words, f"running the kernels under {SANITIZER}", _SANITIZE_SECONDS, watched)
    except YolactDeployError as error:
        raise FailedError(_first_report(log) or str(error)) from None
    return Finding(f"no finding in {json.loads(_last_line(printed))['cases']} inputs")


def time_kernels(context: CheckContext) -> Finding:
    """Times of the kernels by CUDA events."""
    context.need_gpu()
    found = json.loads(
        _last_line(context.run(KERNELS, [context.library(), "time"], "timing the kernels", _TIME_SECONDS))
    )
    beside = f"PyTorch {found['pytorch']}" if found["pytorch"] else "no PyTorch for this GPU to compare with"
    return Finding(f"{found['gpu']}, a plain copy moves {found['copy_gb_per_s']:.0f} GB/s, {beside}", found)


def _first_report(log: Path) -> str:
    """What compute-sanitizer says first besides its banner."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    said = (re.sub(r"^=+ ?", "", line).strip() for line in lines)
    return next((line for line in said if line and line != SANITIZER.upper()), "")


def _last_line(printed: str) -> str:
    return printed.strip().splitlines()[-1]
