"""Which releases, and where `install.py` puts them: see `make install`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("TENSORRT_RELEASES", Path(sys.prefix) / "tensorrt-releases"))
INSTALLER = Path(__file__).with_name("install.py")


@dataclass(frozen=True)
class Release:
    """One release of TensorRT's Python module."""

    version: str
    cuda: str  # "cu12", as in the names of its packages
    kind: str = ""  # "lean": with its library, whose plugin registry is real

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.version}" if self.kind else self.version

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def modules(self) -> Path:
        """On PYTHONPATH it makes `import tensorrt` give this release."""
        return self.folder / "modules"

    @property
    def libraries(self) -> Path:
        """The shared libraries that the module links."""
        return self.modules / "tensorrt_lean_libs" if self.kind else self.folder / "libraries"

    @property
    def stubs(self) -> Path:
        """Type stubs made from the module."""
        return self.folder / "stubs"

    @property
    def is_installed(self) -> bool:
        """Whether all of it is there, made by the `install.py` of today."""
        mark = self.folder / "installed_by"
        return mark.is_file() and mark.read_bytes() == INSTALLER.read_bytes()

    def mark_installed(self) -> None:
        (self.folder / "installed_by").write_bytes(INSTALLER.read_bytes())

    @property
    def missing(self) -> str:
        """Why a test that needs this release is skipped."""
        return f"TensorRT {self.name} is not in {FOLDER}: `make install` gets it from PyPI (Python 3.10 to 3.13)"

    def run(self, command: Sequence[str | Path], text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a Python program on this release, in a process of its own: two releases do not fit in one.

        text: its standard input.
        """
        paths = [self.modules, ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "LD_LIBRARY_PATH": str(self.libraries),
        }
        return subprocess.run(
            [sys.executable, *map(str, command)], input=text, capture_output=True, text=True, env=env, cwd=ROOT
        )


BINDINGS = (
    Release("10.3.0", "cu12"),  # JetPack 6.1 and 6.2
    Release("10.13.3.9", "cu12"),  # JetPack 7.0 and 7.1
    Release("10.16.1.11", "cu12"),  # JetPack 7.2
    Release("11.0.0.114", "cu13"),
    Release("11.4.0.106", "cu13"),
)
REGISTRIES = (Release("10.16.1.11", "cu12", "lean"), Release("11.4.0.106", "cu13", "lean"))
