"""Made-up values for what is fed, from what the graph knows: ids of its tables, words, formats of files, sizes of time.

Each is an array and the numpy expression that makes it again, so that a reader can put rows of their own in its place.
"""

import base64
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.find import categories
from graph_tools.find.dataflow import CARRIED, FLOAT_TYPES
from graph_tools.find.decided import OF_THE_SIZE
from graph_tools.find.inputs import parsing
from graph_tools.graph import names
from graph_tools.graph.ops import TABLE_FINDS
from graph_tools.graph.walk import GraphIndex, reached
from graph_tools.model import Model
from tf1_ig.question.contents import picture, sound

_WORDS = ("some", "words", "of", "a", "text")
_MANY = 1000                  # ids where the graph does not say how many there are
_LONG, _ALIKE = 1000, 64      # bytes of a value that is told by the part that is repeated, and of that part looked for
_TEXTS = 12                   # words of a table that are looked at
_PASSING = frozenset((
    "Identity", "Reshape", "ExpandDims", "Squeeze", "Cast", "ReverseV2", "Transpose", "Enter", "Switch", "Pack",
    "ConcatV2", "Unpack", "Split", "StridedSlice", "Slice", "TensorArrayScatterV3", "TensorArrayReadV3", "Substr",
    "StringLower", "Tile", "GatherV2", "GatherNd", "Unique", "SparseReshape", "SparseToDense", "StringStrip",
    "StringSplit", "StringSplitV2"))
_COUNTING = frozenset(("Sub", "Add", "AddV2", "Mul", "Neg", "Square", "Abs", "Sum", "Mean", "Max", "Min"))


class Sample(NamedTuple):
    """An array, and the expression of numpy (``np``, and ``r`` for a ``RandomState``) that makes it."""

    text: str
    array: np.ndarray


def behind(index: GraphIndex, tensor: str) -> Set[names.TensorRef]:
    """The tensors that ids are computed from."""
    def before(ref: names.TensorRef) -> List[names.TensorRef]:
        op = index.op(ref.node)
        return [] if op in OF_THE_SIZE else [
            one for slot, one in enumerate(index.data_inputs(ref.node))
            if one.node in index and slot in CARRIED.get(op, (slot,))]

    return set(reached([names.parse(tensor)], before))


