"""What is secret in an address is never shown."""

from __future__ import annotations

import pytest

from yolact_deploy.inference.addresses import is_url, shown_url, url_file_name, without_secrets


@pytest.mark.parametrize(
    ("url", "shown", "name"),
    [
        ("rtsp://host", "rtsp://host", ""),
        ("rtsp://u:secret@host:554/live/one?x=1/2", "rtsp://host:554/live/one", "one"),
        ("http://host/snapshot.jpg?user=a&password=secret", "http://host/snapshot.jpg", "snapshot.jpg"),
        ("http://host/a.mp4#token=secret", "http://host/a.mp4", "a.mp4"),
        ("http://host?token=secret", "http://host", ""),
        ("rtsp://u:se@cret@host/1", "rtsp://host/1", "1"),
        ("rtsp://u:se/cret@host/1", "rtsp://host/1", "1"),
        ("rtsp://u:se#cret@host/1", "rtsp://host/1", "1"),
        ("rtsp://u:se?cret@host:8554/1", "rtsp://host:8554/1", "1"),
        ("http://[::1]:80/a/b.ts?secret", "http://[::1]:80/a/b.ts", "b.ts"),
        ("http://host/a@b/c.jpg", "http://host/a@b/c.jpg", "c.jpg"),
        ("http://host/a/..", "http://host/a/..", ""),
        ("HTTP://secret@host/", "HTTP://host/", ""),
    ],
)
def test_addresses(url: str, shown: str, name: str) -> None:
    assert is_url(url)
    assert (shown_url(url), url_file_name(url)) == (shown, name)
    assert without_secrets(f"cannot open '{url}': refused") == f"cannot open '{shown}': refused"


def test_paths_are_no_addresses() -> None:
    for path in ("a.mp4", "/a/b://c", "-", "0", "C:/x", "a b://c"):
        assert not is_url(path)
