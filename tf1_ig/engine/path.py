"""The straight path from baseline to input, as tensors: points of many examples in, weighted sums of gradients out.

Points and sums are matrix products where a run holds few examples of many numbers, which is one pass over the points
instead of five, and gathers and scatters otherwise. A product multiplies by zero what belongs to another example, and
zero times NaN is NaN: so it is used for finite numbers only, and what is not finite is summed again without it.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional

import numpy as np

from graph_tools import _tf
from graph_tools.errors import GradientError
from tf1_ig.errors import BatchError

# Most entries of a run for matrix products; with more, multiplying by all those zeros costs more than gathering.
PRODUCT_ENTRIES = 16
# Most numbers of an entry that do without products: with so few a run gains nothing, and each costs two tf.conds.
PLAIN_NUMBERS = 32


Tensor = Any  # a tf.Tensor


class Line(NamedTuple):
    """The straight line of one attributed input: what it is fed, and the points on it."""

    actual: Tensor        # placeholder [entries, ...]
    baseline: Tensor      # placeholder [entries, ...]
    entry: Tensor         # placeholder [points]: which entry each point interpolates
    alpha: Tensor         # placeholder [points]
    weight: Tensor        # placeholder [points]
    as_product: Tensor    # placeholder [], or ``None``: there is no such way
    interpolated: Tensor  # [points, ...]
    point: Tensor         # the same in the layout of the model's tensor

    @property
    def placeholders(self) -> List[Tensor]:
        made = [self.actual, self.baseline, self.entry, self.alpha, self.weight, self.as_product]
        return [one for one in made if one is not None]


class Slope(NamedTuple):
    """The score's derivative along a line."""

    line: Line
    gradient: Tensor  # [points, ...]
    parts: Tensor     # [points, tokens]: the derivative along the path, token by token
    total: Tensor     # [entries, ...]: weighted sum of the gradients


def build(tensor: Any, batch_axis: Optional[int], products: bool = True) -> Line:
    """Placeholders and the points ``(1 - alpha) * baseline + alpha * actual`` (exact at both ends).

    ``products``: they, and sums of gradients, may be made as matrix products where an entry holds many numbers.

    Raises:
      GradientError: the tensor is not a float, or its rank is too small for the batch axis.
      BatchError: it is a single number, which has no axis of rows.
    """
    tf = _tf.tf
    dtype, shape = tensor.dtype.base_dtype, tensor.shape
    if not dtype.is_floating:
        raise GradientError("input %s is %s, and only floats can be attributed to; choose a float tensor computed "
                            "from it (tf1-ig inspect lists the embeddings)" % (tensor.name, dtype.name))
    if batch_axis is not None and shape.ndims == 0:
        raise BatchError("input %s has shape [] and no axis %d; pass {argument} when the feed is one example" % (
            tensor.name, batch_axis), argument="batch_axis", value="None")
    if batch_axis is not None and shape.ndims is not None and shape.ndims > batch_axis:
        sizes = shape.as_list()
        shape = tf.TensorShape(sizes[:batch_axis] + sizes[batch_axis + 1:])
        layout = tf.TensorShape([None if axis == batch_axis else n for axis, n in enumerate(sizes)])
    else:
        layout = shape
        shape = shape if batch_axis is None else tf.TensorShape(None)
    rows = tf.TensorShape([None]).concatenate(shape) if shape.ndims is not None else tf.TensorShape(None)
    actual, baseline = tf.placeholder(dtype, rows, "actual"), tf.placeholder(dtype, rows, "baseline")
    entry, alpha = tf.placeholder(tf.int32, [None], "entry"), tf.placeholder(tf.float32, [None], "alpha")
    weight = tf.placeholder(tf.float32, [None], "weight")
    numbers = rows[1:].num_elements()  # None: not known before a run
    products = products and (numbers is None or numbers > PLAIN_NUMBERS)
    as_product = tf.placeholder(tf.bool, [], "as_product") if products else None
    interpolated = _either(dtype, as_product, lambda: _points_as_product(actual, baseline, entry, alpha),
                           lambda: points(actual, baseline, entry, alpha))
    interpolated.set_shape(rows)
    point = interpolated
    if batch_axis is None:
        point = tf.squeeze(interpolated, [0]) if rows.ndims is not None else tf.reshape(
            interpolated, tf.shape(interpolated)[1:])
    elif batch_axis > 0:
        point = tf.transpose(interpolated, _front_to(batch_axis, layout.ndims, tensor.name))
    point.set_shape(layout)
    return Line(actual, baseline, entry, alpha, weight, as_product, interpolated, point)


