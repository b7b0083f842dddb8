"""One check of the self-test, and how it ends: passed, failed, or skipped with the reason; never a traceback."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from yolact_deploy.console import one_line

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
MAX_DETAIL = 400  # characters of a foreign message

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Check:
    """How a check ended."""

    name: str
    status: str  # passed, failed or skipped
    detail: str  # what was seen, or why it failed or was skipped
    seconds: float
    figures: Figures


@dataclass(frozen=True)
class Finding:
    """What a check that goes well has seen."""

    detail: str
    figures: Figures = field(default_factory=dict)


class SkippedError(Exception):
    """This machine cannot do the check; the text says what it lacks."""


class FailedError(Exception):
    """Something is not as it should be; the text says what."""

    def __init__(self, reason: str, figures: Figures | None = None) -> None:
        super().__init__(reason)
        self.figures = figures or {}


def run_check(name: str, work: Callable[[], Finding]) -> Check:
    """Run one check. Whatever it raises becomes its status; only an interrupt goes on."""
    start = time.perf_counter()
    figures: Figures = {}
    try:
        found = work()
        status, detail, figures = PASSED, found.detail, found.figures
    except SkippedError as reason:
        status, detail = SKIPPED, str(reason)
    except FailedError as reason:
        status, detail, figures = FAILED, str(reason), reason.figures
    except Exception as error:  # a fault of ours or of a library is a result, too: the report goes on
        status, detail = FAILED, str(error) or type(error).__name__
    return Check(name, status, one_line(detail)[:MAX_DETAIL], round(time.perf_counter() - start, 1), figures)
