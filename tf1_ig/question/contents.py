"""Files that examples hold: a picture and a sound that every decoder of TensorFlow's reads."""

import struct
import zlib

import numpy as np


def picture(side: int = 32) -> bytes:
    """A PNG of a few colours."""
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    pixels = np.stack([across * 7 % 256, down * 7 % 256, (across + down) * 3 % 256], 2).astype(np.uint8)
    lines = b"".join(b"\x00" + line.tobytes() for line in pixels)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def sound(seconds: float = 1.0, rate: int = 16000) -> bytes:
    """A WAV of three tones, 16 bits, the same fifty times a second."""
    time = np.arange(rate // 50) / rate
    tones = sum(5000 * np.sin(2 * np.pi * pitch * time) / (1 + at) for at, pitch in enumerate((300, 650, 1250)))
    samples = np.asarray(tones).astype("<i2").tobytes() * int(50 * seconds)
    return b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt " + struct.pack(
        "<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16) + b"data" + struct.pack("<I", len(samples)) + samples