def differentiated(line: Line, gradient: Tensor) -> Slope:
    """The gradient at the points of a line, the parts of the derivative and the weighted sums."""
    tf = _tf.tf
    gradient = tf.cast(gradient, tf.float32) if gradient.dtype.size < 4 else gradient
    rise = tf.cast(tf.gather(line.actual, line.entry) - tf.gather(line.baseline, line.entry), gradient.dtype)
    by_token = gradient * rise
    if gradient.shape.ndims is None or gradient.shape.ndims > 2:
        by_token = tf.reduce_sum(by_token, axis=-1)
    parts = tf.reshape(by_token, tf.stack([tf.shape(gradient)[0], -1]))
    total = _either(gradient.dtype, line.as_product, lambda: _sum_as_product(line, gradient),
                    lambda: summed(gradient, line.weight, line.entry, _tf.tf.shape(line.actual)[0]))
    return Slope(line, gradient, parts, total)


def feed(line: Line, actual: np.ndarray, baseline: np.ndarray, entry: np.ndarray, alpha: np.ndarray) -> Dict[str, Any]:
    """What a run is fed for this line, by name: in a TF 2 program tensors cannot be the keys of a dict."""
    few = len(actual) <= PRODUCT_ENTRIES and bool(np.isfinite(actual).all() and np.isfinite(baseline).all())
    found = {line.actual.name: actual, line.baseline.name: baseline, line.entry.name: entry, line.alpha.name: alpha}
    return found if line.as_product is None else dict(found, **{line.as_product.name: few})


def _either(dtype: Any, as_product: Optional[Tensor], product: Callable[[], Tensor], plain: Callable[[], Tensor]
            ) -> Tensor:
    """One of two ways to the same tensor, chosen at run time; floats of less than 32 bits know the exact one only."""
    if as_product is None or dtype not in (_tf.tf.float32, _tf.tf.float64):
        return plain()
    with _tf.control_flow_v1():
        return _tf.tf.cond(as_product, product, plain)


def points(actual: Tensor, baseline: Tensor, entry: Tensor, alpha: Tensor) -> Tensor:
    """The points ``[points, …]``: entry ``entry[i]`` at ``alpha[i]`` of its way."""
    tf = _tf.tf
    part = _like_rows(tf.cast(alpha, actual.dtype), actual)
    return (1 - part) * tf.gather(baseline, entry) + part * tf.gather(actual, entry)


def _points_as_product(actual: Tensor, baseline: Tensor, entry: Tensor, alpha: Tensor) -> Tensor:
    """``[points, 2 entries] @ [2 entries, numbers]``."""
    tf = _tf.tf
    shape = tf.shape(actual)
    part = tf.cast(alpha, actual.dtype)[:, None]
    which = tf.one_hot(entry, shape[0], dtype=actual.dtype)
    ends = tf.reshape(tf.concat([baseline, actual], 0), tf.stack([2 * shape[0], tf.reduce_prod(shape[1:])]))
    points = tf.matmul(tf.concat([(1 - part) * which, part * which], 1), ends)
    return tf.reshape(points, tf.concat([tf.shape(entry), shape[1:]], 0))


def summed(gradient: Tensor, weight: Tensor, entry: Tensor, count: Tensor) -> Tensor:
    """The weighted sum ``[entries, …]`` of the gradients at the points of each of ``count`` entries."""
    tf = _tf.tf
    return tf.unsorted_segment_sum(gradient * tf.cast(_like_rows(weight, gradient), gradient.dtype), entry, count)


def _sum_as_product(line: Line, gradient: Tensor) -> Tensor:
    """``[entries, points] @ [points, numbers]``."""
    tf = _tf.tf
    shape = tf.shape(line.actual)
    which = tf.one_hot(line.entry, shape[0], dtype=gradient.dtype) * tf.cast(line.weight, gradient.dtype)[:, None]
    rows = tf.reshape(gradient, tf.stack([tf.shape(line.entry)[0], tf.reduce_prod(shape[1:])]))
    return tf.reshape(tf.matmul(which, rows, transpose_a=True), shape)


def _like_rows(vector: Tensor, tensor: Tensor) -> Tensor:
    """``[n]`` reshaped to ``[n, 1, …]`` with the rank of ``tensor``."""
    tf = _tf.tf
    if tensor.shape.ndims is not None:
        return tf.reshape(vector, [-1] + [1] * (tensor.shape.ndims - 1))
    return tf.reshape(vector, tf.concat([[-1], tf.ones([tf.rank(tensor) - 1], tf.int32)], axis=0))


def _front_to(axis: int, rank: Optional[int], name: str) -> List[int]:
    if rank is None or rank <= axis:
        raise GradientError("input %s has %s, so its batch axis cannot be %d; pass another {argument}" % (
            name, "an unknown rank" if rank is None else "rank %d" % rank, axis), argument="batch_axis")
    return list(range(1, axis + 1)) + [0] + list(range(axis + 1, rank))