class Maker:
    """Samples of one model, drawn one after the other from one seed.

    Args:
      model: the model.
      embeddings: its lookups.
      seed: of the random numbers.
    """

    def __init__(self, model: Model, embeddings: Iterable[Any], seed: int):
        self._model, self._index = model, model.index
        self._random = np.random.RandomState(seed)   # in step with the ``r`` of the expressions
        self._unseen = np.random.RandomState(seed)   # of what is written out
        self._vocabularies = [(behind(model.index, one.ids), one.vocab_size) for one in embeddings if one.ids]

    # -- numbers -----------------------------------------------------------------------------------------------------

    def constant(self, value: Any, shape: Tuple[int, ...], dtype: str) -> Sample:
        """One value everywhere."""
        if shape == ():
            return Sample("np.array(%s, \"%s\")" % (value, dtype), np.array(value, dtype))
        return Sample("np.full(%s, %s, \"%s\")" % (shape, value, dtype), np.full(shape, value, dtype))

    def listed(self, values: Any, dtype: str) -> Sample:
        """Values that are written out."""
        array = np.asarray(values, dtype)
        return Sample("np.array(%s, \"%s\")" % (array.tolist(), dtype), array)

    def floats(self, tensor: str, shape: Tuple[int, ...], dtype: str, spread: float = 0.0) -> Sample:
        """Random floats with the statistics that the graph takes away again, else between 0 and 1.

        ``spread``: of floats around 0 instead, where those say nothing.
        """
        found = (0.0, spread) if spread else self._statistics(tensor)
        if found is None:
            return Sample("r.uniform(0, 1, %s).astype(\"%s\")" % (shape, dtype),
                          self._random.uniform(0, 1, shape).astype(dtype))
        return Sample("r.normal(%.4g, %.4g, %s).astype(\"%s\")" % (found + (shape, dtype)), self._random.normal(
            float("%.4g" % found[0]), float("%.4g" % found[1]), shape).astype(dtype))

    def neighbours(self, count: int, dtype: str) -> Sample:
        """A symmetric matrix of neighbours in a row, normalised."""
        text = "sum(np.eye(%d, k=k) for k in (-1, 0, 1)).astype(\"%s\") / 3" % (count, dtype)
        return Sample(text, np.asarray(sum(np.eye(count, k=k) for k in (-1, 0, 1))).astype(dtype) / 3)

    def ids(self, tensor: str, shape: Tuple[int, ...], dtype: str) -> Optional[Sample]:
        """Random ids of the table that a tensor looks up; ``None`` where it looks up none."""
        count = self.count(tensor)
        if count is None:
            return None
        return self.whole(count, shape, dtype)

    def are_ids(self, tensor: str) -> bool:
        """Whether floats are read as whole numbers only, and looked up: ids that a program fed as floats."""
        return self.count(tensor) is not None and all(
            op == "Cast" and not self._of_floats(node) for op, node in self._ends(tensor))

    def _ends(self, tensor: str) -> List[Tuple[str, str]]:
        """The first ops behind a tensor that do not only hand its entries on, and their nodes."""
        found: List[Tuple[str, str]] = []
        for ref in reached([names.parse(tensor)], self._handed_on):
            found += [(self._index.op(use.node), use.node) for use in self._index.uses(ref)
                      if self._index.op(use.node) not in OF_THE_SIZE and not self._hands_on(use)]
        return found

    def _handed_on(self, ref: names.TensorRef) -> List[names.TensorRef]:
        return [names.TensorRef(use.node, port) for use in self._index.uses(ref) if self._hands_on(use)
                for port in self._index.ports(use.node) if port >= 0]

    def _hands_on(self, use: Any) -> bool:
        op, node = self._index.op(use.node), use.node
        return op in _PASSING and use.slot in CARRIED.get(op, (use.slot,)) and (op != "Cast" or self._of_floats(node))

    def _of_floats(self, node: str) -> bool:
        """Whether a cast makes floats."""
        return self._index.nodes[node].attr["DstT"].type in FLOAT_TYPES

    def whole(self, count: int, shape: Tuple[int, ...], dtype: str) -> Sample:
        """Random whole numbers below a count; 0 is padding as a rule."""
        low = 1 if count > 2 else 0
        return Sample("r.randint(%d, %d, %s).astype(\"%s\")" % (low, count, shape, dtype),
                      np.asarray(self._random.randint(low, count, shape)).astype(dtype))

    def places(self, tensor: str, shape: Tuple[int, ...], dtype: str, usual: Sequence[int]) -> Optional[Sample]:
        """Random places in what ``GatherNd`` takes entries from; ``None`` where none are asked for.

        ``usual``: the sizes of its first and of its other axes, where they are not known.
        """
        taken = [self._index.data_inputs(use.node)[0] for use in self._uses(tensor)
                 if use.slot == 1 and self._index.op(use.node) == "GatherNd"]
        if not taken or not shape:
            return None
        known = self._model.outline.get_tensor_by_name(str(taken[0])).shape
        sizes = [(known.as_list()[axis] if known.ndims and known.ndims > axis else None) or usual[axis > 0]
                 for axis in range(shape[-1])]
        return Sample("(r.uniform(0, 1, %s) * %s).astype(\"%s\")" % (shape, sizes, dtype),
                      (self._random.uniform(0, 1, shape) * sizes).astype(dtype))

    def tells_rows(self, tensor: str) -> bool:
        """Whether whole numbers say which row each entry of something belongs to."""
        ops = [(self._index.op(use.node), use.slot) for use in self._uses(tensor)]
        return any("Segment" in op and slot == 1 + op.startswith("Sparse") for op, slot in ops)

    def is_number(self, tensor: str) -> bool:
        """Whether whole numbers are nothing but numbers: made floats, if only after sums, and neither compared nor
        counted up to."""
        found = False
        seen: Set[str] = set()
        todo = [names.parse(tensor)]
        while todo and len(seen) < 200:
            for use in self._index.uses(todo.pop(0)):
                op = self._index.op(use.node)
                if use.node in seen or op in OF_THE_SIZE:
                    continue
                seen.add(use.node)
                if op == "Cast" and self._index.nodes[use.node].attr["DstT"].type in FLOAT_TYPES:
                    found = True
                elif op in _PASSING or op in _COUNTING:
                    todo += [names.TensorRef(use.node, port) for port in self._index.ports(use.node) if port >= 0]
                else:
                    return False
        return found

    def count(self, tensor: str) -> Optional[int]:
        """How many ids there are for a tensor; ``None`` when nothing looks them up."""
        ref = names.parse(tensor)
        sizes = [size or _MANY for behind, size in self._vocabularies if ref in behind]
        steps: List[int] = []  # what stands beside ids in one tensor may say how many of them are turned round
        for use in self._uses(tensor):
            refs = self._index.data_inputs(use.node)
            op = self._index.op(use.node)
            if op == "OneHot" and use.slot == 0:
                depth = self._constant(refs[1])
                sizes += [int(depth)] if depth is not None and depth.size == 1 else []
            elif op in ("Gather", "GatherV2", "ResourceGather") and use.slot == 1:
                sizes += [self._size(refs[0], 0) or _MANY]
            elif op == "ReverseSequence" and use.slot == 1:
                long = self._size(refs[0], self._index.nodes[use.node].attr["seq_dim"].i)
                steps += [long + 1] if long else []
        return min(sizes + steps) if sizes else None

    def _size(self, ref: Any, axis: int) -> Optional[int]:
        shape = self._model.outline.get_tensor_by_name(str(ref)).shape
        return shape.as_list()[axis] if (shape.ndims or 0) > axis else None

    def _statistics(self, tensor: str) -> Optional[Tuple[float, float]]:
        """Mean and spread that the first normalisation behind a tensor takes off it."""
        mean, spread, found = 0.0, 1.0, False
        ref = names.parse(tensor)
        for _ in range(8):
            uses = [use for use in self._index.uses(ref) if self._index.op(use.node) in _NORMALISING
                    or self._index.op(use.node) in _PASSING]
            if len(uses) != 1:
                break
            use, = uses
            refs, op = self._index.data_inputs(use.node), self._index.op(use.node)
            if op.startswith("FusedBatchNorm") and use.slot == 0:
                moments = [each for each in map(self._constant, refs[3:5]) if each is not None and each.size]
                if len(moments) < 2:
                    return None
                return float(np.mean(moments[0])), float(np.sqrt(np.mean(moments[1])))
            if op in _NORMALISING:
                value = self._constant(refs[1 - use.slot])
                if value is None or value.dtype.kind != "f" or use.slot and op in ("Sub", "RealDiv") or not value.all():
                    break
                number, found = float(np.mean(value)), True
                if op in ("Sub", "Add", "AddV2"):
                    mean += spread * (number if op == "Sub" else -number)
                else:
                    spread *= number if op == "RealDiv" else 1 / number
            ref = names.parse(use.node)
        return (mean, abs(spread)) if found else None

    def _constant(self, ref: Any) -> Optional[np.ndarray]:
        """The value of a small constant or variable behind identities."""
        for _ in range(8):
            node = self._index.nodes.get(ref.node)
            if node is None or node.op not in ("Identity", "ReadVariableOp", "Enter"):
                break
            ref = self._index.data_inputs(node.name)[0]
        if node is not None and node.op == "Const" and node.attr["value"].ByteSize() < 1 << 16:
            return _tf.make_ndarray(node.attr["value"].tensor)
        if node is not None and "shape" in node.attr and node.name in self._model.variables and np.prod(
                [dim.size for dim in node.attr["shape"].shape.dim], dtype=np.int64) < 1 << 14:
            return np.asarray(self._model.variables[node.name])
        return None

    def _uses(self, tensor: str) -> List[Any]:
        """Where a tensor's entries are read, behind ops that keep them."""
        found: List[Any] = []
        seen: Set[str] = set()
        todo = [names.parse(tensor)]
        while todo and len(seen) < 200:
            ref = todo.pop(0)
            for use in self._index.uses(ref):
                if use.node in seen:
                    continue
                seen.add(use.node)
                found.append(use)
                op = self._index.op(use.node)
                if op in _PASSING and use.slot in CARRIED.get(op, (use.slot,)):
                    todo += [names.TensorRef(use.node, port) for port in self._index.ports(use.node) if port >= 0]
        return found

    # -- strings -----------------------------------------------------------------------------------------------------

    def strings(self, tensor: str, shape: Tuple[int, ...], rows: int = 1) -> Sample:
        """Strings that the graph can read: words of its tables, records, pictures, numbers, else a text."""
        made = self._contents(tensor)
        count = int(np.prod(shape, dtype=np.int64))
        values = [made[position % len(made)] for position in range(count)]
        if count > 8 and len(set(values)) == 1:
            return Sample("np.full(%s, %s)" % (shape, written(values[0])), np.full(shape, values[0]))
        array = np.array(values).reshape(shape)
        if count > 2 * len(made):
            return Sample("np.resize(%s, %s)" % (written(made), shape), array)
        return Sample("np.array(%s)" % written(array.tolist()), array)

    def _contents(self, tensor: str) -> List[Any]:
        text = ["some words of a text"]
        for use in self._uses(tensor):
            op = self._index.op(use.node)
            if op in parsing.PARSERS and use.slot == 0:
                return [self._record(use.node)]
            if op in TABLE_FINDS and use.slot == 1:
                words = self.words(use.node)
                return words or ["a"]
            if op in _CONTENTS:
                return [_CONTENTS[op]()]
            if op == "DecodeRaw":
                return [self._raw(use.node)]
            if op == "DecodeBase64":
                return [base64.urlsafe_b64encode(each.encode("utf-8") if isinstance(each, str) else each)
                        for each in self._contents(use.node)]
            if op == "DecodeCSV" and use.slot == 0:
                return [self._cells(use.node)]
            if op == "StringToNumber":
                return [self._numbers(use.node, tensor)]
            if op.startswith("StringToHashBucket") or op == "StringSplit":
                text = ["some words of a text"] if op == "StringSplit" else list(_WORDS)
        return text

    def _raw(self, decoder: str) -> bytes:
        """Bytes for as many numbers as the graph wants of a record."""
        width = _tf.tf.as_dtype(self._index.nodes[decoder].attr["out_type"].type).size
        drawn = self._unseen.randint(0, 256 if width == 1 else 2, self._wanted(decoder) * width).astype(np.uint8)
        drawn[-1] = max(drawn[-1], 1)  # numpy's strings lose the zeros at their end
        return drawn.tobytes()

    def _wanted(self, decoder: str) -> int:
        """How many numbers the graph wants of a record, by the sizes that what is decoded is given."""
        found = [1]
        for use in self._uses(decoder):
            for tensor in self._model.outline.get_operation_by_name(use.node).outputs:
                sizes = [size for size in (tensor.shape.as_list() if tensor.shape.ndims else []) if size]
                found += [int(np.prod(sizes))] if sizes else []
        return max(found)

    def _numbers(self, reader: str, tensor: str) -> str:
        """As many numbers as the graph wants, divided by what it splits at; a single one where it splits nothing."""
        splits = [use.node for use in self._uses(tensor) if self._index.op(use.node).startswith("StringSplit")]
        at = self._constant(self._index.data_inputs(splits[0])[1]) if splits else None
        if not splits:
            return "1"
        between = at.ravel()[0].decode("utf-8", "replace") if at is not None and at.size else ""
        return (between[:1] or " ").join("%.3f" % self._unseen.uniform(0, 1) for _ in range(self._wanted(reader)))

    def _cells(self, decoder: str) -> str:
        """A line of a table: numbers, and strings as what reads them wants them."""
        attr, found = self._index.nodes[decoder].attr, []
        for port, kind in enumerate(attr["OUT_TYPE"].list.type):
            tensor, dtype = "%s:%d" % (decoder, port), _tf.tf.as_dtype(kind)
            made = self._contents(tensor)[0] if dtype == _tf.tf.string else self._unseen.randint(
                1, self.count(tensor) or 9) if dtype.is_integer else round(self._unseen.uniform(0, 1), 3)
            found.append(made if isinstance(made, str) else str(made))
        return (attr["field_delim"].s.decode("utf-8") or ",").join(found)

    def words(self, find: str) -> List[str]:
        """Some words of the table that a node looks up."""
        table = self._model.outline.get_operation_by_name(find).inputs[0].op
        words, _ = categories.table_words(self._model, table)
        some = [word for word in words[:_TEXTS] if word and "\x00" not in word]
        order = self._unseen.permutation(len(some))
        return [some[position] for position in order]

    def _record(self, parser: str) -> bytes:
        """A serialized proto with every feature that a parser asks for."""
        tf = _tf.tf
        features = parsing.features(self._index, self._index.nodes[parser])
        if "Sequence" in self._index.op(parser):
            made = tf.train.SequenceExample()
            for one in features:
                if one.sequence:
                    for _ in range(3):
                        self._fill(made.feature_lists.feature_list[one.key].feature.add(), one)
                else:
                    self._fill(made.context.feature[one.key], one)
        else:
            made = tf.train.Example()
            for one in features:
                self._fill(made.features.feature[one.key], one)
        return made.SerializeToString(deterministic=True)

    def _fill(self, feature: Any, one: Any) -> None:
        count = int(np.prod([size or 1 for size in one.shape or (1,)], dtype=np.int64))
        if one.dtype == "string":
            made = [text.encode("utf-8") if isinstance(text, str) else text for text in self._contents(one.tensor)]
            feature.bytes_list.value.extend(made[position % len(made)] for position in range(count))
        elif one.dtype == "int64":
            feature.int64_list.value.extend(self._unseen.randint(1, self.count(one.tensor) or 9, count).tolist())
        else:
            feature.float_list.value.extend(np.round(self._unseen.uniform(0, 1, count), 3).tolist())


