"""Bytes and protobufs from files, with one clear line when the file is not what it should be."""

import os
from typing import Any, NamedTuple, Optional

from graph_tools import _tf
from graph_tools.errors import ModelFileMissingError, ModelFormatError

# Protobuf cannot parse a message of 2 GiB or more; TensorFlow 2.15 even dies trying.
LARGEST = 2 ** 31 - 1


class Known(NamedTuple):
    """How a file that is no TensorFlow graph gives itself away, and what to do with it."""

    offset: int
    magic: bytes
    what: str
    fix: str


FOREIGN = (
    Known(0, b"\x89HDF\r\n\x1a\n", "a Keras HDF5 file",
          "load it with Keras and write a SavedModel: keras.models.load_model(path).save(folder, save_format='tf')"),
    Known(4, b"TFL3", "a TensorFlow Lite model", "use the frozen graph or SavedModel that it was converted from"),
    Known(0, b"PK\x03\x04", "a zip archive (a .keras or PyTorch file, or a packed model)",
          "unpack it, or export a SavedModel with the library that wrote it"),
    Known(0, b"\x1f\x8b", "a gzip archive", "unpack it and give the path of what is inside"),
    Known(0, b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch the file: git lfs pull"),
    Known(0, b"<!DOCTYPE", "a web page", "download the file itself"),
    Known(0, b"<html", "a web page", "download the file itself"),
)


def read_bytes(path: str) -> bytes:
    """The content of a file.

    Raises:
      ModelFileMissingError: there is no such file.
      ModelFormatError: it is empty, larger than a protobuf can be, or known to be of another library.
    """
    if not os.path.exists(path):
        raise ModelFileMissingError("no file %r; check the path" % path)
    if not os.path.isfile(path):
        raise ModelFormatError("%r is a folder or a device, not a file; give the path of a model file" % path)
    size = os.path.getsize(path)
    if size == 0:
        raise ModelFormatError("%r is empty (0 bytes); copy or export it again" % path)
    if size > LARGEST:
        raise ModelFormatError("%r is %.2f GB and a protobuf holds at most 2 GB; export a SavedModel or a checkpoint, "
                               "which keep the variables outside of the graph" % (path, size / 1e9))
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as problem:
        raise ModelFileMissingError("%r cannot be read (%s); check its permissions" % (
            path, problem.strerror)) from problem
    for known in FOREIGN:
        if data[known.offset:known.offset + len(known.magic)].lower() == known.magic.lower():
            raise ModelFormatError("%r is %s; %s" % (path, known.what, known.fix))
    return data


def parse_binary(message_type, data: bytes) -> Optional[Any]:
    """The message in the bytes, or ``None`` when they are not one."""
    message = message_type()
    try:
        message.ParseFromString(data)
    except _tf.DecodeError:
        return None
    return message


def parse_text(message_type, data: bytes) -> Any:
    """The message in a text protobuf; raises ``_tf.TextParseError`` or ``UnicodeDecodeError``."""
    return _tf.text_format.Parse(data.decode("utf-8"), message_type())


def is_text(data: bytes) -> bool:
    """Whether the bytes look like a text protobuf (they start with a field name and hold no control characters)."""
    start = data[:512].lstrip()
    return (start[:1].isalpha() or start[:1] == b"#") and not any(
        byte < 9 or 13 < byte < 32 for byte in start)
