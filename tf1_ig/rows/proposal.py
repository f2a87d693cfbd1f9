"""A first spec for a model from what was found in its graph; whatever had to be guessed is listed with the reason.

A kind of input is recognised by a function ``(Part, Scene) -> entry of the spec or None`` and a line in WAYS, in the
order tried.
"""

import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from graph_tools.find.candidates import Candidate, Embedding, Output
from graph_tools.find.inputs.parsing import parsed_features
from graph_tools.graph import names
from tf1_ig.errors import SpecError
from tf1_ig.rows import attributed, class_lists, fingerprint, reading_vocabulary, schema
from tf1_ig.rows.files import Files, relative

_SEGMENTS = 4   # a table of no more rows is one of segments, not of words
_CHANNELS = (1, 3, 4)
_SIGNAL = 32    # numbers of a row from which they are a signal, not a list of features


class Part(NamedTuple):
    """One tensor that must be fed.

    Attributes:
      tensor, dtype, shape, label: as in ``graph_tools.find.inputs.record.Component``.
      table: the lookup whose ids it is, ``None`` for others.
      way: the ``Input`` that it is a part of.
    """

    tensor: str
    dtype: str
    shape: Optional[Tuple[Optional[int], ...]]
    label: str
    table: Optional[Embedding]
    way: Any

    @property
    def sizes(self) -> Tuple[Any, ...]:
        """The shape where its rank is known, else none."""
        return self.shape or ()

    @property
    def rows(self) -> Optional[int]:
        """How many rows the table behind it has, where there is one and that is known."""
        return None if self.table is None else self.table.vocab_size


class Scene(NamedTuple):
    """What all parts have in common.

    Attributes:
      model: the loaded model.
      parts: everything that must be fed.
      vocabulary: the entry for the vocabulary file, and the tokenizer that fits it; ``None`` without a file.
      guesses: filled by those who guess: the reason by place.
    """

    model: Any
    parts: Tuple[Part, ...]
    vocabulary: Optional[reading_vocabulary.Reading]
    guesses: Dict[str, str]

    def guess(self, part: Part, key: str, why: str) -> None:
        """Notes that a key of a part's entry is a guess."""
        self.guesses[schema.format_place(("feed", part.tensor) + tuple(key.split(".") if key else ()))] = why

    @property
    def texts(self) -> List[Part]:
        """The parts that are ids of a text, those of the vocabulary first."""
        found = [part for part in self.parts if _is_ids(part) and not _is_segments(part, self)]
        return sorted(found, key=lambda part: self.worded is not part)

    @property
    def worded(self) -> Optional[Part]:
        """The part that the vocabulary file is for: the lookup with as many rows, else the largest."""
        if self.vocabulary is None:
            return None
        sized = [part for part in self.parts if _is_ids(part)]
        count = self.vocabulary.count
        best = sorted(sized, key=lambda part: (abs((part.rows or count) - count),
                                               -(part.rows or 0)))
        return best[0] if best else None


def named(model: Any, name: str, why: str) -> Output:
    """A tensor that somebody named, as what is explained; the error for a wrong name."""
    tensor = names.in_outline(model, name)
    shape = None if tensor.shape.ndims is None else tuple(tensor.shape.as_list())
    return Output(tensor.name, "named", why, dtype=tensor.dtype.base_dtype.name, shape=shape)


def propose(model: Any, inputs: Sequence[Candidate], embeddings: Sequence[Candidate], output: Candidate,
            folder: str, path: str, vocabulary: Optional[str] = None, classes: Optional[str] = None,
            output_is_a_guess: str = "") -> Dict[str, Any]:
    """The tree of a spec for one output of a model.

    Args:
      model: a loaded ``Model``.
      inputs: what ``find_inputs`` found for this output.
      embeddings: what ``find_embeddings`` found for this output.
      output: the candidate that is to be explained.
      folder: where the spec will be; paths in it are relative to that.
      path: where the model is.
      vocabulary: a file with one token a line, or a JSON object of token to id; classes: names of the classes.
      output_is_a_guess: why the output is one; ``""`` where it is the only one.

    Raises:
      SpecError: a file cannot be read, or fits nothing in the model.
    """
    guesses: Dict[str, str] = {}
    files = Files(os.getcwd(), "tf1-ig inspect")
    parts = tuple(_parts(model, inputs, embeddings))
    read = None if vocabulary is None else reading_vocabulary.read(
        files.existing(vocabulary, "--vocab"), files, [part.rows for part in parts if part.table])
    scene = Scene(model, parts, read, guesses)
    if read is not None and scene.worded is None and not any(part.dtype == "string" for part in scene.parts):
        raise SpecError("--vocab %s fits nothing: no input of %s is looked up in a table; leave it out" % (
            vocabulary, output.tensor))
    if output_is_a_guess:
        guesses["output"] = output_is_a_guess
    tree: Dict[str, Any] = {
        "version": 1, "model": {"path": relative(path, folder), "sha256": fingerprint.sha256(path)},
        "output": output.tensor}
    _ask(tree, model, output, classes, folder, files, guesses)
    tree["feed"] = {part.tensor: _entry(part, scene, folder) for part in scene.texts + [
        part for part in scene.parts if part not in scene.texts]}
    tree["guesses"] = guesses
    return tree


