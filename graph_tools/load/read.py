"""Files as they are on disk: which protobuf is inside, told by content; one clear line when it is none.

Paths go through TensorFlow's file system layer, so that ``gs://`` and the like work wherever they do in TensorFlow.
"""

import hashlib
import re
import warnings
from typing import Any, List, NamedTuple, Optional

from graph_tools import _tf
from graph_tools.errors import ModelFileMissingError, ModelFormatError, one_line

# Protobuf cannot parse a message of 2 GiB or more; TensorFlow 2.15 even dies trying.
LARGEST = 2 ** 31 - 1
_REMOTE = re.compile(r"^(https?|tfhub)://")


class Foreign(NamedTuple):
    """How a file of another library gives itself away, and what to do with it."""

    offset: int
    magic: bytes
    what: str
    fix: str


FOREIGN = (
    Foreign(0, b"\x89HDF\r\n\x1a\n", "a Keras HDF5 file",
            "load it with Keras and export a SavedModel, then give its folder"),
    Foreign(4, b"TFL3", "a TensorFlow Lite model", "use the frozen graph or SavedModel that it was converted from"),
    Foreign(0, b"PK\x03\x04", "a zip archive (a .keras or PyTorch file, or a packed model)",
            "unpack it, or export a SavedModel with the library that wrote it"),
    Foreign(0, b"\x1f\x8b", "a gzip archive", "unpack it and give the path of what is inside"),
    Foreign(0, b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch the file: git lfs pull"),
    Foreign(0, b"<!doctype", "a web page", "download the file itself"),
    Foreign(0, b"<html", "a web page", "download the file itself"),
    Foreign(0, b"\x93NUMPY", "a NumPy array", "give the path of the model"),
    Foreign(0, b"\x80\x02", "a Python pickle", "export a SavedModel with the library that wrote it"),
    Foreign(0, b"\x80\x04", "a Python pickle", "export a SavedModel with the library that wrote it"),
)


class Artefact:
    """A path and what is there; the content is read once, when it is asked for."""

    def __init__(self, path: str):
        if _REMOTE.match(path):
            raise ModelFileMissingError("%r is a web address; download the model and give its path" % path)
        files = _tf.tf.io.gfile
        self.path = path
        self.is_folder = files.isdir(path)
        self.is_file = not self.is_folder and files.exists(path)
        self._message: Optional[Any] = None
        self._sha256 = ""

    @property
    def folder(self) -> str:
        """The folder itself, or the one that the file is in."""
        return self.path if self.is_folder else self.path.rpartition("/")[0] or ("/" if self.path[:1] == "/" else ".")

    @property
    def message(self) -> Any:
        """What is in the file: a ``GraphDef``, ``SavedModel`` or ``MetaGraphDef``, from binary or text.

        Raises:
          ModelFileMissingError: there is no such file.
          ModelFormatError: it is empty, larger than a protobuf can be, cut short, or of another library.
        """
        if self._message is None:
            data = read_bytes(self.path)
            self._sha256 = hashlib.sha256(data).hexdigest()
            self._message = parse(data, self.path)
        return self._message

    @property
    def sha256(self) -> str:
        """The digest of the content that was read; "" where none was."""
        return self._sha256

    def files(self) -> List[str]:
        """Names in the folder, sorted (without trailing slashes)."""
        return sorted(name.rstrip("/") for name in _tf.tf.io.gfile.listdir(self.path))


def join(folder: str, *names: str) -> str:
    """A path below a folder; works for ``gs://`` too."""
    return "/".join((folder.rstrip("/") or "/",) + names)


def read_bytes(path: str) -> bytes:
    """The content of a file, unless it cannot be a TensorFlow graph."""
    tf = _tf.tf
    if not tf.io.gfile.exists(path):
        raise ModelFileMissingError("no file or folder %r; check the path" % path)
    size = tf.io.gfile.stat(path).length
    if size == 0:
        raise ModelFormatError("%r is empty (0 bytes); copy or export it again" % path)
    if size > LARGEST:
        raise ModelFormatError("%r is %.2f GB and a protobuf holds at most 2 GB; export a SavedModel or a checkpoint, "
                               "which keep the variables outside of the graph" % (path, size / 1e9))
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            data = file.read()
    except tf.errors.OpError as problem:
        raise ModelFileMissingError("%r cannot be read (%s); check its permissions" % (
            path, problem.message)) from problem
    for foreign in FOREIGN:
        if data[foreign.offset:foreign.offset + len(foreign.magic)].lower() == foreign.magic.lower():
            raise ModelFormatError("%r is %s; %s" % (path, foreign.what, foreign.fix))
    if path.endswith(".onnx"):
        raise ModelFormatError("%r is an ONNX model; use the TensorFlow model that it was converted from" % path)
    return data


def parse(data: bytes, path: str) -> Any:
    """The graph message in the bytes of a file; binary or text, whichever of the three kinds makes sense."""
    kinds = [_tf.tf.GraphDef, _tf.tf.MetaGraphDef, _tf.SavedModel]
    if data[:1] == b"\x08":  # a number first: the schema version of a SavedModel
        kinds.reverse()
    elif path.endswith(".meta"):
        kinds.insert(0, kinds.pop(1))
    problem = ""
    text = _is_text(data)
    for kind in kinds:
        message = kind()
        try:
            with warnings.catch_warnings(record=True) as left_over:  # how some releases of protobuf report bytes
                warnings.simplefilter("always", RuntimeWarning)
                if text:
                    _tf.text_format.Parse(data.decode("utf-8"), message, allow_unknown_field=True)
                else:
                    message.ParseFromString(data)
            if not left_over and _makes_sense(message):
                return message
        # ValueError: names that are no UTF-8.
        except RecursionError:
            problem = problem or "it is nested too deep"
        except (_tf.DecodeError, _tf.TextParseError, ValueError) as failure:
            problem = problem or one_line(failure, 120)
    if text:
        raise ModelFormatError("%r is no graph in text form%s; export it again" % (
            path, " (%s)" % problem if problem else ""))
    raise ModelFormatError("%r (%d bytes) is not a TensorFlow graph, or it was cut short or damaged; copy or export it "
                           "again" % (path, len(data)))


def _makes_sense(message: Any) -> bool:
    """Whether a parsed message is really of its kind: protobuf accepts bytes of other kinds too."""
    if isinstance(message, _tf.SavedModel):
        return bool(message.meta_graphs) and all(_makes_sense(graph) for graph in message.meta_graphs)
    graph_def = message.graph_def if isinstance(message, _tf.tf.MetaGraphDef) else message
    return bool(graph_def.node) and all(
        node.name.isprintable() and node.op.isprintable() and node.name and node.op for node in graph_def.node)


def _is_text(data: bytes) -> bool:
    """Whether the bytes start like a text protobuf: a field name or a comment, and no control characters."""
    start = data[:512].lstrip()
    return (start[:1].isalpha() or start[:1] == b"#") and not any(byte < 9 or 13 < byte < 32 for byte in start)
