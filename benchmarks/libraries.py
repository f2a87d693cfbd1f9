"""Every library that is compared, opened on the same weights: one function and one line in ``LIBRARIES`` each.

An opened library gives ``forward(ids)`` -> probabilities and ``explain(ids, labels, steps)`` -> (attributions
``[batch, tokens, dim]`` or ``None``, evaluations). Imports happen inside: each library runs in a process, and where it
needs one an environment, of its own.
"""

import contextlib
from typing import Any, Callable, Dict, NamedTuple

import numpy as np

# Networks that are written here as Keras layers and PyTorch modules, too.
TWINS = ("cnn", "bilstm")


class Opened(NamedTuple):
    forward: Callable[[np.ndarray], np.ndarray]
    explain: Callable[[np.ndarray, np.ndarray, int], Any]


class Library(NamedTuple):
    open: Callable[[str, Dict[str, np.ndarray]], Opened]
    # Which environment runs it: a key of ``environments.ENVIRONMENTS``.
    environment: str = "tensorflow"


def _project(**more):
    def open_library(name, weights):
        import tf1_ig
        from benchmarks import models

        explainer = tf1_ig.IntegratedGradients(models.frozen(name, weights), "scores", inputs="embedding")

        def explain(ids, labels, steps):
            options = dict({"steps": steps}, **more)
            found = explainer.explain({"ids:0": ids}, label=labels, **options)
            return found.values["embedding:0"], int(found.evaluations.sum())

        return Opened(lambda ids: explainer.outputs({"ids:0": ids}), explain)
    return open_library


@contextlib.contextmanager
def _classic_graph(name, weights):
    """The graph as its author had it, with a label placeholder and a gradient: what the loops run on."""
    from benchmarks import models
    from graph_tools import _tf

    tf = _tf.tf
    graph = models.frozen(name, weights).new_graph()
    with graph.as_default(), _tf.control_flow_v1():
        embedding, scores = graph.get_tensor_by_name("embedding:0"), graph.get_tensor_by_name("scores:0")
        label = tf.placeholder(tf.int32, [None], "label")
        score = tf.reduce_sum(tf.one_hot(label, models.NETWORKS[name].classes) * scores, 1, name="score")
        gradient = tf.gradients(score, embedding)[0]
        yield graph, tf.Session(graph=graph), label, score, gradient


def open_classic(name, weights):
    """The loop everybody writes: one step of all examples at a time, midpoints, embeddings fed."""
    with _classic_graph(name, weights) as (_, session, label, _, gradient):
        def explain(ids, labels, steps):
            rows = session.run("embedding:0", {"ids:0": ids})
            total = np.zeros_like(rows)
            for step in range(steps):
                total += session.run(gradient, {"embedding:0": (step + 0.5) / steps * rows, label: labels})
            return rows * total / steps, steps * len(ids)
        return Opened(lambda ids: session.run("scores:0", {"ids:0": ids}), explain)


def open_ig_text(name, weights):
    """``tf1_ig.ig_text`` on the same graph."""
    import tf1_ig

    with _classic_graph(name, weights) as (_, session, label, _, gradient):
        def explain(ids, labels, steps):
            return tf1_ig.ig_text({"ids:0": ids}, labels, "embedding:0", label, gradient, steps=steps, session=session,
                                  method="midpoint"), steps * len(ids)
        return Opened(lambda ids: session.run("scores:0", {"ids:0": ids}), explain)


