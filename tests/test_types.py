"""The values that flow between the parts: what they refuse, and what they are made of."""

from __future__ import annotations

import pytest

from yolact_deploy.errors import ConfigError
from yolact_deploy.types import ImageSize


def test_a_size_is_read_as_it_is_written() -> None:
    size = ImageSize.parse("1920x1080")
    assert (size.width, size.height, str(size)) == (1920, 1080, "1920x1080")


@pytest.mark.parametrize("text", ["1920", "0x5", "axb", "1x2x3", "-1x5", "1920X1080", "", "1e3x2", "9999999x1"])
def test_a_size_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ConfigError, match="WIDTHxHEIGHT"):
        ImageSize.parse(text)
