"""What is done with a model of which nobody knows the author: every command, and every door of the library."""

import os
from typing import Any, Callable, Dict

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from tests.attacks.body import X
from tf1_ig import cli
from tf1_ig.integrations import signature

OUTPUTS = ("out:0", "safe:0")


def _ours(*steps: Callable[[], Any]) -> None:
    """Does one thing after another; what stops one is an error of ours, or of TensorFlow's about a run."""
    for step in steps:
        try:
            step()
        except (GraphToolsError, _tf.tf.errors.OpError):
            pass


def _command(*words: str) -> None:
    """A command ends with status 0 or 1, and says nothing of mistakes of its own."""
    status = cli.main(list(words))
    assert status in (0, 1), "exit status %s" % status


def library(path: str, out: str) -> None:
    """``gt.load`` and all that a Model is asked for, edits, saving and running included."""
    try:
        model = gt.load(path)
    except GraphToolsError:
        return

    def run(*names: str) -> None:
        with model.open_session() as session:
            session.run(list(names), X)

    _ours(lambda: model.graph, model.new_graph, lambda: gt.find_inputs(model), lambda: gt.find_outputs(model),
          lambda: gt.find_embeddings(model), lambda: gt.relax_batch(model), lambda: gt.inference_mode(model),
          lambda: gt.verify(model, gt.swap_inputs(model)[0], X, ["out:0"]),
          lambda: gt.verify(model, gt.freeze(model, ["out:0"])[0], X, ["out:0"]),
          lambda: gt.verify(model, gt.prune(model, ["safe:0"])[0], X, ["safe:0"]),
          lambda: model.save(out + ".pb"), lambda: model.save(out), lambda: run("safe:0"), lambda: run("out:0"))


def scan(path: str, out: str) -> None:
    """``gt.scan`` and the command."""
    _ours(lambda: gt.scan(path))
    _command("scan", path, "--json")


def inspect(path: str, out: str) -> None:
    """``tf1-ig inspect``: promised to run nothing of the file's own."""
    _command("inspect", path, "--json")


def explain(path: str, out: str) -> None:
    """``tf1-ig explain`` of what depends on the harm and of what does not, and of the head that it finds."""
    feed = out + ".npz"
    _tf.tf.io.gfile.makedirs(os.path.dirname(out))
    __import__("numpy").savez(feed, **X)
    for output in OUTPUTS:
        _command("explain", path, "--feed", feed, "--output", output, "--input", "x:0", "--steps", "2", "--out",
                 out + ".json")


def edit(path: str, out: str) -> None:
    """``tf1-ig edit``, whose proof runs the model before and after."""
    for number, words in enumerate((["--swap-inputs"], ["--freeze"], ["--prune", "safe:0"], ["--prune", "out:0"])):
        _command("edit", path, *words, "--out", "%s%d.pb" % (out, number))


def explainer(path: str, out: str) -> None:
    """The explainer, its evaluator, and a signature that carries explanations."""
    try:
        model = gt.load(path)
    except GraphToolsError:
        return

    def asked(output: str) -> None:
        with tf1_ig.IntegratedGradients(model, output, "x:0") as one:
            result = one.explain(X, steps=2)
            result.save(out + ".npz")
            tf1_ig.load_attribution(out + ".npz")
            at = one.at(X)
            at.gradients(at.entries)

    def carried(output: str) -> None:
        served = tf1_ig.attribution_signature(model, output, "x:0", steps=2)
        signature.run_signature(served, X)

    _ours(*[lambda output=output: asked(output) for output in OUTPUTS],
          *[lambda output=output: carried(output) for output in OUTPUTS])


SURFACES: Dict[str, Callable[[str, str], None]] = {
    "library": library, "scan": scan, "inspect": inspect, "explain": explain, "edit": edit, "explainer": explainer}
