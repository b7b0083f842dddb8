"""Watching a build: what the library reports of its phases, and how to stop it half-way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from yolact_deploy.trt.library import TensorRTLibrary

if TYPE_CHECKING:
    import tensorrt as trt

Result = TypeVar("Result")


class BuildListener(Protocol):
    """Hears of the phases of a build, which nest. Called from another thread; raising stops the build."""

    def started(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase of `steps` steps begins."""

    def stepped(self, phase: str, step: int) -> None:
        """Step `step`, counted from 0, is done."""

    def finished(self, phase: str) -> None:
        """A phase is over, complete or not."""


class SilentListener:
    """Hears and says nothing."""

    def started(self, phase: str, parent: str | None, steps: int) -> None: ...

    def stepped(self, phase: str, step: int) -> None: ...

    def finished(self, phase: str) -> None: ...


class Cancellation:
    """Whether a build is to stop, and why."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason: BaseException | None = None

    def request(self, reason: BaseException) -> None:
        """Stop at the next step."""
        self.reason = self.reason or reason
        self._event.set()

    @property
    def is_requested(self) -> bool:
        """Whether the build is to stop."""
        return self._event.is_set()


def create_monitor(
    library: TensorRTLibrary, listener: BuildListener, cancellation: Cancellation
) -> trt.IProgressMonitor:
    """The library's own kind of monitor, which passes everything on; it must outlive the build."""
    base: Any = library.module.IProgressMonitor

    class Monitor(base):
        def __init__(self) -> None:
            base.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            _tell(listener.started, phase_name, parent_phase, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            _tell(listener.finished, phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            _tell(listener.stepped, phase_name, step)
            return not cancellation.is_requested

    def _tell(method: Callable[..., None], *arguments: Any) -> None:
        # An exception must not unwind through the library's own frames.
        try:
            method(*arguments)
        except BaseException as error:
            cancellation.request(error)

    return Monitor()


def run_cancellable(build: Callable[[], Result], cancellation: Cancellation) -> Result:
    """Run `build` in another thread, so that Ctrl-C is heard at once and stops it at its next step.

    Raises what stopped it: KeyboardInterrupt, or what a listener raised.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="build-engine") as pool:
        future = pool.submit(build)
        while True:
            try:
                result = future.result()
                break
            except KeyboardInterrupt as interrupt:
                if future.done():
                    raise
                cancellation.request(interrupt)
    if cancellation.reason is not None:
        raise cancellation.reason
    return result
