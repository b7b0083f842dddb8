"""What can go wrong, each with one line that says what is wrong and what to do.

Every error raised on purpose is a `YolactDeployError`; the command line prints its message and exits with
`exit_status`, never with a traceback.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

_NAMES_SHOWN = 5


class YolactDeployError(Exception):
    """The input or the machine is at fault."""

    exit_status = 2


class ConfigError(YolactDeployError):
    """An unknown or contradictory configuration."""


class CheckpointError(YolactDeployError):
    """A weights file that cannot be read, or does not fit its configuration."""


class ModelFileError(YolactDeployError):
    """An ONNX file or engine that is damaged or not made by this project."""


class ImageError(YolactDeployError):
    """An image that cannot be read, has an unsupported type, or a size that a model does not take."""


class DataError(YolactDeployError):
    """A data set that is incomplete, malformed or made for other classes."""


class OutputError(YolactDeployError):
    """A result that cannot be written."""


class MissingDependencyError(YolactDeployError):
    """A package that this action needs is not installed."""


class GateError(YolactDeployError):
    """A gate (parity) failed: everything worked, and the answer is no."""

    exit_status = 1


class AssumptionWarning(UserWarning):
    """A setting that no file says was assumed; commands print it as a note on stderr."""


def warn_assumed(text: str) -> None:
    """Warn of an assumption, once for each text. The one way that assumptions are said."""
    warnings.warn(text, AssumptionWarning, stacklevel=3)


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are, for a message."""
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
