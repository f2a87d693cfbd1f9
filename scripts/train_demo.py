"""Trains the demo model with TensorFlow 1.15 and freezes it, its input queue included, into tf1_ig/demo/.

    make demo-model        (or: python scripts/train_demo.py, with TensorFlow 1.15 installed)

The data and the split are those of ``scripts/demo_corpus.py``. Validation chose the sizes below and chooses the epoch.
"""

import argparse
import collections
import json
import os
import sys
import threading

import numpy as np
import tensorflow as tf

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from scripts.demo_corpus import MOVIES, NEUTRAL, PRODUCTS, SEED, clear, read_snippets, split  # noqa: E402
from tf1_ig.demo.text import PADDING, UNKNOWN, encode  # noqa: E402

MIN_COUNT, WIDTH, UNITS, BATCH, EPOCHS, KEEP, DECAY = 3, 32, 24, 64, 10, 0.5, 0.995
OUTPUT = "class/probabilities"


def build_vocabulary(snippets):
    counts = collections.Counter(token for tokens, _ in snippets for token in tokens)
    words = sorted((token for token, count in counts.items() if count >= MIN_COUNT),
                   key=lambda token: (-counts[token], token))
    return [PADDING, UNKNOWN] + words


def arrays(snippets, vocabulary):
    ids, lengths = encode([tokens for tokens, _ in snippets], vocabulary)
    return ids, lengths, np.array([rating > 0 for _, rating in snippets], np.int32)


def batches(data, rng=None):
    """Batches in order, or shuffled by length buckets with ``rng``; each cut to its longest snippet."""
    ids, lengths, labels = data
    order = np.arange(len(ids)) if rng is None else np.argsort(lengths + rng.uniform(-3, 3, len(ids)), kind="stable")
    starts = np.arange(0, len(ids), BATCH)
    for start in starts if rng is None else rng.permutation(starts):
        rows = order[start:start + BATCH]
        yield ids[rows, :lengths[rows].max()], lengths[rows], labels[rows]


Graph = collections.namedtuple("Graph", "fed enqueue close dequeued keep loss train averages probabilities")


def build_graph(vocabulary_size):
    """The graph as a 2017 training job would build it: queue, embedding, two while loops, softmax."""
    with tf.variable_scope("input"):
        fed = [tf.placeholder(tf.int32, [None, None], "ids"), tf.placeholder(tf.int32, [None], "lengths"),
               tf.placeholder(tf.int32, [None], "labels")]
        queue = tf.FIFOQueue(32, [tf.int32] * 3, name="queue")
        enqueue, close = queue.enqueue(fed), queue.close()
        ids, lengths, labels = queue.dequeue(name="dequeue")
        for tensor, placeholder in zip((ids, lengths, labels), fed):
            tensor.set_shape(placeholder.shape)
    keep = tf.placeholder_with_default(1.0, [], "keep_probability")
    table = tf.get_variable("embedding/table", [vocabulary_size, WIDTH], initializer=tf.random_uniform_initializer(
        -0.1, 0.1))
    rows = tf.nn.embedding_lookup(table, ids, name="embedding/lookup")
    # Whole words are dropped, so that a zero row means "no word here" to the model: the baseline of the demo.
    rows = tf.nn.dropout(rows, keep, noise_shape=tf.concat([tf.shape(ids), [1]], 0), name="embedding/dropout")
    with tf.variable_scope("encoder"):
        states, _ = tf.nn.bidirectional_dynamic_rnn(
            tf.nn.rnn_cell.GRUCell(UNITS), tf.nn.rnn_cell.GRUCell(UNITS), rows, lengths, dtype=tf.float32)
        states = tf.concat(states, 2)  # [batch, tokens, 2 * UNITS]
        mask = tf.expand_dims(tf.sequence_mask(lengths, tf.shape(ids)[1], tf.float32), 2)
        summary = tf.reduce_sum(states * mask, 1) / tf.reduce_sum(mask, 1)
    with tf.variable_scope("class"):
        logits = tf.layers.dense(tf.nn.dropout(summary, keep, name="dropout"), 2, name="dense")
        logits = tf.identity(logits, name="logits")
        probabilities = tf.nn.softmax(logits, name="probabilities")
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    step = tf.train.AdamOptimizer(2e-3).minimize(loss)
    average = tf.train.ExponentialMovingAverage(DECAY)
    with tf.control_dependencies([step]):
        train = average.apply(tf.trainable_variables())
    averages = [average.average(variable) for variable in tf.trainable_variables()]
    return Graph(fed, enqueue, close, (ids, lengths, labels), keep, loss, train, averages, probabilities)


