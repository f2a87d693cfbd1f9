"""Random programs of loops and branches, for tests that must not depend on what their author thought of."""

import random

from graph_tools import _tf
from tests.models.control_flow import Case, Kind, _array, _score


def random_kind(seed: int) -> Kind:
    """Nested ``tf.while_loop``, ``tf.cond`` and ``tf.map_fn`` over shared values, flags and counters."""
    return Kind("random_%d" % seed, lambda: _Program(random.Random(seed)).build(seed))


class _Program:
    """Grows a list of ``[2, 3]`` tensors by applying random pieces to earlier ones."""

    def __init__(self, choose: random.Random):
        self.choose = choose

    def build(self, seed: int) -> Case:
        tf, choose = _tf.tf, self.choose
        self.x = tf.placeholder(tf.float64, [2, 3], "x")
        self.flags = [tf.placeholder_with_default(choose.random() < 0.5, [], "flag%d" % i) for i in range(2)]
        self.times = tf.placeholder_with_default(2, [], "times")
        values = self.block([self.x], [], choose.choice([2, 3]))
        output = values[-1] + choose.choice(values)
        feeds = []
        for number in range(3):
            feed = {self.x: _array((2, 3), 0.7 * number + seed), self.times: choose.randrange(4)}
            feed.update({flag: choose.random() < 0.5 for flag in self.flags})
            feeds.append(feed)
        return Case([self.x], _score(tf.clip_by_value(output, -1e6, 1e6)), feeds)

    def block(self, values, counters, depth):
        values = list(values)
        for _ in range(self.choose.randrange(1, 4)):
            kind = self.choose.random() if depth else 1.0
            if kind < 0.3:
                values += self.branch(values, counters, depth)
            elif kind < 0.6:
                values += self.loop(values, counters, depth)
            elif kind < 0.68:
                values.append(self.map(values))
            else:
                values.append(self.leaf(values))
        return values

    def leaf(self, values):
        tf, a, b = _tf.tf, self.choose.choice(values), self.choose.choice(values)
        return self.choose.choice([
            lambda: tf.sin(a) * b, lambda: a + tf.cos(b), lambda: tf.tanh(a * b), lambda: a * 0.5,
            lambda: tf.identity(a), lambda: tf.exp(-a * a) + b])()

    def predicate(self, values, counters):
        tf, choose = _tf.tf, self.choose
        options = [lambda: choose.choice(self.flags), lambda: tf.logical_not(choose.choice(self.flags)),
                   lambda: tf.reduce_sum(choose.choice(values)) > 0.1,
                   lambda: tf.reduce_mean(tf.abs(choose.choice(values))) > 0.4]
        if counters:
            options.append(lambda: tf.equal(choose.choice(counters) % 2, 0))
        return choose.choice(options)()

    def some(self, values, count):
        return [values[-1]] + [self.choose.choice(values[-3:]) for _ in range(count - 1)]

    def branch(self, values, counters, depth):
        tf, count = _tf.tf, self.choose.choice([1, 1, 2])

        def side():
            if self.choose.random() < 0.15:
                return [tf.zeros_like(self.x) + 0.3] + [self.choose.choice(values) for _ in range(count - 1)]
            return self.some(self.block(values, counters, depth - 1), count)

        made = tf.cond(self.predicate(values, counters), side, side)
        return list(made) if isinstance(made, (list, tuple)) else [made]

    def loop(self, values, counters, depth):
        tf, choose = _tf.tf, self.choose
        count, bound, early = choose.choice([1, 1, 2, 3]), choose.choice([self.times, 1, 2, 3]), choose.random() < 0.3
        start = [choose.choice(values) for _ in range(count)]

        def more(i, *own):
            return tf.logical_and(i < bound + 1, tf.reduce_sum(tf.abs(own[0])) < 30.0) if early else i < bound

        def body(i, *own):
            return [i + 1] + self.some(self.block(list(own) + values, counters + [i], depth - 1), count)

        made = tf.while_loop(more, body, [tf.constant(0)] + start, parallel_iterations=choose.choice([1, 10]))[1:]
        return [choose.choice(made)] if choose.random() < 0.6 else list(made)

    def map(self, values):
        tf, rows, other = _tf.tf, self.choose.choice(values), self.choose.choice(values)
        made = tf.map_fn(lambda row: tf.sin(row) * tf.reduce_sum(other) * 0.1 + row, rows)
        return tf.reshape(made, [2, 3])
