"""The files of onnxruntime-web that the page needs: out of a folder, or from npm."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from ...errors import MissingDependencyError, YolactDeployError

VERSION = "1.30.0"  # the release that the page was tested with
# As the registry gives it (`npm view onnxruntime-web@1.30.0 dist.integrity`): what it sends must be this very file.
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
TIMEOUT_SECONDS = 600.0  # for the download of 32 MiB
_BY_HAND = f"pass --runtime-dir with the folder dist of onnxruntime-web {VERSION}"


def copy_runtime(source: Path | None, target: Path) -> None:
    """Put FILES into the folder `target`, which exists. source: a folder that holds them; None: ask npm.

    Raises YolactDeployError when the folder lacks one, or npm gives none; MissingDependencyError without npm.
    """
    if source is None:
        return _from_npm(target)
    check_runtime(source)
    for name in FILES:
        shutil.copyfile(source / name, target / name)
    return None


def check_runtime(source: Path) -> None:
    """Raises YolactDeployError unless `source` is a folder with FILES."""
    missing = [name for name in FILES if not (source / name).is_file()]
    if missing:
        raise YolactDeployError(f"{source} lacks {', '.join(missing)}: {_BY_HAND}")


def _from_npm(target: Path) -> None:
    """npm knows the user's registry, proxy and cache."""
    if shutil.which("npm") is None:
        raise MissingDependencyError(f"npm is not installed, and fetches onnxruntime-web: install npm, or {_BY_HAND}")
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"onnxruntime-web@{VERSION}", "--pack-destination", folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, cwd=folder)
        except subprocess.TimeoutExpired:
            raise YolactDeployError(f"npm needed more than {TIMEOUT_SECONDS:.0f} s: {_BY_HAND}") from None
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode != 0 or len(archives) != 1:
            raise YolactDeployError(f"npm cannot fetch onnxruntime-web ({_reason(done.stderr)}): {_BY_HAND}")
        _extract(archives[0], target)


def _reason(log: str) -> str:
    """The first line of npm's complaint that says something."""
    lines = [line.removeprefix("npm").strip().removeprefix("error").removeprefix("ERR!") for line in log.splitlines()]
    return next((line.strip()[:200] for line in lines if len(line.split()) > 2), "it says nothing")


def _extract(archive: Path, target: Path) -> None:
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != SHA512:
        raise YolactDeployError(f"npm gave another file than onnxruntime-web {VERSION} of npmjs.com: {_BY_HAND}")
    with tarfile.open(archive) as content:
        for name in FILES:
            member = content.extractfile(f"package/dist/{name}")
            assert member is not None, "its SHA-512 says that it is there"
            (target / name).write_bytes(member.read())
