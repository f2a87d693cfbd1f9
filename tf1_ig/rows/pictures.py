"""Columns of pictures and of signals: files, bytes or arrays, in the size and scaling that a model wants."""

import io
import os
import wave
from typing import Any, Mapping

import numpy as np

from graph_tools.errors import one_line
from tf1_ig.errors import UNREADABLE, RowError, package
from tf1_ig.rows.files import Files
from tf1_ig.rows.record import Encoder, cell, shown
from tf1_ig.rows.table import as_number, columns_of, in_dtype, in_shape, listed, scaled, told

_MODES = {"RGB": "RGB", "BGR": "RGB", "RGBA": "RGBA", "gray": "L"}
_RESAMPLING = {"nearest": 0, "bilinear": 2, "bicubic": 3}  # Pillow's numbers, the same in every release


def image(options: Mapping[str, Any], files: Files) -> Encoder:
    """Pictures ``[batch, height, width, colours]`` from files, encoded bytes or arrays, as floats after scaling."""
    column, = columns_of(options, files)
    dtype = np.dtype(options.get("dtype", "float32"))

    def read(row: Any) -> np.ndarray:
        value = listed(cell(row, column))
        if isinstance(value, (str, bytes, os.PathLike)):
            array = _decoded(value, options, column)
        else:
            array = as_number(value, column)
            array = array[..., None] if array.ndim == 2 and options.get("channel_axis", True) else array
            array = _of_size(array, options, column)
        array = scaled(array, options)
        if options.get("channels_first", False) and array.ndim == 3:
            array = np.moveaxis(array, -1, 0)
        return in_dtype(in_shape(array, options.get("shape"), column), dtype, column)

    return Encoder("image", (column,), read, np.stack)


def _decoded(value: Any, options: Mapping[str, Any], column: str) -> np.ndarray:
    """The pixels of an encoded picture, ``[height, width, colours]``."""
    if not isinstance(value, bytes) and str(value).lower().endswith(".npy"):
        return _of_size(as_number(_array_file(value, column), column), options, column)
    pillow = package("PIL.Image", "to read pictures", "'tf1-ig[images]'")
    colours = options.get("colours", "RGB")
    if not isinstance(value, bytes):
        _refuse_pipe(value, column)
    try:
        with pillow.open(io.BytesIO(value) if isinstance(value, bytes) else value) as file:
            picture = file.convert(_MODES[colours])
        if "size" in options and (picture.height, picture.width) != tuple(options["size"]):
            picture = picture.resize(tuple(options["size"])[::-1], _RESAMPLING[options.get("resize", "bilinear")])
    # Pillow raises what the format's reader happens to raise.
    except Exception as wrong:  # noqa: B902
        raise RowError("the picture %s cannot be read (%s)" % (
            "" if isinstance(value, bytes) else repr(os.fspath(value)), one_line(wrong)), column) from (
                wrong)
    array = np.asarray(picture, np.float64)
    if array.ndim == 2:
        return array[..., None] if options.get("channel_axis", True) else array
    return array[..., ::-1] if colours == "BGR" else array


def _of_size(array: np.ndarray, options: Mapping[str, Any], column: str) -> np.ndarray:
    """An array is taken as it is: its size must be the model's."""
    if "size" in options and list(array.shape[:2]) != list(options["size"]):
        raise RowError("the picture is an array of shape %s; the model takes %d × %d (height × width)" % (
            (list(array.shape),) + tuple(options["size"])), column)
    return array


def _refuse_pipe(path: Any, column: str) -> None:
    """A row names what it likes; what is no file may be waited for without end."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise RowError("%r is no regular file" % os.fspath(path), column)


def _array_file(path: Any, column: str) -> np.ndarray:
    _refuse_pipe(path, column)
    try:
        return np.load(os.fspath(path), allow_pickle=False)
    except UNREADABLE as wrong:
        raise RowError("the array file %r cannot be read (%s)" % (os.fspath(path), one_line(wrong)),
                       column) from wrong


def signal(options: Mapping[str, Any], files: Files) -> Encoder:
    """Signals ``[batch, time]`` or ``[batch, time, channels]`` from arrays, ``.npy`` or ``.wav`` files.

    Shorter ones are filled up with silence; among whole numbers (ids) 0 is one like the others, and they are refused
    unless the spec says what their ``"padding"`` is.
    """
    column, = columns_of(options, files)
    length, dtype = options.get("length"), np.dtype(options.get("dtype", "float32"))
    padding = options.get("padding", 0 if dtype.kind == "f" else None)
    if padding is not None:
        told(padding, dtype, files, "padding")

    def read(row: Any) -> np.ndarray:
        value = listed(cell(row, column))
        if isinstance(value, (str, os.PathLike)):
            wav = str(value).lower().endswith((".wav", ".wave"))
            value = _samples(value, column) if wav else _array_file(value, column)
        array = as_number(value, column, dtype.kind == "b")
        if not array.ndim:
            raise RowError("%s is not a signal; give an array, a .npy or a .wav file" % shown(value), column)
        array = scaled(array, options)
        if length is not None and len(array) > length and options.get("longer", "refuse") != "cut":
            raise RowError("%d samples, and %d fit in; shorten the signal, or let the spec say \"longer\": \"cut\"" % (
                len(array), length), column)
        array = in_dtype(array[:length], dtype, column)
        if length is not None and len(array) < length:
            if padding is None:
                raise RowError("%d entries, and the model takes %d; give as many, or let the spec say what fills them "
                               "up: \"padding\": 0" % (len(array), length), column)
            array = filled(array, length)
        return in_shape(array, options.get("shape"), column)

    def filled(array: np.ndarray, size: int) -> np.ndarray:
        return np.concatenate([array, np.full((size - len(array),) + array.shape[1:], padding, dtype)])

    def stack(cells: Any) -> np.ndarray:
        size = max([len(one) for one in cells] + [0])
        return np.stack([filled(one, size) for one in cells]) if cells else np.zeros((0, size), dtype)

    whole = "shape" in options or length is not None or padding is None
    return Encoder("signal", (column,), read, np.stack if whole else stack, ragged=not whole)


def _samples(path: Any, column: str) -> np.ndarray:
    """The samples of a PCM file, from −1 to 1: ``[time]``, or ``[time, channels]``."""
    _refuse_pipe(path, column)
    try:
        with wave.open(os.fspath(path), "rb") as file:
            width, channels = file.getsampwidth(), file.getnchannels()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as wrong:
        raise RowError("the sound %r cannot be read (%s)" % (os.fspath(path), wrong), column) from wrong
    if width == 1:
        samples = (np.frombuffer(data, np.uint8).astype(np.float64) - 128) / 128
    elif width == 3:
        parts = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.int32)
        samples = ((parts[:, 0] << 8 | parts[:, 1] << 16 | parts[:, 2] << 24) >> 8) / float(1 << 23)
    else:
        samples = np.frombuffer(data, "<i%d" % width).astype(np.float64) / float(1 << (8 * width - 1))
    return samples if channels == 1 else samples.reshape(-1, channels)
