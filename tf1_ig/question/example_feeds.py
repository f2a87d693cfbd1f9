"""Made-up feeds for one output: what must be fed, in sizes that go together, with values that the graph knows."""

import re
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

import graph_tools as gt
from graph_tools.errors import GraphToolsError, StateError, one_line
from graph_tools.find.decided import Decided
from graph_tools.find.inputs import Component, Input, placeholders, switches
from graph_tools.find.inputs.fitting import Fitting, Shape
from graph_tools.find.inputs.record import make_input
from graph_tools.graph import names
from graph_tools.graph.ops import GATHERS, IDENTITIES, PLACEHOLDER_KINDS
from graph_tools.model import Model
from tf1_ig.question.leading import leading
from tf1_ig.question.samples import Maker, Sample
from tf1_ig.question.sparse_sizes import sizes_of

_TOKENS, _SIDE = 8, 32               # entries of a free axis, pixels of a free side
_LARGER = (_TOKENS, 40, 96, 224)     # tried where an axis is too short for the layers
_TRIED, _MOST_ROWS = 8, 512          # numbers of rows that are tried, and the largest
_SECONDS = 2.0                       # of computing for sizes that go together
_ENTRIES = 3                         # of a row of a sparse tensor
_NOISE = frozenset(("RandomUniform", "RandomStandardNormal", "TruncatedNormal"))
_PRODUCT = re.compile(r"Matrix size-incompatible: In\[0\]: \[\d+,(\d+)\], In\[1\]: \[(\d+),\d+\]")
_TAKEN = re.compile(r"indices(?:\[[\d,]*\])? = (\d+) is not in \[0, (\d+)\) \(at node ([^)]+)\)")
_RANKS = {"float": (2, 3, 4, 1, 0), "ids": (2, 1, 3, 0), "int": (0, 1, 2, 3), "string": (1, 2, 0, 3), "bool": (0, 2, 1)}


class Setting(NamedTuple):
    """Sizes that the made-up feeds of one example share."""

    rows: int
    tokens: int = _TOKENS
    # What a whole number of rank 0 says: "rows", "tokens" or "one".
    scalar: str = "rows"
    # Of floats around 0; 0.0: what the graph says.
    spread: float = 0.0
    # Whether the steps of a sequence come before the rows.
    steps_first: bool = False
    # Whether the one free axis of what has a fixed first axis is that of the rows: of the states of all layers.
    rows_inside: bool = False
    # Inputs whose leading size is none of these rows, and that size.
    leading: Tuple[Tuple[str, int], ...] = ()


