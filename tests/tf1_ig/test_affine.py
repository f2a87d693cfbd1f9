"""Which tensors are the last affine ones: told from the ops, wrong in neither direction."""

import numpy as np
import pytest

from graph_tools import _tf
from tests.models import small
from tf1_ig.engine import affine


def frontier_of(build, inputs=("x:0",), output="y:0"):
    return affine.frontier(small.model_of(build).index, list(inputs), output)


def tensors_of(build, **more):
    found = frontier_of(build, **more)
    return None if found is None else [name[:-2] if name.endswith(":0") else name for name in found.tensors]


def placeholder(*sizes):
    return _tf.tf.placeholder(_tf.tf.float32, [None] + list(sizes), "x")


WEIGHTS = np.random.RandomState(0).normal(size=(4, 3)).astype(np.float32)


def test_a_dense_layer_ends_at_its_activation():
    def build():
        tf = _tf.tf
        product = tf.matmul(placeholder(4), WEIGHTS, name="product")
        hidden = tf.nn.bias_add(product, np.ones(3, np.float32), name="hidden")
        tf.reduce_sum(tf.nn.relu(hidden), 1, name="y")

    found = frontier_of(build)
    assert found.tensors == ["hidden:0"] and found.products == {"product"} and found.nodes == {"product", "hidden"}


def test_what_is_used_twice_ends_in_both_places():
    def build():
        tf = _tf.tf
        x = placeholder(4)
        half = tf.multiply(x, 0.5, name="half")
        inner = tf.matmul(half, WEIGHTS, name="inner")
        tf.reduce_sum(tf.nn.relu(inner), 1) + tf.reduce_sum(tf.square(half), 1)
        tf.add(tf.reduce_sum(tf.nn.relu(inner), 1), tf.reduce_sum(tf.square(half), 1), name="y")

    assert tensors_of(build) == ["half", "inner"]


@pytest.mark.parametrize("bend", [
    lambda tf, x: x * x, lambda tf, x: tf.matmul(x, x, transpose_b=True), lambda tf, x: 1.0 / x,
    lambda tf, x: tf.stop_gradient(x), lambda tf, x: tf.where(x > 0, x, -x), lambda tf, x: tf.cast(x, tf.float16),
    lambda tf, x: tf.while_loop(lambda i, _: i < 2, lambda i, a: (i + 1, 2 * a), (tf.constant(0), x))[1],
    lambda tf, x: tf.cond(tf.reduce_sum(x) > 0, lambda: 2 * x, lambda: 3 * x),
    lambda tf, x: tf.nn.fused_batch_norm(x[:, None, None], np.ones(4, np.float32), np.ones(4, np.float32))[0]],
    ids=["square", "product", "quotient", "stop", "where", "cast", "loop", "cond", "batch norm"])
def test_what_bends_is_not_passed(bend):
    def build():
        tf = _tf.tf
        with _tf.control_flow_v1():
            twice = tf.multiply(placeholder(4), 2.0, name="twice")
            tf.reduce_sum(tf.cast(bend(tf, twice), tf.float32), -1, name="y")

    before = frontier_of(build).nodes
    bent = [name for name in before if name.split("/")[0] not in ("twice", "strided_slice", "ExpandDims", "Neg", "Sum")]
    assert "twice" in before and not bent


def test_ops_that_only_ask_for_the_shape_do_not_count():
    def build():
        tf = _tf.tf
        x = placeholder(4)
        hidden = tf.matmul(x, WEIGHTS, name="hidden")
        tf.reduce_sum(tf.nn.relu(tf.reshape(hidden, [tf.shape(x)[0], 3])), 1, name="y")

    assert tensors_of(build) == ["Reshape"]


def test_a_model_that_is_affine_throughout_ends_before_its_output():
    def build():
        _tf.tf.matmul(_tf.tf.nn.bias_add(placeholder(4), np.ones(4, np.float32), name="shifted"), WEIGHTS, name="y")

    assert tensors_of(build) == ["shifted"]
    assert frontier_of(small.linear) is None


def test_an_op_whose_gradient_is_overridden_ends_it():
    def build():
        tf, graph = _tf.tf, _tf.tf.get_default_graph()
        with graph.gradient_override_map({"Identity": "Neg"}):
            same = tf.identity(2 * placeholder(4), name="same")
        tf.reduce_sum(tf.square(same), 1, name="y")

    assert tensors_of(build) == ["mul"]


