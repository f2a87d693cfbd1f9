"""Attributions of many models, saved from one state of the code and compared with those of another.

    PYTHONPATH=OLD python scripts/same_numbers.py save numbers.npz [--real]
    PYTHONPATH=NEW python scripts/same_numbers.py compare numbers.npz [--real]

Values must agree to 1e-6 of the largest of each result, scores to 1e-6 of their size, evaluations and steps exactly.
Adaptive refinement asks yes or no questions of rounded numbers: run both on one machine. With ``--real`` the published
models of ``tests/real`` take part (fetched once). Exit status 1: something differs.
"""

import argparse
import json
import sys
import zipfile

import numpy as np

import graph_tools as gt
import tf1_ig
from tests.models import good, small
from tests.tf1_ig import test_prefix
from tf1_ig import demo

CLOSE = 1e-6


def small_models():
    """``(name, build, output, inputs, feed, label, batch axis)`` of the small families."""
    random = np.random.RandomState(7)
    x = random.normal(size=(4, 4)).astype(np.float32)
    text = {"ids:0": random.randint(0, 20, (3, 5)), "lengths:0": [5, 3, 2], "temperature:0": 1.0}
    wide = random.normal(size=(7, 6, 4)).astype(np.float32)
    bags = {"bag/indices:0": np.array([[0, 0], [0, 1], [0, 2], [1, 0], [2, 0], [2, 1]]),
            "bag/values:0": np.array([1, 2, 1, 7, 4, 0]), "bag/shape:0": np.array([3, 3])}
    yield "linear", small.linear, "y", "x", {"x:0": x}, [0, 1, 2, 1], 0
    yield "relu", small.relu_pair, "y", "x", {"x:0": [[3.0, 1.0], [0.2, 2.0]]}, None, 0
    yield "text", small.masked_text, "scores", "embedding", text, "top", 0
    yield "two", small.two_lookups, "scores", ["word_rows", "character_rows"], {
        "words:0": random.randint(0, 20, (3, 3)), "characters:0": random.randint(0, 20, (9, 2))}, 2, 0
    yield "tagger", small.token_tagger, "scores", "embedding", {"ids:0": random.randint(0, 20, (2, 4))}, (2, 1), 0
    yield "flat", small.one_hot_flat, "scores", "rows", {"ids:0": random.randint(0, 20, (4, 3))}, 1, 0
    yield "normed", small.batch_normed, "y", "x", {"x:0": x}, 1, 0
    yield "fixed", small.fixed_batch, "y", "x", {"x:0": x[:2]}, [2, 0], 0
    yield "squeezed", small.squeezed, "y", "x", {"x:0": x}, None, 0
    yield "loud", small.loudest_row, "y", "x", {"x:0": 9 * x}, 1, 0
    yield "loss", small.whole_loss, "loss", "x", {"x:0": x}, None, None
    yield "major", small.time_major, "y", "x", {"x:0": wide.transpose(1, 0, 2)}, 1, 1
    yield "bags", small.word_bags, "y", "auto", bags, 1, 0
    yield "conv", test_prefix.conv, "y", "x", {"x:0": np.tile(wide, (8, 1, 1))}, 2, 0


def results(real):
    """``(key, attribution)`` of every model and way of explaining."""
    for name, build, output, inputs, feed, label, axis in small_models():
        with tf1_ig.IntegratedGradients(small.model_of(build), output, inputs, batch_axis=axis) as explainer:
            yield from ways(name, explainer, feed, label)
    for seed in range(21):
        made = good.good_model(seed)
        with tf1_ig.IntegratedGradients(made.model, "scores", made.inputs) as explainer:
            yield from ways("good %d" % seed, explainer, made.feed, made.label)
    words = [demo.tokenize("A wonderful, funny film."), demo.tokenize("Dull, slow and far too long, it wasn't bad.")]
    ids, lengths = demo.encode(words, demo.load_vocabulary())
    with tf1_ig.IntegratedGradients(gt.load(demo.MODEL), demo.OUTPUT) as explainer:
        yield from ways("demo", explainer, {demo.IDS: ids, demo.LENGTHS: lengths}, "top")
    if real:
        yield from published()


