"""ONNX Runtime's C++ headers out of Debian's package: its wheel has the library alone.

python -m tests.examples.onnxruntime_headers
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
PACKAGE = "pool/main/o/onnxruntime/libonnxruntime-dev_1.21.0+dfsg-1_amd64.deb"  # of Debian 13
SHA256 = "14f7d959d5deacbcf1504830d4189f91fc67382b399ed9ae9d3aa9c4050ced08"
FOLDER = Path(sys.prefix) / "onnxruntime-headers"


def find_onnxruntime_headers() -> Path | None:
    """The folder with onnxruntime_cxx_api.h: ONNXRUNTIME_INCLUDE, what `main` installed, or the system's."""
    places = (os.environ.get("ONNXRUNTIME_INCLUDE"), FOLDER / "usr/include/onnxruntime", "/usr/include/onnxruntime")
    for place in places:
        if place is not None and (Path(place) / "onnxruntime_cxx_api.h").is_file():
            return Path(place)
    return None


def main() -> None:
    """Unpack the package into FOLDER."""
    with urllib.request.urlopen(f"{MIRROR}/{PACKAGE}", timeout=60) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{MIRROR}/{PACKAGE} is another file than the one tested")
    with tempfile.NamedTemporaryFile(suffix=".deb") as file:
        file.write(content)
        file.flush()
        subprocess.run(["dpkg-deb", "-x", file.name, FOLDER], check=True)


if __name__ == "__main__":
    main()
