"""A JSON file that is written as results come, whole or not at all, or standard output."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ..errors import OutputError
from ..files import Draft, check_output_path

STDOUT = "-"  # as a path


class JsonOutput:
    """Where text goes."""

    def __init__(self, path: Path, force: bool = False) -> None:
        """path: a file, or STDOUT. Raises OutputError when it cannot be written, or exists without `force`."""
        self._path = path
        self._draft: Draft | None = None
        self._file: TextIO = sys.stdout
        if str(path) != STDOUT:
            check_output_path(path, force)
            with self._told():
                self._draft = Draft(path)
                self._file = open(self._draft.path, "w", encoding="utf-8")  # noqa: SIM115

    def write(self, text: str) -> None:
        """Append `text`. Raises OutputError."""
        with self._told():
            self._file.write(text)

    def close(self, keep: bool) -> None:
        """Give the file its name, or with `keep` false leave none of it. Raises OutputError."""
        if self._draft is None:
            with self._told():
                self._file.flush()
            return
        try:
            with self._told():
                self._file.close()
                if keep:
                    self._draft.keep()
        finally:
            self._draft.discard()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # whoever reads standard output has gone
            raise
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"cannot write {self._path}: {reason}; nothing was kept of it") from None


class JsonList:
    """A JSON list, one item per line."""

    def __init__(self, path: Path, force: bool = False) -> None:
        """See `JsonOutput`."""
        self._output = JsonOutput(path, force)
        self._separator = "["

    def write(self, item: Any) -> None:
        """Append `item`. Raises OutputError."""
        self._output.write(f"{self._separator}\n{line(item)}")
        self._separator = ","

    def close(self, keep: bool) -> None:
        """End the list and give the file its name, or leave none of it. Raises OutputError."""
        try:
            if keep:
                self._output.write("[]\n" if self._separator == "[" else "\n]\n")
        except BaseException:
            self._output.close(keep=False)
            raise
        self._output.close(keep)


def line(value: Any) -> str:
    """`value` as JSON on one line; a file name that is no UTF-8 becomes escapes, which any reader takes."""
    return json.dumps(value)