def ways(name, explainer, feed, label):
    for how, more in (("adaptive", {}), ("rule", {"steps": 20}), ("mean", {"steps": 9, "method": "trapezoid",
                                                                          "baseline": "mean"})):
        yield "%s, %s" % (name, how), explainer.explain(feed, label=label, **more)
    for variant, more in (("averaged", {"baselines": [0.0, 0.3], "steps": 6}), ("smoothgrad", {"samples": 3}),
                          ("expected_gradients", {"baselines": [0.0, 0.3], "samples": 8}), ("gradient", {}),
                          ("gradient_x_input", {})):
        yield "%s, %s" % (name, variant), explainer.explain_variant(variant, feed, label=label, **more)


def published():
    from tests.real.packages import unpacked

    folder = unpacked("fool_seg")
    packed = zipfile.ZipFile(str(next(folder.rglob("map.zip")))).read("all_map.json")
    characters = json.loads(packed.decode("utf-8"))["char_map"]
    sentences = ["一个傻子在北京", "南京市长江大桥今天通车", "他说的确实在理"]
    ids = np.zeros((3, 11), np.int32)
    for row, sentence in enumerate(sentences):
        ids[row, :len(sentence)] = [characters.get(one, characters["<OOV>"]) for one in sentence]
    with tf1_ig.IntegratedGradients(gt.load(str(next(folder.rglob("seg.pb")))), "project/logits") as explainer:
        feed = {"char_inputs:0": ids, "lengths:0": [len(one) for one in sentences], "dropout:0": 1.0}
        yield from ways("fool_seg", explainer, feed, (2, 1))
    folder = unpacked("minlp")
    words = [line.rstrip("\n") for line in next(folder.rglob("*.vocab")).open(encoding="utf-8")]
    ids = np.array([[words.index(one) for one in text] for text in ("南京市长江大桥今天", "他说的确实在理由中")])
    with tf1_ig.IntegratedGradients(gt.load(str(next(folder.rglob("b-fine-cnn-crf-an2cn.pb")))), "logits") as explainer:
        yield from ways("minlp", explainer, {"char_ids_batch:0": ids}, (4, 2))
    if gt._tf.version >= (2, 5):
        path = str(next(unpacked("guesslang").rglob("saved_model.pb")).parent)
        texts = ["def f(x):\n    return x + 1\n", "SELECT name FROM people WHERE age > 3;\n"]
        with tf1_ig.IntegratedGradients(gt.load(path), "head/predictions/probabilities:0") as explainer:
            yield from ways("guesslang", explainer, {"Placeholder:0": texts}, "top")


def flat(found):
    """What is compared of one result, by name."""
    values = [np.ravel(row) for value in found.values.values() for row in value]
    return {"values": np.concatenate(values).astype(np.float64), "score": found.score,
            "baseline_score": found.baseline_score, "steps": found.steps, "evaluations": found.evaluations,
            "label": np.asarray(found.label)}


def differences(old, new):
    """One line for each number that is not what it was."""
    for name, expected in old.items():
        found = new[name]
        if found.shape != expected.shape:
            yield "%s: shape %s, was %s" % (name, found.shape, expected.shape)
        elif name in ("steps", "evaluations", "label"):
            if not np.array_equal(found, expected):
                yield "%s: %s, was %s" % (name, found.tolist(), expected.tolist())
        else:
            size = np.abs(expected[np.isfinite(expected)]).max(initial=1e-12)
            off = np.abs(np.where(np.isnan(expected) & np.isnan(found), 0, found - expected)).max(initial=0) / size
            if not off <= CLOSE:
                yield "%s: off by %.2g" % (name, off)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("save", "compare"))
    parser.add_argument("file")
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    print("code: %s" % tf1_ig.__file__)
    saved = {} if options.what == "save" else dict(np.load(options.file))
    count, wrong = 0, 0
    for key, found in results(options.real):
        count += 1
        if options.what == "save":
            saved.update(("%s/%s" % (key, name), array) for name, array in flat(found).items())
            continue
        old = {name[len(key) + 1:]: array for name, array in saved.items() if name.startswith(key + "/")}
        for line in differences(old, flat(found)) if old else ["not in the file"]:
            wrong += 1
            print("%s: %s" % (key, line))
    if options.what == "save":
        np.savez(options.file, **saved)
    print("%d results%s" % (count, " saved" if options.what == "save" else ", %d differences" % wrong))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
