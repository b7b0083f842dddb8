"""What commands print: nothing in it is obeyed by a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from tests.running import Captured
from yolact_deploy import console

HOSTILE = "a\x1b]0;owned\x07b\x1b[2Jc\rd\u202ee\x9bf\ud800g"
HARMFUL = set(HOSTILE) - set(" ]0;owned[2JabcdefgJ")


@pytest.mark.parametrize(
    "show",
    [
        console.say,
        console.warn,
        console.fail,
        lambda text: console.show_facts([("name", text)]),
        lambda text: console.show_table(("name",), [(text,)]),
        lambda text: console.emit_json({text: [text]}, console.STDOUT),
    ],
)
def test_control_characters_are_made_visible(capsys: Captured, show: Callable[[str], object]) -> None:
    show(HOSTILE)
    shown = "".join(capsys.readouterr())
    assert "owned" in shown
    assert not HARMFUL & set(shown)


def test_other_scripts_are_left_as_they_are() -> None:
    for text in ("écrou", "ボルト", "гайка", "a\u3000b", "naïve 🚲"):
        assert console.visible(text) == text
        assert json.loads(console.to_json(text)) == text
        assert text in console.to_json(text)


def test_json_says_what_it_was_given() -> None:
    value = {"name": HOSTILE, "tag": "\U000e0001"}
    assert json.loads(console.to_json(value)) == value


def test_progress_in_a_log_tells_the_rate(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((0.0, 10.0, 12.0, 20.0))
    monkeypatch.setattr(console, "LOG_SECONDS", 5.0)
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: next(times)))
    with console.progress("images", shows_rate=True) as advance:
        advance(100, 1000)  # what earlier runs had done
        advance(110, 1000)
        advance(150, 1000)
    assert capsys.readouterr().err.splitlines() == ["images: 100 of 1000", "images: 150 of 1000, 5.0 per second"]
