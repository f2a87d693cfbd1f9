"""What ``tf1-ig edit`` writes of two checkpoints, and what is to be computed from it by TensorFlow alone.

A queue-fed job, and a text classifier with a vocabulary file, a lookup table and a loop; each as a frozen file, as a
SavedModel and as a SavedModel that explains itself.
"""

import json
import os

import numpy as np

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import formats, training
from tf1_ig import cli

_JOB_FEED = {"batch/component_0": training.IDS[:3]}
_TEXT_FEED = {"words": formats.FEED[formats.WORDS], "lengths": formats.FEED[formats.LENGTHS]}


def write(folder: str, scratch: str) -> None:
    """Writes the six and ``expected.json`` below ``folder``; checkpoints go to ``scratch``."""
    job, text = _checkpoints(scratch)
    files = []
    for name, prefix, output, rows, feed, edits in (
            ("job", job, "softmax:0", "rows:0", _JOB_FEED, ["--swap-inputs"]),
            ("text", text, "probabilities:0", "rows:0", _TEXT_FEED, [])):
        output_key = output.partition(":")[0]
        _edit(prefix, *edits + ["--prune", output_key, "--freeze", "--out", os.path.join(folder, name + ".pb")])
        _edit(prefix, *edits + ["--prune", output_key, "--out", os.path.join(folder, name)])
        _edit(prefix, "--attribution-signature", "--output", output, "--input", rows, "--out",
              os.path.join(folder, name + "_explained"))
        labels = np.arange(len(next(iter(feed.values())))) % 2
        with tf1_ig.IntegratedGradients(gt.swap_inputs(gt.load(prefix))[0], output, rows) as explainer:
            found = explainer.explain({key + ":0": value for key, value in feed.items()}, label=labels, steps=50)
        outputs = {output_key: found.outputs}
        explained = {"attributions": found.values[rows], "score": found.score, "baseline_score": found.baseline_score}
        files += [(name + ".pb", None, feed, outputs), (name, "serving_default", feed, outputs),
                  (name + "_explained", "attribution", dict(feed, label=labels), explained)]
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump([{"path": path, "signature": signature, "feed": _listed(feed), "expected": _listed(expected)}
                   for path, signature, feed, expected in files], file)


def _edit(*words) -> None:
    assert cli.main(["edit"] + list(words)) == 0, words


def _listed(arrays) -> dict:
    return {key: [[text.decode("utf-8") for text in row] for row in value] if value.dtype == object else value.tolist()
            for key, value in arrays.items()}


def _checkpoints(scratch: str):
    """The checkpoints of both, written by plain TensorFlow."""
    tf = _tf.tf
    job = training.build()
    os.makedirs(os.path.join(scratch, "text"))
    vocabulary = os.path.join(scratch, "text", "vocabulary.txt")  # beside the checkpoint: other places are not read
    with open(vocabulary, "w") as file:
        file.write("\n".join(formats.VOCABULARY) + "\n")
    with tf.Graph().as_default() as text:
        formats.build(vocabulary)
    prefixes = []
    for name, graph in (("job", job.graph), ("text", text)):
        with graph.as_default(), tf.Session(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            prefixes.append(tf.train.Saver().save(session, os.path.join(scratch, name, "model.ckpt")))
    return prefixes
