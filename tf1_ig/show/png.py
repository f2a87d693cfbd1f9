"""Arrays to PNG files without an imaging library (PNG specification, W3C 2003: one IDAT chunk, filter 0)."""

import base64
import struct
import zlib
from typing import Any

import numpy as np

from tf1_ig.errors import ShowError


def png(pixels: Any) -> bytes:
    """A PNG file of uint8 ``[height, width, 3]`` (RGB) or ``[height, width, 4]`` (RGBA) pixels."""
    pixels = np.ascontiguousarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or 0 in pixels.shape:
        raise ShowError("pixels are uint8 [height, width, 3 or 4], not %s %s" % (pixels.dtype, list(pixels.shape)))
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 6, 0, 0, 0)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) & 0xFFFFFFFF)
        for kind, data in chunks)


def png_base64(pixels: Any) -> str:
    """The PNG file as base64 text, for a ``data:`` address."""
    return base64.b64encode(png(pixels)).decode("ascii")
