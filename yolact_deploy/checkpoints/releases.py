"""The official checkpoints: where their author keeps them, and how one gets here unharmed.

Daniel Bolya published them again in 2025 (github.com/dbolya/yolact, issue 848) as the collection
huggingface.co/collections/dbolya/yolact-2019-models-68bf670f7239d610bc933a10. The checkpoints of yolact_im400 and
yolact_resnet50_pascal are not in it.
"""

from __future__ import annotations

import contextlib
import difflib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._version import __version__
from ..errors import YolactDeployError
from ..files import atomic_path, make_output_folder, sha256_of, write_text

BASE_URL = "https://huggingface.co/dbolya"
BASE_URL_VARIABLE = "YOLACT_DEPLOY_WEIGHTS_URL"  # environment: a mirror with the same paths
DEFAULT_FOLDER = Path("weights")
TIMEOUT_SECONDS = 30.0  # without a byte
_CHUNK_BYTES = 1 << 18  # 256 KiB

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

    A file that is there is checked against its record and not fetched again. `advance` is told of the progress.

    Raises YolactDeployError when the file differs from its record or cannot be fetched whole; OutputError when it
    cannot be written. What was incomplete is gone by then.
    """
    path = Path(folder) / release.file_name
    record = _read_record(path)
    was_here = path.is_file()
    if not was_here:
        _download(release.url(base_url), path, advance, timeout, expected_sha256=record)
    sha256 = record if record and not was_here else sha256_of(path)
    if record is None:
        write_text(_record_path(path), f"{sha256}  {path.name}\n")
    elif sha256 != record:
        raise YolactDeployError(
            f"{path} differs from its recorded SHA-256 in {_record_path(path).name}: delete it and pull again"
        )
    return PulledWeights(path, path.stat().st_size, sha256, not was_here, record is not None)


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


def _download(url: str, path: Path, advance: Advance | None, timeout: float, expected_sha256: str | None) -> None:
    """`url` -> `path`, whole or not at all."""
    with contextlib.closing(_open(url, path, timeout)) as response:
        make_output_folder(path.parent)
        total = _content_length(response)
        done = 0
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            for chunk in _chunks(response, url, path):
                file.write(chunk)
                done += len(chunk)
                if advance is not None:
                    advance(done, total)
            file.flush()
            if done == 0 or (total is not None and done != total):
                raise _failure(url, path, f"the connection ended after {done} of {total or '?'} bytes")
            if expected_sha256 is not None and sha256_of(temporary) != expected_sha256:
                raise YolactDeployError(
                    f"{url} no longer has the SHA-256 in {_record_path(path)}: delete that record to accept it"
                )


def _open(url: str, path: Path, timeout: float) -> Any:
    """The response to a GET of `url`, redirects followed."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": f"yolact-deploy/{__version__}"})
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            raise _failure(url, path, f"the server says {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _failure(url, path, _reason(error.reason)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failure(url, path, _reason(error)) from None
    if response.headers.get_content_type() == "text/html":  # a proxy's or a hotel's log-in page
        response.close()
        raise _failure(url, path, "the server sent a web page instead of the file")
    return response


def _chunks(response: Any, url: str, path: Path) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise _failure(url, path, _reason(error)) from None
        if not chunk:
            return
        yield chunk


def _content_length(response: Any) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _failure(url: str, path: Path, reason: str) -> YolactDeployError:
    return YolactDeployError(f"cannot download ({reason}): fetch {url} by hand and put it at {path}")
