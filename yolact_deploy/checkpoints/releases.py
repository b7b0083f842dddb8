"""The official checkpoints: where their author keeps them, and how one gets here unharmed.

Daniel Bolya published them again in 2025 (github.com/dbolya/yolact, issue 848) as the collection
huggingface.co/collections/dbolya/yolact-2019-models-68bf670f7239d610bc933a10. The checkpoints of yolact_im400 and
yolact_resnet50_pascal are not in it.
"""

from __future__ import annotations

import base64
import difflib
import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._version import __version__
from ..config.model import ModelConfig
from ..dependencies import require
from ..errors import CheckpointError, YolactDeployError
from ..files import atomic_path, make_output_folder, sha256_of, write_text

BASE_URL = "https://huggingface.co/dbolya"
BASE_URL_VARIABLE = "YOLACT_DEPLOY_WEIGHTS_URL"  # environment: a mirror with the same paths
DEFAULT_FOLDER = Path("weights")
TIMEOUT_SECONDS = 30.0  # for the connection, and for every CHUNK_BYTES
CHUNK_BYTES = 1 << 18  # 256 KiB

Advance = Callable[[int, int | None], Any]  # (bytes so far, bytes in all where known)


@dataclass(frozen=True)
class Release:
    """One published checkpoint, trained on COCO for 54 epochs."""

    config: str  # the official configuration's name
    about_bytes: int | None = None  # as its page says, rounded; None where no source was at hand

    @property
    def file_name(self) -> str:
        """The official name: configuration, epoch, iteration."""
        return f"{self.config}_54_800000.pth"

    def url(self, base_url: str = BASE_URL) -> str:
        """Where it is fetched from."""
        return f"{base_url.rstrip('/')}/{self.config.replace('_', '-')}/resolve/main/{self.file_name}"


RELEASES = (
    Release("yolact_resnet50"),
    Release("yolact_darknet53"),
    Release("yolact_base", about_bytes=204_000_000),
    Release("yolact_im700"),
    Release("yolact_plus_resnet50"),
    Release("yolact_plus_base"),
)


@dataclass(frozen=True)
class LocalWeights:
    """What a folder holds of a release."""

    release: Release
    path: Path
    size_bytes: int | None  # None: not there
    recorded_sha256: str | None  # from the record beside it


@dataclass(frozen=True)
class PulledWeights:
    """A checkpoint that is here and whole."""

    path: Path
    size_bytes: int
    sha256: str
    was_downloaded: bool  # False: it was here already
    was_recorded: bool  # True: a record from earlier agreed


