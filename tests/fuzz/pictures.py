"""Pictures of several formats with damaged bytes, and PNGs whose header claims another size."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
from hypothesis import strategies as st

from tests.fuzz.mutations import damaged

SUFFIXES = (".png", ".jpg", ".bmp", ".webp", ".tiff", ".ppm")
SIDES = (0, 1, 7, 64, 40_000, 2**20, 2**31 - 1, 2**32 - 1)
_HEADER = slice(16, 29)  # of the PNG: width, height, bits, colour type, three methods; the CRC follows


def picture_files() -> st.SearchStrategy[bytes]:
    """Bytes of a picture that is almost right."""
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    encoded = {suffix: cv2.imencode(suffix, image)[1].tobytes() for suffix in SUFFIXES}
    return st.one_of(st.sampled_from(list(encoded.values())).flatmap(damaged), _png_headers(encoded[".png"]))


@st.composite
def _png_headers(draw: st.DrawFn, png: bytes) -> bytes:
    """`png` with another header, whose checksum is right."""
    sizes = struct.pack(">II", draw(st.sampled_from(SIDES)), draw(st.sampled_from(SIDES)))
    header = sizes + bytes([draw(st.sampled_from((1, 2, 4, 8, 16, 3))), draw(st.integers(0, 6)), 0, 0, 0])
    return png[: _HEADER.start] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + png[_HEADER.stop + 4 :]