def accuracy(session, graph, data):
    """Share of right answers, feeding the dequeued tensors directly."""
    right = sum((session.run(graph.probabilities, dict(zip(graph.dequeued, batch))).argmax(1) == batch[2]).sum()
                for batch in batches(data))
    return right / float(len(data[0]))


def assign(session, values):
    """Sets the trainable variables; returns what they were."""
    before = session.run(tf.trainable_variables())
    for variable, value in zip(tf.trainable_variables(), values):
        variable.load(value, session)
    return before


def fit(session, graph, training, validation):
    """Trains from the queue, a thread filling it; leaves the averaged variables of the best epoch in the session."""
    rng = np.random.RandomState(SEED)
    coordinator = tf.train.Coordinator()

    def fill():
        with coordinator.stop_on_exception():
            for _ in range(EPOCHS):
                for batch in batches(training, rng):
                    session.run(graph.enqueue, dict(zip(graph.fed, batch)))
            session.run(graph.close)

    thread = threading.Thread(target=fill, name="queue filler")
    thread.start()
    session.run(tf.global_variables_initializer())
    best, kept = -1.0, None
    for epoch in range(EPOCHS):
        losses = [session.run([graph.loss, graph.train], {graph.keep: KEEP})[0]
                  for _ in range(0, len(training[0]), BATCH)]
        averages = session.run(graph.averages)
        current = assign(session, averages)
        reached = accuracy(session, graph, validation)
        assign(session, current)
        print("epoch %2d  loss %.3f  validation accuracy %.3f" % (epoch + 1, np.mean(losses), reached), flush=True)
        if reached > best:
            best, kept = reached, averages
    coordinator.join([thread])
    assign(session, kept)


def figures(session, graph, test, vocabulary):
    """Test accuracy with and without the hard middle, each with its size and what the majority class would get."""
    def measure(snippets):
        data = arrays(snippets, vocabulary)
        share = float(data[2].mean())
        reached = accuracy(session, graph, data)
        return {"n": len(snippets), "accuracy": round(reached, 4), "majority": round(max(share, 1 - share), 4),
                "standard_error": round((reached * (1 - reached) / len(snippets)) ** 0.5, 4)}
    return {"test": measure(clear(test)), "test_with_hard_middle": measure(test)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.join("tf1_ig", "demo"), help="folder to write to")
    out = parser.parse_args().out
    training, validation, test = split(read_snippets(MOVIES))
    training, validation = clear(training + read_snippets(PRODUCTS)), clear(validation)
    words = build_vocabulary(training)
    vocabulary = {word: number for number, word in enumerate(words)}
    tf.set_random_seed(SEED)
    graph = build_graph(len(words))
    config = tf.ConfigProto(intra_op_parallelism_threads=2, inter_op_parallelism_threads=2)
    with tf.Session(config=config) as session:
        fit(session, graph, arrays(training, vocabulary), arrays(validation, vocabulary))
        found = figures(session, graph, test, vocabulary)
        frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, [OUTPUT])
    with open(os.path.join(out, "model.pb"), "wb") as file:
        file.write(frozen.SerializeToString())
    with open(os.path.join(out, "vocab.txt"), "w", encoding="utf-8") as file:
        file.writelines(word + "\n" for word in words)
    found.update(
        corpus="movie snippets of Hutto and Gilbert (ICWSM 2014), held out; sources of vaderSentiment 3.3.2",
        classes=["negative", "positive"], hard_middle="|rating| < %g of 4" % NEUTRAL, seed=SEED, vocabulary=len(words),
        trained_on=len(training), trained_with="TensorFlow %s" % tf.__version__)
    with open(os.path.join(out, "model.json"), "w") as file:
        json.dump(found, file, indent=1, sort_keys=True)
        file.write("\n")
    for name in ("test", "test_with_hard_middle"):
        print("%-22s accuracy %.3f +- %.3f (n = %d, majority class %.3f)" % (
            name, found[name]["accuracy"], found[name]["standard_error"], found[name]["n"], found[name]["majority"]))
    print("model.pb: %d bytes, %d words" % (os.path.getsize(os.path.join(out, "model.pb")), len(words)))


if __name__ == "__main__":
    main()
