"""Runs in a process of its own: loads what others wrote with TensorFlow and nothing else, and prints what it computed.

    python -I plain_reader.py FOLDER        # FOLDER/expected.json says what is there

Prints a line of JSON: the TensorFlow release, and for every file and way to load it the largest difference from what
is expected.
"""

import json
import os
import sys

import numpy as np
import tensorflow
import tensorflow.compat.v1 as tf


def frozen(path, feed, keys):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        with open(path, "rb") as file:
            tf.import_graph_def(tf.GraphDef.FromString(file.read()), name="")
        session.run([op for op in graph.get_operations() if op.type in ("LookupTableImportV2", "InitializeTableV2")])
        return session.run([key + ":0" for key in keys], {key + ":0": value for key, value in feed.items()})


def served(path, name, feed, keys):
    with tf.Graph().as_default(), tf.Session() as session:
        signature = tf.saved_model.loader.load(session, ["serve"], path).signature_def[name]
        return session.run([signature.outputs[key].name for key in keys],
                           {signature.inputs[key].name: value for key, value in feed.items()})


def served_eagerly(path, name, feed, keys):
    function = tensorflow.saved_model.load(path).signatures[name]
    wanted = function.structured_input_signature[1]
    found = function(**{key: tensorflow.constant(value, wanted[key].dtype) for key, value in feed.items()})
    return [found[key].numpy() for key in keys]


def main(folder):
    with open(os.path.join(folder, "expected.json")) as file:
        cases = json.load(file)
    differences = {}
    for case in cases:
        path, name, feed, keys = (os.path.join(folder, case["path"]), case["signature"], case["feed"],
                                  sorted(case["expected"]))
        ways = {"served": served} if name else {"frozen": lambda path, _, *rest: frozen(path, *rest)}
        if name and hasattr(tensorflow, "executing_eagerly") and tensorflow.executing_eagerly():
            ways["served eagerly"] = served_eagerly
        for way, run in ways.items():
            for key, value in zip(keys, run(path, name, feed, keys)):
                wanted = np.array(case["expected"][key])
                assert value.shape == wanted.shape, (path, key, value.shape, wanted.shape)
                differences["%s, %s: %s" % (case["path"], way, key)] = float(np.abs(value - wanted).max())
    assert not [module for module in sys.modules if module.split(".")[0] in ("tf1_ig", "graph_tools")]
    print("RESULT" + json.dumps([tensorflow.__version__, differences]))


if __name__ == "__main__":
    main(sys.argv[1])
