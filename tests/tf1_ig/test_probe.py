"""How rows may be run and how feeds belong to them, measured on models in numpy whose answer is known."""

import itertools

import numpy as np
import pytest

from tests.tf1_ig.numpy_engine import NumpyEngine
from tf1_ig.engine import probe
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.engine.feeds import FedTensor
from tf1_ig.engine.packing import FIXED_BATCH, IN_COMPANY, ONE_AT_A_TIME, PACKED, Batch, Running

RANDOM = np.random.RandomState(3)


def batch_of(count, **feeds):
    """Rows of four numbers, and other feeds."""
    actual = RANDOM.normal(size=(count, 4)) + 1.0
    return Batch(count, [actual], [np.zeros((count, 4))], [np.arange(count)],
                 {name: fed if isinstance(fed, FedTensor) else FedTensor(name, np.asarray(fed), block=1)
                  for name, fed in feeds.items()})


def squares(inputs, feeds):
    return np.stack([(inputs[0] ** 2).sum(1), inputs[0].sum(1)], 1)


def centred(inputs, feeds):
    """Each row less the mean of all: rows feel their company."""
    return squares(inputs, feeds) - squares(inputs, feeds).mean(0)


def of_exactly(count, model):
    def fixed(inputs, feeds):
        if len(inputs[0]) != count:
            raise RunFailed("a reshape to %d rows" % count)
        return model(inputs, feeds)
    return fixed


def at_least(count, model):
    def squeezed(inputs, feeds):
        if len(inputs[0]) < count:
            raise ValueError("the batch is gone")
        return model(inputs, feeds)
    return squeezed


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("model", [squares, lambda inputs, feeds: inputs[0][:, :, None] * 2.0])
def test_rows_that_are_independent_are_packed(count, model):
    found = probe.probe(NumpyEngine(model), batch_of(count), single=False)
    assert found == probe.Probed(Running(PACKED), found.feeds, (), True) and found.wide


def test_a_batch_that_is_gone_at_one_row_is_packed_by_two():
    found = probe.probe(NumpyEngine(at_least(2, squares)), batch_of(3), single=False)
    assert found.running == Running(PACKED, least=2) and found.notes == () and found.wide


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("count", [2, 3])
def test_a_graph_of_a_fixed_batch(count, known):
    engine = NumpyEngine(of_exactly(count, squares))
    found = probe.probe(engine, batch_of(count), single=False, fixed=known)
    assert found.running == Running(FIXED_BATCH, only=count) and found.wide and found.steady
    assert found.notes == ("the graph takes exactly %d rows; points were run %d at a time" % (count, count),)
    assert (set(engine.sizes) == {count}) == known  # where it is known no other is tried


def test_a_graph_of_a_single_row():
    alone = probe.probe(NumpyEngine(of_exactly(1, squares)), batch_of(1), single=False)
    assert alone.running == Running(ONE_AT_A_TIME) and not alone.wide
    assert alone.notes == ("the graph takes exactly 1 row, and points were run one at a time",)


@pytest.mark.parametrize("share, coupled", [(1.0, True), (1e-3, True), (2e-6, False)])
def test_rows_that_feel_their_company_keep_it(share, coupled):
    """What a company changes counts from some fifty millionths of the outputs on; below that it is rounding."""
    def model(inputs, feeds):
        return squares(inputs, feeds) * (1 + share * inputs[0].mean())

    found = probe.probe(NumpyEngine(model), batch_of(4), single=False)
    assert (found.running.mode, found.running.coupled) == ((IN_COMPANY, True) if coupled else (PACKED, False))
    assert found.steady and found.wide != coupled
    assert found.notes == (() if not coupled else probe._notes(Running(IN_COMPANY, coupled=True), 4))


def test_a_graph_that_refuses_all_but_the_batch_that_was_fed_couples_nothing():
    batch = batch_of(4)

    def model(inputs, feeds):
        if len(inputs[0]) != 4 or (inputs[0] != batch.actual[0]).any(1).sum() > 1:
            raise RunFailed("other rows")
        return squares(inputs, feeds)

    found = probe.probe(NumpyEngine(model), batch, single=False)
    assert found.running == Running(IN_COMPANY) and found.steady
    assert found.notes == ("the graph takes exactly 4 rows, and points were run one at a time",)