def test_what_is_bound_by_control_alone_does_not_move():
    """A node that moves, and that the output waits for without reading it, is no part of the frontier."""
    def build():
        tf = _tf.tf
        x = placeholder(4)
        beside = tf.negative(x, name="beside")
        with tf.control_dependencies([tf.multiply(beside, 2.0, name="further"), tf.square(beside, name="bent")]):
            half = tf.multiply(x, 0.5, name="half")
        tf.reduce_sum(tf.tanh(half), 1, name="y")

    found = frontier_of(build)
    assert found.tensors == ["half:0"] and found.nodes == {"half"}


def test_what_only_waits_for_what_moves_does_not_move():
    def build():
        tf = _tf.tf
        half = tf.multiply(placeholder(4), 0.5, name="half")
        with tf.control_dependencies([half]):
            still = tf.identity(tf.placeholder(tf.float32, [4], "still"), name="waits")
        tf.reduce_sum(tf.tanh(tf.add(half, still, name="sum")), 1, name="y")

    assert tensors_of(build) == ["sum"]


def normal(*sizes):
    return np.random.RandomState(sum(sizes)).normal(size=sizes).astype(np.float32) + 2.0


A, B, IMAGE, IDS, SEGMENTS = normal(3, 4), normal(3, 4)[::-1] * 2, normal(2, 4, 4, 3), np.array([0, 2, 1]), [0, 0, 1]
_PLANE = dict(strides=[1, 1, 1, 1], padding="SAME")
# An example of each op of ``AFFINE``, as ``tf.raw_ops`` takes it.
EXAMPLES = {
    "Identity": dict(input=A), "IdentityN": dict(input=[A, B]), "Neg": dict(x=A), "Add": dict(x=A, y=B),
    "AddV2": dict(x=A, y=B), "AddN": dict(inputs=[A, B]), "Sub": dict(x=A, y=B), "BiasAdd": dict(value=A, bias=A[0]),
    "BiasAddV1": dict(value=A, bias=A[0]), "ConcatV2": dict(values=[A, B], axis=1),
    "Concat": dict(concat_dim=1, values=[A, B]), "Pack": dict(values=[A, B]), "Unpack": dict(value=A, num=3),
    "Split": dict(axis=1, value=A, num_split=2), "SplitV": dict(value=A, size_splits=[1, 3], axis=1, num_split=2),
    "ParallelConcat": dict(values=[A[:1], B[:1]], shape=[2, 4]), "Mul": dict(x=A, y=B), "MatMul": dict(a=A, b=B.T),
    "BatchMatMul": dict(x=A[None], y=B.T[None]), "BatchMatMulV2": dict(x=A[None], y=B.T[None]),
    "BatchMatMulV3": dict(x=A[None], y=B.T[None], Tout=np.float32), "Einsum": dict(inputs=[A, B], equation="ij,ij->i"),
    "RealDiv": dict(x=A, y=B), "Div": dict(x=A, y=B), "Reshape": dict(tensor=A, shape=[4, 3]),
    "ExpandDims": dict(input=A, axis=1), "Squeeze": dict(input=A[:1]), "Transpose": dict(x=A, perm=[1, 0]),
    "Pad": dict(input=A, paddings=[[0, 1], [1, 0]]),
    "MirrorPad": dict(input=A, paddings=[[0, 1], [1, 0]], mode="REFLECT"),
    "Slice": dict(input=A, begin=[0, 1], size=[2, 2]),
    "StridedSlice": dict(input=A, begin=[0, 1], end=[3, 4], strides=[1, 2]), "Tile": dict(input=A, multiples=[2, 1]),
    "Sum": dict(input=A, axis=[1]), "Mean": dict(input=A, axis=[1]), "Cumsum": dict(x=A, axis=1),
    "ReverseV2": dict(tensor=A, axis=[1]), "Gather": dict(params=A, indices=IDS),
    "GatherV2": dict(params=A, indices=IDS, axis=0), "GatherNd": dict(params=A, indices=IDS[:, None]),
    "SegmentSum": dict(data=A, segment_ids=SEGMENTS), "SegmentMean": dict(data=A, segment_ids=SEGMENTS),
    "UnsortedSegmentSum": dict(data=A, segment_ids=SEGMENTS, num_segments=3),
    "Conv2D": dict(input=IMAGE, filter=normal(2, 2, 3, 5), **_PLANE),
    "Conv3D": dict(input=IMAGE[None], filter=normal(1, 2, 2, 3, 5), strides=[1] * 5, padding="SAME"),
    "DepthwiseConv2dNative": dict(input=IMAGE, filter=normal(2, 2, 3, 1), **_PLANE),
    "AvgPool": dict(value=IMAGE, ksize=[1, 2, 2, 1], **_PLANE),
    "AvgPool3D": dict(input=IMAGE[None], ksize=[1, 1, 2, 2, 1], strides=[1] * 5, padding="SAME"),
    "SpaceToBatchND": dict(input=IMAGE, block_shape=[2, 2], paddings=[[0, 0], [0, 0]]),
    "BatchToSpaceND": dict(input=IMAGE, block_shape=[1, 2], crops=[[0, 0], [0, 1]]),
    "SpaceToDepth": dict(input=IMAGE, block_size=2), "DepthToSpace": dict(input=normal(1, 2, 2, 4), block_size=2),
    "ResizeBilinear": dict(images=IMAGE, size=[3, 5]), "ResizeNearestNeighbor": dict(images=IMAGE, size=[3, 5]),
    "PadV2": dict(input=A, paddings=[[0, 1], [1, 0]], constant_values=np.float32(3.0)),
    "Conv2DBackpropInput": dict(input_sizes=[2, 4, 4, 3], filter=normal(2, 2, 3, 5), out_backprop=normal(2, 4, 4, 5),
                                **_PLANE),
    "Select": dict(condition=A > 2, x=A, y=B), "SelectV2": dict(condition=A > 2, t=A, e=B),
}
EXAMPLES.update((op, dict(x=IMAGE, scale=normal(3), offset=normal(3), mean=normal(3), variance=normal(3),
                          is_training=False)) for op in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))