def open_raw(name, weights):
    """The gradient and nothing else: inputs stay in a variable, one number that needs every gradient comes out.

    Of several batch sizes the fastest is taken. What is explained with it is not an attribution.
    """
    import time

    from benchmarks import models
    from graph_tools import _tf

    tf, network = _tf.tf, models.NETWORKS[name]
    openings = []
    for batch in (16, 32, 64, 128, 256, 512):
        with tf.Graph().as_default(), _tf.control_flow_v1():
            ids, labels = models.sentences(name, batch, 3)
            # A constant would be folded away, gradient and all.
            rows = tf.Variable(weights["embedding"][ids], use_resource=False, trainable=False)
            fixed = {key: tf.constant(value) for key, value in weights.items()}
            scores = network.scores(tf.identity(rows), fixed)
            score = tf.reduce_sum(tf.one_hot(labels, network.classes) * scores)
            out = tf.reduce_sum(tf.gradients(score, rows)[0])
            session = tf.Session()
            session.run(tf.global_variables_initializer())
        for _ in range(2):
            session.run(out)
        took = []
        for _ in range(5):
            start = time.perf_counter()
            session.run(out)
            took.append((time.perf_counter() - start) / batch)
        openings.append((float(np.median(took)), batch, session, out))
    openings.sort(key=lambda opening: opening[0])
    _, batch, session, out = openings[0]

    def explain(ids, labels, steps):
        runs = -(-len(ids) * steps // batch)
        for _ in range(runs):
            session.run(out)
        return None, runs * batch
    return Opened(open_classic(name, weights).forward, explain)


def _saliency(**more):
    """PAIR saliency: one example a call; ``batch_size`` points a run."""
    def open_library(name, weights):
        import saliency.tf1 as saliency

        with _classic_graph(name, weights) as (graph, session, label, score, _):
            embedding, ids_in = graph.get_tensor_by_name("embedding:0"), graph.get_tensor_by_name("ids:0")
            with graph.as_default():
                method = saliency.IntegratedGradients(graph, session, score, embedding)

            def explain(ids, labels, steps):
                rows = session.run(embedding, {ids_in: ids})
                found = [method.GetMask(row, feed_dict={label: [one] * more.get("batch_size", 1)}, x_steps=steps,
                                        x_baseline=np.zeros_like(row), **more) for row, one in zip(rows, labels)]
                return np.stack(found), steps * len(ids)
            return Opened(lambda ids: session.run("scores:0", {"ids:0": ids}), explain)
    return open_library


def open_gradient_explainer(name, weights):
    """SHAP's expected gradients with zeros for the only background: the same integral at points drawn by chance."""
    import shap

    from benchmarks import models

    with _classic_graph(name, weights) as (graph, session, _, _, _):
        embedding, scores = graph.get_tensor_by_name("embedding:0"), graph.get_tensor_by_name("scores:0")
        scores.set_shape([None, models.NETWORKS[name].classes])  # it makes a gradient a class
        background = np.zeros([1] + embedding.shape.as_list()[1:], np.float32)
        method = shap.GradientExplainer((embedding, scores), background, session)

        def explain(ids, labels, steps):
            rows = session.run(embedding, {"ids:0": ids})
            with graph.as_default():
                (found,), _ = method.shap_values(rows, nsamples=steps, ranked_outputs=labels[:, None],
                                                 output_rank_order="custom")
            return found, steps * len(ids)
        return Opened(lambda ids: session.run("scores:0", {"ids:0": ids}), explain)


def _alibi(batch):
    """alibi on the same network in Keras; the embedding is the input."""
    def open_library(name, weights):
        import tensorflow as tf
        from alibi.explainers import IntegratedGradients

        _refuse_graphs(name)
        model = _keras_model(tf, name, weights)

        def explain(ids, labels, steps):
            method = IntegratedGradients(model, n_steps=steps, method="riemann_middle", internal_batch_size=batch)
            rows = weights["embedding"][ids]
            return method.explain(rows, baselines=np.zeros_like(rows), target=[int(label) for label in labels]
                                  ).attributions[0], steps * len(ids)
        return Opened(lambda ids: model.predict(weights["embedding"][ids], verbose=0), explain)
    return open_library


def _refuse_graphs(name):
    """What a file holds as a graph cannot be had as Keras layers or PyTorch modules."""
    if name not in TWINS:
        raise ImportError("it takes no graph")


def _keras_model(tf, name, weights):
    layers = tf.keras.layers
    tokens, dim = {"cnn": (100, 50), "bilstm": (40, 64)}[name]
    rows = tf.keras.Input((tokens, dim))
    if name == "cnn":
        body = layers.Conv1D(250, 3, activation="relu")
        hidden = layers.GlobalMaxPooling1D()(body(rows))
        body_weights = [weights["kernel"], weights["bias"]]
    else:
        body = layers.Bidirectional(layers.LSTM(32))
        hidden = body(rows)
        body_weights = []
        for side in ("forward", "backward"):
            body_weights += [weights[side + part] for part in ("", "_recurrent", "_bias")]
    dense = layers.Dense(weights["dense"].shape[1], activation="relu")
    head = layers.Dense(weights["head"].shape[1], activation="softmax")
    model = tf.keras.Model(rows, head(dense(hidden)))
    body.set_weights(body_weights)
    dense.set_weights([weights["dense"], weights["dense_bias"]])
    head.set_weights([weights["head"], weights["head_bias"]])
    return model


def _captum(forward_of, batch=None):
    """captum on a network in PyTorch: ``forward_of(torch, name, weights)`` takes its rows to probabilities."""
    def open_library(name, weights):
        import torch
        from captum.attr import IntegratedGradients

        forward, table = forward_of(torch, name, weights), torch.tensor(weights["embedding"])
        method = IntegratedGradients(forward)

        def explain(ids, labels, steps):
            rows = table[torch.tensor(ids.astype(np.int64))]
            found = method.attribute(rows, baselines=torch.zeros_like(rows), n_steps=steps, method="riemann_middle",
                                     target=torch.tensor(labels.astype(np.int64)), internal_batch_size=batch)
            return found.detach().numpy(), steps * len(ids)
        return Opened(lambda ids: forward(table[torch.tensor(ids.astype(np.int64))]).detach().numpy(), explain)
    return open_library


def _torch_twin(torch, name, weights):
    """The same layers in PyTorch, written by hand."""
    _refuse_graphs(name)
    given = {key: torch.tensor(value) for key, value in weights.items()}
    return _torch_cnn(torch, given) if name == "cnn" else _torch_bilstm(torch, given)


def _torch_converted(torch, name, weights):
    """The frozen graph behind its rows of embeddings, by tf2onnx and onnx2pytorch."""
    import tensorflow as tf

    from benchmarks import models

    network, frozen = models.NETWORKS[name], models.frozen(name, weights)
    with tf.Graph().as_default() as graph:
        rows = tf.compat.v1.placeholder(tf.float32, [None, network.tokens, weights["embedding"].shape[1]], "rows")
        tf.import_graph_def(frozen.graph_def, {"embedding:0": rows}, name="")
    try:
        import onnx2pytorch
        import tf2onnx

        onnx, _ = tf2onnx.convert.from_graph_def(graph.as_graph_def(), input_names=["rows:0"],
                                                 output_names=["scores:0"])
        forward = onnx2pytorch.ConvertModel(onnx, experimental=True)
        forward(torch.zeros(2, network.tokens, rows.shape[2]))
    except Exception as error:  # whatever does not import, or is not converted
        raise ImportError("%s: %s" % (type(error).__name__, error)) from error
    return forward


def _torch_head(torch, given, hidden):
    hidden = torch.relu(hidden @ given["dense"] + given["dense_bias"])
    return torch.softmax(hidden @ given["head"] + given["head_bias"], 1)


def _torch_cnn(torch, given):
    kernel = given["kernel"].permute(2, 1, 0).contiguous()

    def forward(rows):
        hidden = torch.relu(torch.nn.functional.conv1d(rows.transpose(1, 2), kernel, given["bias"]))
        return _torch_head(torch, given, hidden.max(2).values)
    return forward


def _torch_bilstm(torch, given):
    lstm = torch.nn.LSTM(64, 32, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for side, suffix in (("forward", ""), ("backward", "_reverse")):
            getattr(lstm, "weight_ih_l0" + suffix).copy_(given[side].T)
            getattr(lstm, "weight_hh_l0" + suffix).copy_(given[side + "_recurrent"].T)
            getattr(lstm, "bias_ih_l0" + suffix).copy_(given[side + "_bias"])
            getattr(lstm, "bias_hh_l0" + suffix).zero_()
    for parameter in lstm.parameters():
        parameter.requires_grad_(False)

    def forward(rows):
        last = lstm(rows)[1][0]
        return _torch_head(torch, given, torch.cat([last[0], last[1]], 1))
    return forward


LIBRARIES = {
    "raw gradient": Library(open_raw),
    "tf1_ig": Library(_project(method="midpoint")),
    "tf1_ig adaptive": Library(_project(steps=None, tolerance=0.01)),
    "classic loop": Library(open_classic),
    "tf1_ig.ig_text": Library(open_ig_text),
    "saliency": Library(_saliency(), environment="saliency"),
    "saliency, batches of 50": Library(_saliency(batch_size=50), environment="saliency"),
    "alibi": Library(_alibi(100), "alibi"),
    "alibi, batches of 256": Library(_alibi(256), "alibi"),
    "SHAP GradientExplainer": Library(open_gradient_explainer, "shap"),
    "captum": Library(_captum(_torch_twin), "torch"),
    "captum, batches of 64": Library(_captum(_torch_twin, 64), "torch"),
    "tf2onnx, onnx2pytorch, captum": Library(_captum(_torch_converted), "converters"),
}
