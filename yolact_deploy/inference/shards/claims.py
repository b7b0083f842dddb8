"""Who works on which shard: files that are created exclusively and never change hands.

The claim of shard 12 is 000012.0; whoever takes it over from a dead worker creates 000012.1, and so on. The file system
lets one process create a name, so two that find the same worker dead cannot both have its shard, and a claim that was
taken over in the meantime cannot be taken by mistake.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import OutputError
from .liveness import Watch

_NAME = re.compile(r"([0-9]{6,})\.([0-9]+)")


@dataclass(frozen=True)
class Claim:
    """The right of one worker to work on a shard."""

    shard: int
    generation: int = 0  # how many workers had it before, and died

    @property
    def file_name(self) -> str:
        """Of its file."""
        return f"{self.shard:06d}.{self.generation}"


class Claims:
    """The claims of a job, as one worker sees and makes them."""

    def __init__(self, folder: Path, worker: str, watch: Watch) -> None:
        """folder: of the claims' files. worker: the name of this one."""
        self._folder, self._worker, self._watch = folder, worker, watch
        self._owners: dict[Claim, str] = {}

    def newest(self) -> dict[int, Claim]:
        """The claim that counts of each shard that has one."""
        found: dict[int, Claim] = {}
        for name in os.listdir(self._folder):
            if (match := _NAME.fullmatch(name)) is not None:
                claim = Claim(int(match[1]), int(match[2]))
                if claim.shard not in found or found[claim.shard].generation < claim.generation:
                    found[claim.shard] = claim
        return found

    def take(self, claim: Claim) -> bool:
        """Whether this worker now has it. Raises OutputError when it cannot be written."""
        try:
            with open(self._folder / claim.file_name, "xb", buffering=0) as file:
                file.write(f"{self._worker}\n".encode("ascii"))
                os.fsync(file.fileno())
        except FileExistsError:
            return False
        except OSError as error:
            raise OutputError(f"cannot write into {self._folder}: {error.strerror or error}") from None
        return True

    def mark(self, claim: Claim, picture: str) -> None:
        """Note in a claim of this worker the index of the picture that it is about to read, or "-" for none.

        Raises OutputError.
        """
        try:
            with open(self._folder / claim.file_name, "ab", buffering=0) as file:
                file.write(f"{picture}\n".encode("ascii"))
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"cannot write into {self._folder}: {error.strerror or error}") from None

    def suspects(self, claim: Claim) -> set[int]:
        """The pictures at which earlier workers of a shard died."""
        found = set()
        for generation in range(claim.generation):
            marks = self._read(Claim(claim.shard, generation)).splitlines()[1:]
            if marks and marks[-1].isdecimal():
                found.add(int(marks[-1]))
        return found

    def is_free(self, claim: Claim) -> bool:
        """Whether the worker that has it is dead, so that another may take its successor."""
        owner = self.owner(claim)
        if owner == self._worker:  # given up by an error that another shard may not have
            return True
        if owner:
            return self._watch.is_dead(owner)
        return self._watch.is_stale(self._folder / claim.file_name, b"")  # its worker died, or is about to write

    def owner(self, claim: Claim) -> str:
        """The name of the worker that has it, empty while that is not known."""
        if claim not in self._owners:
            name, end, _ = self._read(claim).partition("\n")
            if not end or not name:
                return ""
            self._owners[claim] = name
        return self._owners[claim]

    def _read(self, claim: Claim) -> str:
        try:
            with open(self._folder / claim.file_name, "rb") as file:
                return file.read().decode("ascii", "replace")
        except OSError:
            return ""