def _ask(tree: Any, model: Any, output: Candidate, classes: Optional[str], folder: str, files: Files,
         guesses: Any) -> None:
    """Output, classes and label: what is asked."""
    count = output.shape[-1] if output.shape else None
    rank = None if output.shape is None else len(output.shape)
    if classes is not None:
        listed, inside = class_lists.in_file(classes, count, files)
        if rank is not None and rank > 1 and count not in (None, len(listed)):
            raise SpecError("--classes names %d classes, and %s has %d; give the name of each, one a line" % (
                len(listed), output.tensor, count))
        tree["classes"] = list(listed) if inside else relative(classes, folder)
    else:
        returned = class_lists.in_graph(model, count)
        if returned is not None:
            tree["classes"], guesses["classes"] = returned, "strings that the model returns beside the scores"
    if rank == 0:
        tree["label"], tree["batch_axis"] = None, None
        guesses["batch_axis"] = "the output is one number, so a feed is taken for one row"
    elif rank == 1 or count == 1:
        tree["label"] = None
    else:
        tree["label"] = "top"
        if rank is not None and rank > 2:
            guesses["label"] = ("the output has a prediction for each position: the surest of a row is explained; "
                                "--positions all explains each")
        if rank is None:
            guesses["label"] = "the output's rank is not known; null if it is one number a row"


def _parts(model: Any, inputs: Any, embeddings: Any) -> List[Part]:
    found = []
    for way in inputs:
        if getattr(way, "default", None) or _is_behind(model, way, inputs):
            continue
        for part in getattr(way, "components", ()) or (way,):
            if getattr(part, "used", True):
                found.append(Part(part.tensor, part.dtype, part.shape, getattr(part, "label", "") or names.parse(
                    part.tensor).node.rpartition("/")[2], next((one for one in embeddings if getattr(
                        one, "ids", "") and attributed.comes_from(model, one.ids, part.tensor)), None), way))
    return found


def _is_behind(model: Any, way: Any, inputs: Any) -> bool:
    """Whether what comes out of it is computed from another input: the features of a proto that is fed."""
    if way.kind != "parse_example":
        return False
    upstream = model.index.ancestors([way.tensor], control=False)
    return any(names.parse(other.tensor).node in upstream for other in inputs if other.kind != "parse_example")


def _entry(part: Part, scene: Scene, folder: str) -> Dict[str, Any]:
    for way in WAYS:
        found = way(part, scene, folder)
        if found is not None:
            return found
    scene.guess(part, "", "nothing is known of this input but that it is fed; an array of its column is")
    return {"kind": "numbers", "column": part.label, "dtype": _dtype(part)}


def _dtype(part: Part) -> str:
    return part.dtype if part.dtype in ("bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32",
                                        "float64") else "float32"


def _rank(part: Part) -> Optional[int]:
    return None if part.shape is None else len(part.shape)


def _is_ids(part: Part) -> bool:
    return part.table is not None and part.dtype.startswith(("int", "uint"))


def _is_segments(part: Part, scene: Scene) -> bool:
    """Ids of a small table beside other ids of the same shape: they say which of two texts an entry belongs to."""
    others = [other for other in scene.parts if other is not part and _is_ids(other) and other.shape == part.shape
              and (other.rows or 0) > _SEGMENTS]
    return (_is_ids(part) and part.rows is not None and part.rows <= _SEGMENTS
            and bool(others) and scene.worded is not part)