_NORMALISING = frozenset(("Sub", "Add", "AddV2", "Mul", "RealDiv", "FusedBatchNorm", "FusedBatchNormV2",
                          "FusedBatchNormV3"))


def written(value: Any) -> str:
    """A value as Python: as ``repr``, but for long bytes of which a part is repeated to their end."""
    if isinstance(value, list):
        return "[%s]" % ", ".join(map(written, value))
    if not isinstance(value, bytes) or len(value) < _LONG:
        return repr(value)
    half = value[len(value) // 2:]
    period = half.find(half[:_ALIKE], 1)
    start, period = len(value) - len(half), max(period, 1)
    if half[period:] != half[:-period]:
        return repr(value)
    while start and value[start - 1] == value[start - 1 + period]:
        start -= 1
    times = (len(value) - start) // period
    parts = value[:start], value[start:start + period], value[start + times * period:]
    return "%r + %r * %d%s" % (parts[:2] + (times, " + %r" % parts[2] if parts[2] else ""))


# What strings hold that these ops read.
_CONTENTS: Dict[str, Any] = {
    "DecodeJpeg": picture, "DecodePng": picture, "DecodeImage": picture, "DecodeAndCropJpeg": picture,
    "DecodeWav": sound}


def line(samples: Sequence[Tuple[str, Sample]], seed: int, path: str) -> str:
    """The Python that writes a feed file."""
    parts = ", ".join("%r: %s" % (name, sample.text) for name, sample in samples)
    drawn = any("r." in sample.text for _, sample in samples)
    return "import numpy as np; %snp.savez(%r, **{%s})" % (
        "r = np.random.RandomState(%d); " % seed if drawn else "", path, parts)