def find_release(name: str) -> Release:
    """The release with this file name or configuration name. Raises YolactDeployError, listing the names, if none."""
    wanted = name.removesuffix(".pth").removesuffix("_54_800000").removesuffix("_config")
    for release in RELEASES:
        if release.config == wanted:
            return release
    names = [release.config for release in RELEASES]
    close = difflib.get_close_matches(wanted, names, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise YolactDeployError(f"no official weights are called {name!r}{hint}: use one of {', '.join(names)}")


def list_local(folder: str | Path = DEFAULT_FOLDER) -> tuple[LocalWeights, ...]:
    """Every release and what `folder` holds of it. Raises YolactDeployError for a damaged record."""
    found = []
    for release in RELEASES:
        path = Path(folder) / release.file_name
        size = path.stat().st_size if path.is_file() else None
        found.append(LocalWeights(release, path, size, _read_record(path)))
    return tuple(found)


def pull(
    release: Release,
    folder: str | Path = DEFAULT_FOLDER,
    base_url: str = BASE_URL,
    advance: Advance | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> PulledWeights:
    """Make sure that `folder` holds `release` whole, with its SHA-256 in a `.sha256` file beside it.

    A file that is there is checked against its record and not fetched again. What has no record is opened: only a
    checkpoint of the release's configuration is kept and recorded. `advance` is told of the progress. timeout: seconds
    that the connection and every CHUNK_BYTES may take.

    Raises YolactDeployError when the file differs from its record, is no such checkpoint or cannot be fetched;
    OutputError when it cannot be written. What was incomplete is gone by then.
    """
    path = Path(folder) / release.file_name
    record = _read_record(path)
    was_here = path.is_file()
    if not was_here:
        url = release.url(base_url)
        chunks = _chunks(url, path, timeout)
        next(chunks)  # the server has answered: only now a folder is made
        make_output_folder(path.parent)
        with atomic_path(path) as temporary:
            with temporary.open("wb") as file:
                for chunk, done, total in chunks:
                    file.write(chunk)
                    if advance is not None:
                        advance(done, total)
            _check(temporary, release, record, f"{without_secrets(url)} is not the file: ")
    sha256 = sha256_of(path)
    if was_here:
        _check(path, release, record, f"delete {path} and pull again: ")
    if record is None:
        write_text(_record_path(path), f"{sha256}  {path.name}\n")
    return PulledWeights(path, path.stat().st_size, sha256, not was_here, record is not None)


def _check(file: Path, release: Release, record: str | None, advice: str) -> None:
    """Raises YolactDeployError unless `file` is the recorded one or, without a record, a checkpoint of `release`."""
    if record is not None:
        if sha256_of(file) != record:
            raise YolactDeployError(f"{advice}its SHA-256 differs from the recorded one")
        return
    require("torch", "checking a checkpoint")
    from .reader import read_checkpoint

    try:
        read_checkpoint(file, ModelConfig.named(release.config))
    except CheckpointError as error:
        raise CheckpointError(f"{advice}{str(error).replace(str(file), release.file_name)}") from None


def without_secrets(url: str) -> str:
    """`url` for people: without user, password, query and fragment."""
    return re.sub(r"//[^/]*@", "//", re.split("[?#]", url)[0])


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _read_record(path: Path) -> str | None:
    """The SHA-256 recorded beside `path`, as `sha256sum` writes it."""
    record = _record_path(path)
    if not record.is_file():
        return None
    digest = record.read_bytes().partition(b" ")[0].strip().decode("ascii", "replace").lower()
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise YolactDeployError(f"{record} holds no SHA-256: delete it and pull again")
    return digest


def _request(url: str) -> urllib.request.Request:
    """A GET of `url`, its `user:password@` as a header that only the host itself gets, not one it redirects to."""
    parts = urllib.parse.urlsplit(url)
    secret, _, host = parts.netloc.rpartition("@")
    plain = parts._replace(netloc=host).geturl()
    request = urllib.request.Request(plain, headers={"User-Agent": f"yolact-deploy/{__version__}"})
    if secret:
        encoded = base64.b64encode(urllib.parse.unquote(secret).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {encoded}")
    return request


def _chunks(url: str, path: Path, timeout: float) -> Iterator[tuple[bytes, int, int | None]]:
    """What `url` gives: an empty chunk once the server answers, then bytes, how many there were and will be.

    Raises YolactDeployError with what to do by hand.
    """
    try:
        with urllib.request.urlopen(_request(url), timeout=timeout) as response:
            total: int | None = getattr(response, "length", None)  # of HTTP; a file:// mirror has none
            done, quota, chunk = 0, 0, b""
            while chunk or not done:
                yield chunk, done, total
                if done >= quota:
                    quota, late = done + CHUNK_BYTES, time.monotonic() + timeout
                chunk = response.read1(CHUNK_BYTES)
                done += len(chunk)
                if not done or time.monotonic() > late:
                    break
            if chunk:
                reason = f"less than {CHUNK_BYTES >> 10} KiB in {timeout:g} s"
            elif total in (None, done) and done:
                return
            else:
                reason = f"the connection ended after {done} of {'?' if total is None else total} bytes"
    except urllib.error.HTTPError as error:
        reason = f"the server says {error.code}"  # its words are a stranger's
        error.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)  # of a URLError
        known = "no answer in time" if isinstance(cause, TimeoutError) else getattr(cause, "strerror", None)
        reason = known or type(cause).__name__
    raise YolactDeployError(f"cannot download ({reason}): fetch {without_secrets(url)} by hand and put it at {path}")
