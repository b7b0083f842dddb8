"""Network addresses as they may be shown: without names, passwords and tokens."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]*")
_END_OF_HOST = re.compile(r"[/?#]")


def is_url(source: str) -> bool:
    """Whether `source` is an address such as rtsp://..."""
    return _ADDRESS.match(source) is not None


def shown_url(url: str) -> str:
    """`url` without user, password, query and fragment: "rtsp://me:secret@host/live?token=1" -> "rtsp://host/live"."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    host = _END_OF_HOST.split(rest, maxsplit=1)[0]
    port = host.rpartition(":")[2] if ":" in host else ""
    is_cut_password = "@" not in host and not port.isdigit() and bool(port) and "@" in rest  # it holds / ? or #
    rest = rest.rpartition("@")[2] if is_cut_password else rest[len(host.rpartition("@")[0]) :].removeprefix("@")
    return f"{scheme}://{re.split('[?#]', rest, maxsplit=1)[0]}"


def without_secrets(text: str) -> str:
    """`text` with every address in it as `shown_url` shows it: for messages of other programs."""
    return _ADDRESS.sub(lambda found: shown_url(found[0]), text)


def url_file_name(url: str) -> str:
    """The last part of the path of `url`, empty where it has none; never anything of its user or query."""
    name = shown_url(url).partition("://")[2].rstrip("/").partition("/")[2].rpartition("/")[2]
    return name if name.strip(".") else ""