def _is_line(part: Part) -> bool:
    """Numbers along one axis in the shape of a picture, ``[batch, 1, time, channels]``, as convolutions want them."""
    return _rank(part) == 4 and None not in part.sizes[1:] and (part.sizes[1] == 1) != (part.sizes[2] == 1)


# -- the ways, in the order tried ------------------------------------------------------------------------------------

def _parsed(part: Part, scene: Scene, folder: str) -> Optional[Dict[str, Any]]:
    """Serialized examples: the parser says what is in them."""
    if part.dtype != "string":
        return None
    features = parsed_features(scene.model.index, part.tensor)
    if not features:
        return None
    entry: Dict[str, Any] = {"kind": "example", "features": {}}
    for one in features:
        told: Dict[str, Any] = {"type": {"string": "bytes"}.get(one.dtype, "float" if one.dtype.startswith("float")
                                                               else "int64")}
        if one.optional:
            told["optional"] = True
        entry["features"][one.key] = told
    if part.shape is not None and len(part.shape) > 1:
        entry["shape"] = [size or 1 for size in part.sizes[1:]]
    scene.guess(part, "features", "each feature is taken from the column of its own name" + (
        "; those that are \"optional\" may be missing" if any(one.optional for one in features) else ""))
    return entry


def _switch(part: Part, scene: Scene, folder: str) -> Optional[Dict[str, Any]]:
    """What says how the graph computes, and scalars."""
    value = getattr(part.way, "inference", None)
    if getattr(part.way, "switch", "") and value is not None:
        value = getattr(value, "tolist", lambda: value)()
        scene.guess(part, "value", "a switch (%s): at this value nothing is random" % part.way.switch)
        return {"kind": "constant", "value": value, "dtype": _dtype(part)}
    if part.dtype == "bool" and not part.shape:
        scene.guess(part, "value", "a switch such as is_training: off")
        return {"kind": "constant", "value": False, "dtype": "bool"}
    if part.dtype.startswith("float") and not part.shape:
        scene.guess(part, "value", "a single number, taken for a keep probability: 1 keeps everything")
        return {"kind": "constant", "value": 1.0, "dtype": _dtype(part)}
    if part.shape == () and part.dtype != "string":
        scene.guess(part, "value", "a single number whose meaning is not known")
        return {"kind": "constant", "value": 0, "dtype": _dtype(part)}
    return None


def _ids(part: Part, scene: Scene, folder: str) -> Optional[Dict[str, Any]]:
    """Ids of a lookup: a text where a vocabulary is known, else the ids themselves."""
    if part not in scene.texts:
        return None
    limits, rank = {}, _rank(part)
    if rank is not None and rank > 1 and part.sizes[1] is not None:
        limits["length"] = part.sizes[1]
    if rank == 3 and part.sizes[2] is not None:
        limits["length_of_word"] = part.sizes[2]
    if scene.worded is part and rank != 1 and scene.vocabulary is not None:
        entry = dict({"kind": "text", "column": "text"}, **scene.vocabulary.entry(folder))
        if rank == 3:
            entry["characters"] = True
            scene.guess(part, "characters", "the ids have an axis more than a text: words of characters")
        entry.update(limits, dtype=_dtype(part))
        for key, why in scene.vocabulary.guesses(part.rows):
            scene.guess(part, key, why)
        rows = part.rows
        if rows is not None and part.table is not None and scene.vocabulary.count > rows:
            raise SpecError("the vocabulary has %d entries, and the table %s behind %s %d rows; it is of another "
                            "model" % (scene.vocabulary.count, part.table.table, part.tensor, rows))
        return entry
    if rank == 1:
        scene.guess(part, "column", "a number of a category each row; give its categories for names")
        return {"kind": "numbers", "column": part.label, "dtype": _dtype(part)}
    scene.guess(part, "column", "no vocabulary was given (--vocab): rows hold a list of ids")
    entry = {"kind": "signal", "column": part.label, "dtype": _dtype(part)}
    if "length" in limits:
        entry["length"] = limits["length"]
    return entry


