"""The sorted tables that checkpoints are, looked at before TensorFlow opens them: its reader takes as much memory as a
block of one claims to need, and TensorFlow 1.15 ends the process where there is not as much."""

import struct
from typing import Iterator, NamedTuple, Tuple

from graph_tools import _tf
from graph_tools.errors import ModelFormatError

_MAGIC = struct.pack("<Q", 0xdb4775248b80fb57)
_FOOTER, _HANDLES = 48, 40  # bytes: two handles, padded, and the magic number
_TRAILER = 5                # of every block: how it is compressed, and its checksum


class _Handle(NamedTuple):
    """Where a block lies."""

    offset: int
    size: int


def refuse_outside(path: str) -> None:
    """Refuses a table with a block that does not lie in its file. What else may be wrong, TensorFlow's reader tells.

    Raises:
      ModelFormatError: a block begins or ends behind the end of the file.
    """
    with _tf.tf.io.gfile.GFile(path, "rb") as file:
        end = file.size() - _FOOTER
        if end < 0:
            return
        file.seek(end)
        footer = file.read(_FOOTER)
        if footer[_HANDLES:] != _MAGIC:
            return
        try:
            about, at = _handle(footer, 0)
            index, _ = _handle(footer, at)
            _demand(path, end, about)
            _demand(path, end, index)
            file.seek(index.offset)
            block = file.read(index.size + 1)
            if block[index.size:] == b"\0":  # it is not compressed
                for handle in _blocks(block[:index.size]):
                    _demand(path, end, handle)
        except (IndexError, struct.error):
            return  # the checksum is another, which the reader looks at


def _demand(path: str, end: int, handle: _Handle) -> None:
    if handle.offset + handle.size + _TRAILER > end:
        raise ModelFormatError("checkpoint file %r cannot be read (a block of %d bytes at %d does not lie in it); copy "
                               "its .index and all its .data files again" % (path, handle.size, handle.offset))


def _blocks(index: bytes) -> Iterator[_Handle]:
    """The handles that an index holds as values of its keys."""
    restarts, = struct.unpack("<I", index[-4:])
    at, last = 0, len(index) - 4 - 4 * restarts
    while at < last:
        _, at = _varint(index, at)  # bytes that the key shares with that before
        more, at = _varint(index, at)
        size, at = _varint(index, at)
        yield _handle(index, at + more)[0]
        at += more + size


def _handle(data: bytes, at: int) -> Tuple[_Handle, int]:
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return _Handle(offset, size), at


def _varint(data: bytes, at: int) -> Tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    found = 0
    for place, byte in enumerate(data[at:at + 10]):  # which are enough for 64 bits
        found |= (byte & 127) << 7 * place
        if byte < 128:
            return found, at + place + 1
    raise IndexError("no number ends here")