def test_a_single_example_is_run_alone():
    engine = NumpyEngine(lambda inputs, feeds: (inputs[0] ** 2).sum(), None)
    found = probe.probe(engine, batch_of(1), single=True)
    assert found == probe.Probed(Running(ONE_AT_A_TIME), found.feeds, (), True)
    assert not found.wide


@pytest.mark.parametrize("share, steady", [(1e-2, False), (2e-4, False), (2e-6, True)])
def test_two_runs_of_the_same_must_agree(share, steady):
    number = itertools.count()
    engine = NumpyEngine(lambda inputs, feeds: squares(inputs, feeds) * (1 + share * (next(number) // 4 % 2)))
    found = probe.probe(engine, batch_of(2), single=False)
    assert found.steady == steady
    if not steady:
        assert found.running == Running(IN_COMPANY, coupled=None)
        assert "outputs that differ by" in found.notes[0] and len(found.notes) == 1


@pytest.mark.parametrize("off, steady", [(probe.SAME, True), (np.nextafter(probe.SAME, 1), False)])
def test_where_rounding_ends(off, steady):
    number = itertools.count()
    engine = NumpyEngine(lambda inputs, feeds: np.full((len(inputs[0]), 1), off * (next(number) // 4 % 2)))
    assert probe.probe(engine, batch_of(2), single=False).steady == steady


def test_partitions_that_end_the_process_are_not_tried_with_other_rows():
    engine = NumpyEngine(squares, ops=["MatMul", "RaggedTensorToTensor"])
    found = probe.probe(engine, batch_of(3), single=False)
    assert found.running == Running(IN_COMPANY, coupled=None) and set(engine.sizes) == {3} and found.steady
    assert "RaggedTensorToTensor" in found.notes[0]
    beside = probe.probe(NumpyEngine(squares, ops=["MatMul"]), batch_of(3), single=False)
    assert beside.running == Running(PACKED)


SHARED = [shared for number in (1, 2, 3) for shared in itertools.product([False, True], repeat=number)]


@pytest.mark.parametrize("shared", SHARED, ids=str)
def test_feeds_that_all_rows_share_are_told_from_those_of_rows(shared):
    """As long as the batch by chance: three rows, and vectors of three numbers. At most one, or all of them."""
    count, names = 3, ["a", "b", "c"][:len(shared)]
    values = {name: RANDOM.normal(size=(count, 2)) + 2.0 for name in names}

    def model(inputs, feeds):
        found = inputs[0].sum(1)
        for name, one in zip(names, shared):
            if one and len(feeds[name]) != count:
                raise RunFailed("a product with %s" % name)
            found = found * (feeds[name].sum() if one else feeds[name].sum(1))
        return found

    found = probe.probe(NumpyEngine(model), batch_of(count, **values), single=False)
    if sum(shared) in (0, 1, len(shared)):
        assert found.running == Running(PACKED)
        assert [not found.feeds[name].block for name in names] == list(shared)
    else:
        assert found.running.mode in (FIXED_BATCH, IN_COMPANY)


def test_a_feed_that_is_decided_is_left_as_it_is():
    value = np.array([1.0, 2.0, 4.0])
    feeds = {"w": FedTensor("w", value, block=1, decided=True)}
    found = probe.probe(NumpyEngine(lambda inputs, feeds: inputs[0] * feeds["w"].sum()), batch_of(3, **feeds), False)
    assert found.feeds["w"].block == 1 and found.running.mode == IN_COMPANY and found.running.coupled


@pytest.mark.parametrize("shape, axis, order", [
    ((6, 3, 2), 1, (1, 0, 2)), ((3, 3, 2), 1, (1, 0, 2)), ((3, 6, 2), 1, (0, 1, 2)), ((3, 2), 1, (0, 1)),
    ((2, 3), 1, (1, 0)), ((3, 3), 1, (0, 1))])
def test_the_axis_of_the_output_that_is_the_rows(shape, axis, order):
    """With another batch axis: that one, or the first of a score for each row."""
    def model(inputs, feeds):
        others = [1 if number == order[0] else size for number, size in enumerate(shape)]
        rows = inputs[0].sum(1).reshape([-1 if number == order[0] else 1 for number in range(len(shape))])
        return rows * (1.0 + np.arange(np.prod(others)).reshape(others))

    assert probe.output_orders(shape, 3, axis)[0] == order
    found = probe.probe(NumpyEngine(model, axis), batch_of(3), single=False, order=order)
    assert found.running.mode == PACKED and found.running.output_order == order


@pytest.mark.parametrize("shape, count, orders", [
    ((2, 2), 4, [(0, 1)]), ((6, 2), 3, [(1, 0, 2)]), ((3, 2), 3, [(0, 1)]), ((6, 3), 3, [(1, 0), (1, 0, 2)]),
    ((), 2, [()]), ((3, 3), 3, [(0, 1), (1, 0)]), ((4,), 2, [(1, 0)])])
def test_orders_that_may_be_the_output_s(shape, count, orders):
    assert probe.output_orders(shape, count, 0) == orders


def brute_telling(batch):
    """The least and the largest row: by what has fewest numbers for each row, of two alike by the later."""
    keys = [(1, np.bincount(owner, minlength=batch.count)) for owner in batch.owner]
    for fed in batch.feeds.values():
        if fed.part == "indices":
            keys.append((1, np.bincount(fed.value[:, 0], minlength=batch.count)))
        elif fed.block and not fed.part and fed.value.size:
            texts = fed.value.dtype.kind == "O"
            value = np.array([len(text) for text in fed.value.ravel()]).reshape(fed.value.shape) if texts else fed.value
            rows = np.moveaxis(value, fed.axis, 0).reshape(batch.count, -1)
            keys.append((rows.shape[1], np.nansum(rows.astype(float), 1)))
    keys = [key for width in sorted({key[0] for key in keys}) for key in reversed(keys) if key[0] == width]
    ordered = sorted(range(batch.count), key=lambda row: tuple(key[row] for _, key in keys) + (row,))
    return [ordered[0], ordered[-1]]


@pytest.mark.parametrize("seed", range(30))
def test_telling_rows_are_those_with_least_and_most(seed):
    random = np.random.RandomState(seed)
    count = random.randint(2, 6)
    indices = np.stack([np.sort(random.randint(count, size=8)), np.arange(8)], 1)
    mask = random.randint(2, size=(count, 3)).astype(bool)
    possible = {
        "lengths": FedTensor("lengths", random.randint(3, size=count), block=1),
        "mask": FedTensor("mask", mask, block=1),
        "across": FedTensor("across", random.normal(size=(2, count)), axis=1, block=1),
        "halves": FedTensor("halves", random.normal(size=(count * 2,)).astype(np.float16), block=2),
        "words": FedTensor("words", np.array(["z" * long for long in random.randint(4, size=count)], object), block=1),
        "shared": FedTensor("shared", np.arange(count)[::-1], block=0),
        "indices": FedTensor("indices", indices, block=1, part="indices"),
        "values": FedTensor("values", random.normal(size=8), block=1, part="values"),
        "holes": FedTensor("holes", np.where(random.rand(count) < 0.3, np.nan, 1.0), block=1),
        "none": FedTensor("none", np.zeros((count, 0)), block=1)}
    names = [name for name in possible if random.randint(2)]
    owner = np.sort(random.randint(count, size=7)) if random.randint(2) else np.arange(count)
    batch = Batch(count, [np.zeros((len(owner), 2))], [np.zeros((len(owner), 2))], [owner],
                  {name: possible[name] for name in names})
    assert probe.telling_rows(batch).tolist() == brute_telling(batch)


@pytest.mark.parametrize("model, right", [(squares, True), (centred, False), (of_exactly(3, squares), False)])
def test_whether_a_way_holds_for_another_feed(model, right):
    batch = batch_of(3)
    outputs = model(batch.actual, {})
    assert probe.holds(NumpyEngine(model), batch, Running(PACKED), outputs) is right
    assert not probe.holds(NumpyEngine(model), batch, Running(PACKED), outputs + 1e-2)
    two = batch_of(2)
    assert not probe.holds(NumpyEngine(squares), two, Running(PACKED), squares(two.actual, {}) + 1e-2)
    one = batch_of(1)
    assert probe.holds(NumpyEngine(model), one, Running(PACKED), np.zeros((1, 2)))  # nobody there to be told from


def test_only_telling_rows_are_asked_again():
    batch = batch_of(4, lengths=[3, 1, 2, 2])
    outputs = squares(batch.actual, {})
    for row, told in ((0, True), (1, True), (2, False), (3, False)):
        other = outputs.copy()
        other[row] += 1.0
        assert probe.holds(NumpyEngine(squares), batch, Running(PACKED), other) != told


def test_rows_take_their_output_along():
    batch = batch_of(3)
    for model, follow in ((squares, True), (lambda inputs, feeds: squares(inputs, feeds).T.reshape(3, 2), False),
                          (lambda inputs, feeds: inputs[0] @ inputs[0].T, True),  # each against all others
                          (at_least(4, squares), True)):  # cannot be told
        outputs = np.asarray(squares(batch.actual, {}) if follow and model is not squares else model(batch.actual, {}))
        if outputs.shape[1] == 2 and follow and model(batch_of(4).actual, {}).shape[1] == 4:
            outputs = model(batch.actual, {})
        assert probe.rows_follow(NumpyEngine(model), batch, Running(IN_COMPANY), outputs) is follow


def test_two_rows_that_do_not_take_their_output_along():
    batch = batch_of(2)
    turned = NumpyEngine(lambda inputs, feeds: squares(inputs, feeds).T)
    assert not probe.rows_follow(turned, batch, Running(IN_COMPANY), turned.model(batch.actual, {}))
    assert probe.rows_follow(NumpyEngine(squares), batch, Running(IN_COMPANY), squares(batch.actual, {}))


@pytest.mark.parametrize("value, block, told", [
    (np.arange(3.0), 0, False), (np.arange(1.0), 0, True), (np.float64(2.0), 0, True), (np.arange(3.0), 1, True),
    (np.arange(2.0), 0, False)])
def test_a_shared_feed_of_several_entries_may_follow_the_rows_unseen(value, block, told):
    """Then it is not said that the output has its rows elsewhere."""
    batch = batch_of(3, w=FedTensor("w", value, block=block, decided=True))
    model = NumpyEngine(lambda inputs, feeds: squares(inputs, feeds).T.reshape(3, 2))
    outputs = model.model(batch.actual, {})
    assert probe.rows_follow(model, batch, Running(IN_COMPANY), outputs) is not told


def test_what_is_left_where_points_changed_each_other():
    order = (1, 0)
    before = probe.Probed(Running(PACKED, output_order=order), {}, ("one",), True)
    after = probe.in_company(before, 3)
    assert after.running == Running(IN_COMPANY, output_order=order, coupled=True) and after.notes[0] == "one"
    assert len(after.notes) == 2 and "influence each other" in after.notes[1]
    assert [probe.in_company(before, count).running.mode for count in (1, 2)] == [ONE_AT_A_TIME, IN_COMPANY]


@pytest.mark.parametrize("outputs, off, same", [
    ([0.0, 0.0], 4e-5, True), ([0.0, 0.0], probe.SAME, True),
    ([0.0, 0.0], 8e-5, False), ([1e-3, 1e-3], 4e-5, False), ([1e-3, 1e-3], 4e-8, True),
    ([100.0, 1.0], 4e-3, True), ([100.0, 1.0], 8e-3, False), ([np.inf, 1.0], 4e-5, True), ([np.inf, 1.0], 8e-5, False),
    ([-100.0, 1.0], 4e-3, True), ([], 0.0, True)])
def test_rounding_is_a_share_of_the_largest_output(outputs, off, same):
    outputs = np.array(outputs)
    assert probe.alike(outputs + off, outputs) is same
    assert probe.agree(outputs + off, outputs, outputs) is same
    assert not len(outputs) or not probe.agree(outputs[:1], outputs, outputs)
