"""What the checks share: the machine, a folder, the subprocesses, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from yolact_deploy.benchmarks.accuracy.dataset import bundled_nano
from yolact_deploy.benchmarks.performance.subprocesses import TimeLimitError
from yolact_deploy.benchmarks.selftest.check import SkippedError
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.inspection.doctor import MachineReport
from yolact_deploy.trt.plugin_library import find_library

COMMAND = "yolact_deploy"  # the package itself: the command line
TENSORRT_MAJORS = (12, 11, 10)  # the newest library first


class RunModule(Protocol):
    """As `subprocesses.run_module`."""

    def __call__(
        self,
        module: str,
        arguments: Sequence[str],
        doing: str,
        limit_s: float | None = ...,
        prefix: Sequence[str] = ...,
    ) -> str: ...


@dataclass(frozen=True)
class CheckContext:
    """What every check is given."""

    folder: Path  # for what is made on the way; gone at the end
    machine: MachineReport
    run_module: RunModule
    seconds_left: Callable[[], float]
    model: Path | None = None  # ONNX export of the bundled checkpoint to use; None: it is exported here
    sanitize: bool = False

    def run(
        self, module: str, arguments: Sequence[object], doing: str, limit_s: float, prefix: Sequence[str] = ()
    ) -> str:
        """What `python -m module arguments` prints; `doing` says in errors what it is for.

        Raises YolactDeployError when it fails or takes longer than `limit_s`, SkippedError when the time that is left
        for all checks ends before.
        """
        limit = min(limit_s, self.seconds_left())
        try:
            return self.run_module(module, [str(word) for word in arguments], doing, limit_s=limit, prefix=prefix)
        except TimeLimitError:
            if limit < limit_s:
                raise SkippedError("the time limit of the self-test ended it: raise --time-limit") from None
            raise

    def need(self, *keys: str) -> None:
        """Raises SkippedError unless all of these findings of the doctor are there."""
        findings = {finding.key: finding for finding in self.machine.findings}
        missing = [findings[key] for key in keys if not findings[key].is_there]
        if missing:
            raise SkippedError("; ".join(f"no {each.title}: {each.install}" for each in missing))

    def need_ability(self, *titles: str) -> None:
        """Raises SkippedError unless this machine has all of these abilities of the doctor's."""
        missing = [name for title in titles for name in self.lacks(title)]
        if missing:
            raise SkippedError(f"lacks {', '.join(dict.fromkeys(missing))}: see `yolact-deploy doctor`")

    def lacks(self, title: str) -> tuple[str, ...]:
        """What an ability of the doctor's lacks here."""
        return {ability.title: ability.missing for ability in self.machine.abilities}[title]

    def need_gpu(self) -> None:
        """Raises SkippedError where there is no GPU, or nothing that reaches it from Python."""
        self.need("gpu")
        found = {finding.key: finding.is_there for finding in self.machine.findings}
        if not (found["pycuda"] or found["cuda"]):
            self.need("cuda")

    @property
    def weights(self) -> Path:
        """The bundled checkpoint."""
        return bundled_nano().weights

    @property
    def onnx(self) -> Path:
        """The exported checkpoint, where there is one: named by the user, or made here."""
        return self.model or self.folder / "nano.onnx"

    @property
    def built_library(self) -> Path:
        """Where this self-test compiles the plugins to."""
        return self.folder / "libyolact_plugins.so"

    def library(self) -> Path:
        """The plugin library to try: the one that was compiled here, or else one that `build-plugins` left.

        Raises SkippedError where there is none.
        """
        if self.built_library.is_file():
            return self.built_library
        reason = "no plugin library: none was built here, nor by `yolact-deploy build-plugins`"
        for major in TENSORRT_MAJORS:
            try:
                found = find_library(major)
            except YolactDeployError as error:
                reason = str(error)
                continue
            if found is not None:
                return found
        raise SkippedError(reason)


def clock_until(seconds: float) -> Callable[[], float]:
    """How many seconds are left of `seconds` from now, 0 at least."""
    end = time.monotonic() + seconds
    return lambda: max(end - time.monotonic(), 0.0)