EXAMPLES.update(("SparseSegment%s%s" % (how, more), dict(dict(data=A, indices=IDS, segment_ids=SEGMENTS),
                                                          **(dict(num_segments=3) if more else {})))
                for how in ("Sum", "Mean", "SqrtN") for more in ("", "WithNumSegments"))


# Weights, which could move affinely, but are never attributed to.
WEIGHTS_OF = dict({op: {1} for op in ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "Conv2DBackpropInput")},
                  **{op: {1, 2, 3, 4} for op in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")})


@pytest.mark.parametrize("name", sorted(affine.AFFINE))
def test_every_rule_says_what_numbers_say(name):
    """Halfway along a path the op gives the mean of what it gives at the ends, exactly where its rule says so."""
    tf = _tf.tf
    if not hasattr(tf.raw_ops, name):
        assert name in ("BatchMatMulV3", "Concat", "BiasAddV1", "Div", "Gather"), "this release does not have it"
        return
    points = []

    def given(value):
        if isinstance(value, list) and isinstance(value[0], np.ndarray):
            return [given(one) for one in value]
        if not (isinstance(value, np.ndarray) or np.isscalar(value)) or np.asarray(value).dtype != np.float32:
            return value
        points.append((tf.placeholder(tf.float32, np.shape(value)), np.asarray(value)))
        return points[-1][0]

    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        made = getattr(tf.raw_ops, name)(**{key: given(value) for key, value in EXAMPLES[name].items()})
        op = (made[0] if isinstance(made, (list, tuple)) else made).op
        slots = [[one.name for one in op.inputs].index(point.name) for point, _ in points]
        random = np.random.RandomState(len(name))
        for chosen in range(1, 1 << len(points)):
            ends = [(start, start + random.normal(size=start.shape) if chosen >> number & 1 else start)
                    for number, (_, start) in enumerate(points)]
            at = [session.run(op.outputs[0], {point: start + alpha * (end - start) for (point, _), (start, end) in zip(
                points, ends)}) for alpha in (0.0, 0.5, 1.0)]
            moving = frozenset(slot for number, slot in enumerate(slots) if chosen >> number & 1)
            straight = np.allclose(at[1], (at[0] + at[2]) / 2, rtol=1e-4, atol=1e-4)
            allowed = straight and not moving & WEIGHTS_OF.get(name, set())
            assert affine.AFFINE[name](op.node_def, moving) == allowed, moving