def _beside_ids(part: Part, scene: Scene, folder: str) -> Optional[Dict[str, Any]]:
    """Lengths, masks and segments of the first text."""
    if not scene.texts or scene.worded is None or part.dtype == "string":
        return None
    text = scene.texts[0]
    rank, of_text = _rank(part), _rank(text)
    if _is_segments(part, scene):
        scene.guess(part, "value", "a table of %s rows beside that of the words: one segment, the first" % (
            part.rows))
        return {"kind": "mask", "of": text.tensor, "value": 0, "dtype": _dtype(part)}
    if part.dtype.startswith("int") and rank == 1 or part.dtype.startswith("int") and (
            rank is None and part.way is text.way):
        scene.guess(part, "", "whole numbers, one a row, beside a text: its length")
        return {"kind": "lengths", "of": text.tensor, "dtype": _dtype(part)}
    if part.dtype.startswith("int") and rank == 2 and of_text == 3:
        scene.guess(part, "", "whole numbers, one a word: its length in characters")
        return {"kind": "lengths", "of": text.tensor, "per": "word", "dtype": _dtype(part)}
    if rank == 2 and of_text == 2 and part.sizes[1:] == text.sizes[1:]:
        scene.guess(part, "", "numbers of the shape of the ids of a text: its mask")
        return {"kind": "mask", "of": text.tensor, "dtype": _dtype(part)}
    return None


def _is_cell(part: Part) -> bool:
    """Whether a row holds one value of it, as a table does: of rank 1, or with nothing but ones after the batch."""
    return bool(part.shape) and all(size == 1 for size in part.sizes[1:]) and not getattr(part.way, "switch", "")


def _strings(part: Part, scene: Scene, folder: str) -> Optional[Dict[str, Any]]:
    if part.dtype != "string":
        return None
    rank = _rank(part)
    several = any(other is not part and (other.dtype == "string" or _is_cell(part) and _is_cell(other))
                  for other in scene.parts)
    column = part.label if several else "text"
    if several:
        scene.guess(part, "column", "one of several strings or numbers: a column each")
    if rank is None or rank < 2:
        return {"kind": "string", "column": column}
    if part.sizes[1] == 1:
        return {"kind": "string", "column": column, "shape": [1] * (rank - 1)}
    scene.guess(part, "tokenizer", "strings, several a row: words between spaces")
    entry = {"kind": "text", "column": column, "strings": True, "tokenizer": {"kind": "whitespace"}}
    return dict(entry, length=part.sizes[1]) if part.sizes[1] is not None else entry


def _picture(part: Part, scene: Scene, folder: str) -> Optional[Dict[str, Any]]:
    rank = _rank(part)
    if rank != 4 or not (part.sizes[3] in _CHANNELS or part.sizes[1] in _CHANNELS):
        return None
    if _is_line(part):
        return None
    first = part.sizes[3] not in _CHANNELS
    height, width, channels = (part.sizes[2], part.sizes[3], part.sizes[1]) if first else part.sizes[1:]
    entry: Dict[str, Any] = {"kind": "image", "column": "image", "colours": {1: "gray", 3: "RGB", 4: "RGBA"}[channels]}
    if height is not None and width is not None:
        entry["size"] = [height, width]
    if first:
        entry["channels_first"] = True
    if part.dtype.startswith("float"):
        entry["divide"] = 255
        scene.guess(part, "divide", "how pixels were scaled is not in the graph: from 0 to 1")
    entry["dtype"] = _dtype(part)
    if channels != 1:
        scene.guess(part, "colours", "the order of the colours is not in the graph")
    return entry


def _numbers(part: Part, scene: Scene, folder: str) -> Optional[Dict[str, Any]]:
    rank = _rank(part)
    if rank is None or part.dtype in ("string", "bool"):
        return None
    inner = part.sizes[1:]
    along = tuple(size for size in inner if size != 1) if _is_line(part) else inner
    if len(along) in (1, 2) and part.dtype.startswith("float") and (
            along[0] is None or len(along) == 2 or along[0] >= _SIGNAL):
        entry: Dict[str, Any] = {"kind": "signal", "column": part.label, "dtype": _dtype(part)}
        if along[0] is not None:
            entry["length"] = along[0]
        if along != inner:
            entry["shape"] = list(inner)
        scene.guess(part, "kind", "numbers along an axis; an array, a .npy or a .wav file each row")
        return entry
    entry = {"kind": "numbers", "column": part.label, "dtype": _dtype(part)}
    if inner and None not in inner:
        entry["shape"] = list(inner)
    scene.guess(part, "column", "a column that holds %s; name \"columns\" where the numbers stand in several" % (
        "a number" if not inner else "a list of numbers"))
    return entry


WAYS: Tuple[Callable[[Part, Scene, str], Optional[Dict[str, Any]]], ...] = (
    _parsed, _switch, _ids, _beside_ids, _strings, _picture, _numbers)