class Plan:
    """What must be fed for an output, and in which sizes."""

    def __init__(self, model: Model, output: str, embeddings: Sequence[Any], seed: int):
        self._model, self._output, self._seed = model, output, seed
        self._embeddings = list(embeddings)
        self._inputs = self._needed_inputs() + self._behind_lost_state()
        self._fitting = Fitting(model, [output], self._tensors())
        read = self._fitting.needed
        self._inputs = [one for one in self._inputs if one.node == names.parse(output).node or any(
            use.node in read for part in one.components for use in model.index.uses(part.tensor))]
        self._inputs += self._by_control()
        self._fitting = Fitting(model, [output], self._tensors())
        self._ranks: Dict[str, int] = {}
        self._sizes: Dict[Tuple[str, int, int], int] = {}
        self._together: Dict[Tuple[str, Tuple[int, ...]], Tuple[int, ...]] = {}
        self._maker = Maker(model, self._embeddings, seed)
        self.fixed = self._fixed_rows()

    def _tensors(self) -> List[str]:
        return [part.tensor for one in self._inputs for part in one.components if part.used]

    def _needed_inputs(self) -> List[Input]:
        """What must be fed: no placeholder whose default does, nothing parsed beside the record it is parsed from."""
        decided = Decided(self._model.index, {})
        known = list(gt.find_inputs(self._model, output=self._output))
        found = [one for one in known if one.default is None or (
            one.calms and decided.value(one.tensor) != one.inference)]
        if all(one.switch or one.dtype.startswith("int") and one.shape == () for one in found):
            found += [one for one in known if one not in found and not one.switch]  # a default that is no example
        records = {one.node for one in found if one.kind != "parse_example"}
        return [one for one in found if one.kind != "parse_example" or records.isdisjoint(
            self._model.index.ancestors(one.producers, control=False))]

    def _behind_lost_state(self) -> List[Input]:
        """The ids of lookups that nothing can compute any more: their table of words, say, is filled by nothing."""
        found = []
        for tensor in dict.fromkeys(one.ids for one in self._embeddings if one.ids):
            if names.parse(tensor).node not in self._model.index:
                continue
            try:
                self._model.require([tensor])
            except StateError as lost:
                ids = self._model.outline.get_tensor_by_name(tensor)
                shape = None if ids.shape.ndims is None else tuple(ids.shape.as_list())
                found.append(make_input(self._model.index, "placeholder", one_line(lost), (ids.op.name,), [
                    Component(tensor, ids.dtype.base_dtype.name, shape, "")]))
            except GraphToolsError:
                continue  # refused, or of another release: the trial says so
        return found

    def _by_control(self) -> List[Input]:
        """Placeholders that must be fed although no value of theirs decides: a check waits for them."""
        fed = set(self._tensors())
        found = [one for one in placeholders.inputs(self._model.index) if one.default is None
                 and one.node in self._fitting.needed and not fed.intersection(one.tensors)]
        known = {one.tensor: one for one in gt.find_inputs(self._model)} if found else {}  # which of them are switches
        return [known.get(one.tensor, one) for one in found]

    def _fixed_rows(self) -> Optional[int]:
        """The number of rows that inputs fix, in their shapes or in the elements of a queue."""
        fixed = [one.batch for one in self._inputs if one.batch and one.kind in PLACEHOLDER_KINDS
                 and not (self._states and self._is_inside(one.shape))]
        return max(fixed) if fixed else None

    @property
    def _states(self) -> bool:
        """Whether inputs have a fixed first axis and one free behind it, where others, not only lengths, hold rows."""
        own = [one for one in self._inputs if not one.switch and one.kind in PLACEHOLDER_KINDS]
        return any(self._is_inside(one.shape) for one in own) and any(
            one.shape and one.shape[0] is None and (len(one.shape) > 1 or self._sort(one.components[0]) != "int")
            for one in own)

    # -- sizes -------------------------------------------------------------------------------------------------------

    def setting(self) -> Setting:
        """The first sizes that go together, as far as TensorFlow can tell without a run."""
        batches = [one.batch for one in self._inputs if one.batch]
        first = Setting(self.fixed or 1, rows_inside=self._states)
        self._until = time.process_time() + _SECONDS
        if self._fits(first) or not self._fits(first, known=False):
            return first  # or what TensorFlow refuses has nothing to do with what is fed
        few = [size for one, part in self._parts() for size in (
            self._fitting.sizes(part.tensor) if not one.switch and self.fixed is None else ()) if size <= _MOST_ROWS]
        for rows in list(dict.fromkeys([first.rows] + batches + few))[:_TRIED]:
            for tokens in _LARGER:
                setting = Setting(rows, tokens)
                if self._fits(setting) or tokens == _LARGER[0] and self._widened(setting):
                    self.fixed = self.fixed or (rows if rows > 1 else None)
                    return setting
        return self._each_for_itself(first) or first

    def _each_for_itself(self, setting: Setting) -> Optional[Setting]:
        """Leading sizes that go together where no common one does; the rows are then those of the output."""
        self._until = time.process_time() + _SECONDS
        free = [part.tensor for one, part in self._parts() if not one.switch and not _sparse_part(one, part)
                and self._shape(part, setting) and (part.shape is None or part.shape[0] is None)]
        found = leading(self._fitting, self._output, self._shapes(setting), free,
                        lambda: time.process_time() < self._until)
        if found is None:
            return None
        self.fixed = found.rows if found.rows > 1 else None
        return setting._replace(rows=found.rows, rows_inside=False, leading=tuple(found.sizes.items()))

    def _fits(self, setting: Setting, known: bool = True) -> bool:
        """Whether sizes go together, as far as there is time to ask; ``known`` false: with no size known."""
        if time.process_time() > self._until:
            return False
        shapes = self._shapes(setting)
        return self._fitting.refusal(shapes if known else dict.fromkeys(shapes)) is None

    def _widened(self, setting: Setting) -> bool:
        """Whether all goes together once the last axis of an input has a size that is written further on."""
        for one, part in self._parts():
            shape = part.shape or ()
            if one.switch or len(shape) < 2 or shape[-1] is not None:
                continue
            key = (part.tensor, len(shape) - 1, setting.tokens)
            before = self._sizes.get(key)
            for size in self._fitting.sizes(part.tensor):
                self._sizes[key] = size
                if self._fits(setting):
                    return True
            if before is not None:
                self._sizes[key] = before
        return False

    def mended(self, setting: Setting, refused: str) -> Optional[Setting]:
        """Sizes as a run wants them that shape functions could not tell; ``None``: it does not say which.

        The steps of a loop stand beside a state whose size is known, and a product says how wide both are together; of
        what comes out of the loop a step is taken that is written in the graph, and so many there must be.

        Args:
          setting: what was tried.
          refused: what TensorFlow said.
        """
        taken = _TAKEN.search(refused)
        if taken and int(taken.group(2)) == setting.tokens <= int(taken.group(1)) < _MOST_ROWS:
            index = self._model.index
            is_written = index.op(taken.group(3)) in GATHERS and index.op(
                index.origin(index.data_inputs(taken.group(3))[1], IDENTITIES).node) == "Const"
            return setting._replace(tokens=int(taken.group(1)) + 1) if is_written else None
        sizes = _PRODUCT.search(refused)
        free = [(part.tensor, self._sample_shape(one, part, setting)) for one, part in self._parts()
                if not one.switch and part.dtype.startswith("float") and not _sparse_part(one, part)
                and (part.shape is None or len(part.shape) > 1 and part.shape[-1] is None)]
        if sizes is None or len(free) != 1 or len(free[0][1]) < 2:
            return None
        (tensor, shape), = free
        wanted = shape[-1] + int(sizes.group(2)) - int(sizes.group(1))
        if wanted < 1 or wanted == shape[-1]:
            return None
        self._sizes[tensor, len(shape) - 1, setting.tokens] = wanted
        return setting

    def variations(self, setting: Setting, silent: bool) -> Iterator[Setting]:
        """What else may be meant where the run of a setting fails, or says nothing (``silent``)."""
        if silent:
            yield setting._replace(spread=1.0)
            yield setting._replace(spread=100.0)
            return
        if any(part.dtype.startswith("int") and self._shape(part, setting) == () and not one.switch
               for one, part in self._parts()):
            yield setting._replace(scalar="tokens")
            yield setting._replace(scalar="one")
        if any(self._may_be_steps(part.shape) for one, part in self._parts() if not one.switch):
            yield setting._replace(steps_first=True)
        if any(self._is_inside(part.shape) for one, part in self._parts() if not one.switch):
            yield setting._replace(rows=1, rows_inside=not setting.rows_inside)
        for rows in dict.fromkeys([one.batch for one in self._inputs if one.batch] + [2] + self._fitting.made_sizes()):
            if rows != setting.rows and self.fixed is None:
                yield setting._replace(rows=rows, rows_inside=False, leading=())

    def _parts(self) -> List[Tuple[Input, Component]]:
        return [(one, part) for one in self._inputs for part in one.components if part.used]

    def _shapes(self, setting: Setting) -> Dict[str, Tuple[int, ...]]:
        return {part.tensor: self._sample_shape(one, part, setting) for one, part in self._parts()}

    def _sample_shape(self, one: Input, part: Component, setting: Setting) -> Tuple[int, ...]:
        if one.switch:
            return np.shape(one.inference)
        sparse = _sparse_part(one, part)
        entries = _ENTRIES * setting.rows
        if sparse:
            rank = part.shape[-1] if part.shape and part.shape[-1] and sparse != "values" else 2
            return {"indices": (entries, rank), "values": (entries,), "shape": (rank,)}[sparse]
        return self._shape(part, setting)

    def _shape(self, part: Component, setting: Setting) -> Tuple[int, ...]:
        shape = part.shape
        if shape is None and self._sizes_noise(part):
            return (1,)
        if shape is None:
            rank = self._rank(part)
            given = self._fitting.reshaped_to(part.tensor) if part.dtype.startswith("float") else None
            shape = given if given else (None,) * rank
        sizes = tuple(self._size(part, shape, axis, setting) if size is None else size
                      for axis, size in enumerate(shape))
        return sizes if part.shape is not None or len(sizes) < 3 else self._agreed(part, sizes)

    def _agreed(self, part: Component, sizes: Tuple[int, ...]) -> Tuple[int, ...]:
        """Sizes that the ops behind something without a rank take together; each may fit as long as no other is known.

        The last two are free: a row of 200 steps of three numbers may be flattened, and cut into 200 parts.
        """
        key = (part.tensor, sizes)
        if key not in self._together:
            others = list(dict.fromkeys(self._fitting.parts(part.tensor) + self._fitting.sizes(part.tensor)))[:_TRIED]
            self._together[key] = next((
                tried for last in [sizes[-1]] + others for middle in [sizes[-2]] + others
                for tried in [sizes[:-2] + (middle, last)] if self._fitting.accepts(part.tensor, tried)), sizes)
        return self._together[key]

    @staticmethod
    def _may_be_steps(shape: Optional[Sequence[Optional[int]]]) -> bool:
        """Whether the first axis of a shape can be that of steps, and the second that of rows."""
        return shape is not None and len(shape) in (2, 3) and shape[1] is None

    @staticmethod
    def _is_inside(shape: Optional[Sequence[Optional[int]]]) -> bool:
        return shape is not None and len(shape) > 1 and shape[0] is not None and list(shape).count(None) == 1

    def _sizes_noise(self, part: Component) -> bool:
        """Whether whole numbers say in which shape noise is drawn."""
        return part.dtype.startswith("int") and any(
            use.slot == 0 and self._model.index.op(use.node) in _NOISE for use in self._model.index.uses(part.tensor))

    def _rank(self, part: Component) -> int:
        if part.tensor not in self._ranks:
            ranks = _RANKS[self._sort(part)]
            if ranks[0] == 0 and switches.is_sized(self._model.index, names.parse(part.tensor).node):
                ranks = ranks[1:]
            self._ranks[part.tensor] = next((rank for rank in ranks if self._fitting.accepts(
                part.tensor, (None,) * rank)), ranks[0])
        return self._ranks[part.tensor]

    def _sort(self, part: Component) -> str:
        if part.dtype.startswith(("float", "bfloat")):
            return "float"
        if part.dtype in ("string", "bool"):
            return part.dtype
        return "ids" if self._maker.count(part.tensor) is not None else "int"

    def _size(self, part: Component, shape: Sequence[Optional[int]], axis: int, setting: Setting) -> int:
        """The size of a free axis: rows, behind the steps where those come first, then whatever the ops behind take."""
        own = dict(setting.leading).get(part.tensor) if axis == 0 else None
        if own:
            return own
        if axis == setting.steps_first and self._may_be_steps(shape) or axis == 0 and not self._may_be_steps(shape):
            return setting.rows
        if setting.rows_inside and self._is_inside(shape):
            return setting.rows
        key = (part.tensor, axis, setting.tokens)
        if key not in self._sizes:
            usual = setting.tokens
            if len(shape) == 4 and axis in (1, 2) and part.dtype.startswith("float"):
                usual = max(usual, _SIDE)
            likely = [3, 1] if len(shape) == 4 and axis == 3 else [usual]
            if part.shape is None and axis == len(shape) - 1 > 1:
                likely = [size for size in [self._fitting.width(part.tensor)] if size] + likely
            self._sizes[key] = next((
                size for size in likely + self._fitting.sizes(part.tensor) if self._fitting.accepts(
                    part.tensor, tuple(size if at == axis else given for at, given in enumerate(shape)))), usual)
        return self._sizes[key]

    # -- values ------------------------------------------------------------------------------------------------------

    def samples(self, setting: Setting) -> List[Tuple[str, Sample]]:
        """What to feed in these sizes."""
        maker = Maker(self._model, self._embeddings, self._seed)
        shapes = self._shapes(setting)
        long = [self._steps(part, shapes[part.tensor], setting) for one, part in self._parts()
                if len(shapes[part.tensor]) > 1]
        tokens = min(long) if long else setting.tokens
        return [(part.tensor, self._sample(maker, one, part, shapes[part.tensor], setting._replace(tokens=tokens)))
                for one, part in self._parts()]

    @staticmethod
    def _steps(part: Component, shape: Tuple[int, ...], setting: Setting) -> int:
        """How long something is: the first size behind the rows that is free, else the first."""
        behind = [] if setting.steps_first or part.shape is None else [
            size for size, declared in zip(shape[1:], part.shape[1:]) if declared is None]
        return behind[0] if behind else shape[0 if setting.steps_first else 1]

    def _sample(self, maker: Maker, one: Input, part: Component, shape: Tuple[int, ...], setting: Setting) -> Sample:
        if one.switch:
            return maker.constant(one.inference, (), part.dtype) if shape == () else maker.listed(
                one.inference, part.dtype)
        sparse = _sparse_part(one, part)
        if sparse in ("indices", "shape"):
            rows, columns = sizes_of(self._model.index, one, lambda tensor: self._shape_under(tensor, setting),
                                     setting.rows, _ENTRIES)
            places = [[row % rows, column % columns] + [0] * (shape[-1] - 2) for row in range(setting.rows)
                      for column in range(_ENTRIES)]
            if sparse == "shape":
                return maker.listed([rows, columns] + [1] * (shape[0] - 2) if shape[0] > 1 else [len(places)], "int64")
            return maker.listed(places if shape[1] > 1 else [[at] for at in range(shape[0])], "int64")
        if part.dtype == "string":
            return maker.strings(part.tensor, shape)
        if part.dtype.startswith(("float", "bfloat")):
            ids = maker.ids(part.tensor, shape, part.dtype) if shape and maker.are_ids(part.tensor) else None
            return ids or (maker.constant(1.0, (), part.dtype) if not shape else maker.neighbours(
                shape[0], part.dtype) if self._joins_rows(part, shape) else maker.floats(
                    part.tensor, shape, part.dtype, setting.spread))
        if part.dtype == "bool":
            return maker.constant(bool(shape), shape, part.dtype)
        if self._sizes_noise(part):  # of a mask over the entries of something sparse
            return maker.constant(_ENTRIES * setting.rows, shape, part.dtype)
        return maker.ids(part.tensor, shape, part.dtype) or self._whole(maker, part, shape, setting)

    def _joins_rows(self, part: Component, shape: Tuple[int, ...]) -> bool:
        """Whether a matrix says which rows of something else are neighbours: square, and multiplied from the left."""
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 1 or part.shape != (None, None):
            return False
        others = [self._model.index.data_inputs(use.node)[1] for use in self._model.index.uses(part.tensor)
                  if self._model.index.op(use.node) == "MatMul" and use.slot == 0]
        return bool(others) and all(self._model.outline.get_tensor_by_name(str(other)).shape.as_list()[0] is None
                                    for other in others)

    def _shape_under(self, tensor: str, setting: Setting) -> Shape:
        """The shape of a tensor: what the graph says, else what follows from what is fed."""
        shape = self._model.outline.get_tensor_by_name(tensor).shape
        known = None if shape.ndims is None else tuple(shape.as_list())
        return known if known and None not in known else self._fitting.shape_of(tensor, self._shapes(setting)) or known

    @staticmethod
    def _whole(maker: Maker, part: Component, shape: Tuple[int, ...], setting: Setting) -> Sample:
        """Whole numbers that nothing looks up: sizes, lengths, masks."""
        if shape == ():
            said = {"rows": setting.rows, "tokens": setting.tokens, "one": 1}[setting.scalar]
            return maker.constant(said, (), part.dtype)
        if maker.tells_rows(part.tensor):
            return maker.constant(0, shape, part.dtype)
        if maker.is_number(part.tensor):
            return maker.whole(10, shape, part.dtype)
        return maker.places(part.tensor, shape, part.dtype, (setting.rows, setting.tokens)) or maker.constant(
            setting.tokens if len(shape) == 1 else 1, shape, part.dtype)


def _sparse_part(one: Input, part: Component) -> str:
    """``"indices"``, ``"values"`` or ``"shape"`` for a part of a sparse tensor, else ``""``."""
    tail = part.label.rpartition("/")[2]
    labels = [other.label for other in one.components]
    stem = part.label[:len(part.label) - len(tail)]
    return tail if tail in ("indices", "values", "shape") and all(
        stem + other in labels for other in ("indices", "values")) else ""

