"""A trained Estimator: its prediction graph, its latest checkpoint, and the feature columns it is built from."""

import functools
import os
from typing import Any, Dict

from graph_tools import _tf, feature_columns
from graph_tools.errors import ModelFileMissingError, ReleaseError
from graph_tools.feature_columns.watch import Watch, watching
from graph_tools.load import build, checkpoint
from graph_tools.model import Model


def from_estimator(estimator: Any, serving_input_receiver_fn: Any) -> Model:
    """Builds the prediction graph of an Estimator and reads its latest checkpoint, lazily.

    The graph is what ``export_saved_model`` would write; its feature columns are harvested on the way:
    ``model.columns`` has them by name, with tensor names (kept in a collection of ``model.meta_graph``, so that they
    survive edits). Nothing is written, and the Estimator is left as it was.

    Args:
      estimator: a canned ``tf.estimator`` or one with a hand-written ``model_fn``, trained.
      serving_input_receiver_fn: as for ``export_saved_model``: a function without arguments that makes placeholders
        and returns a ``ServingInputReceiver``.

    Raises:
      ReleaseError: the running TensorFlow has no Estimator (2.16 and later).
      ModelFileMissingError: the Estimator was not trained: there is no checkpoint in its ``model_dir``.

    >>> model = gt.from_estimator(classifier, serving)                                    # doctest: +SKIP
    >>> model.columns["education_indicator"].describe(3)                                  # doctest: +SKIP
    'education=Bachelors'
    """
    tf = _tf.tf
    if not hasattr(tf, "estimator"):
        raise ReleaseError(
            "TensorFlow %s has no Estimator (it was removed in 2.16); export a SavedModel under TensorFlow 2.15 or "
            "older and load its folder: graph_tools.load(folder)" % _tf.tensorflow.__version__)
    if not hasattr(estimator, "latest_checkpoint") or not hasattr(estimator, "model_fn"):
        raise TypeError("from_estimator needs a tf.estimator.Estimator, not %r" % (estimator,))
    prefix = estimator.latest_checkpoint()
    if prefix is None:
        raise ModelFileMissingError("the Estimator has no checkpoint in %r; train it first" % (estimator.model_dir,))
    watch = Watch()
    with tf.Graph().as_default() as graph:
        # A seed makes the graph the same at every call, as export does.
        tf.set_random_seed(estimator.config.tf_random_seed)
        tf.train.get_or_create_global_step()
        with watching(watch):
            receiver = serving_input_receiver_fn()
            spec = estimator.model_fn(receiver.features, getattr(receiver, "labels", None),
                                      tf.estimator.ModeKeys.PREDICT, estimator.config)
        meta_graph = _export(graph, spec)
        assets = _assets(graph)
        for name, signature in _signatures(receiver, spec).items():
            meta_graph.signature_def[name].CopyFrom(signature)
    columns = watch.columns_of(graph) if watch.graphs else {}
    feature_columns.store(columns, meta_graph)
    source = "Estimator checkpoint %s" % prefix
    values = functools.partial(checkpoint.values, meta_graph.graph_def, meta_graph.saver_def,
                               checkpoint.open_checkpoint(prefix, source))
    return build.model(meta_graph, source, "estimator", values, assets, trusted=True)


def _export(graph: Any, spec: Any) -> Any:
    """The graph and its collections as a MetaGraphDef; its saver says which value of the checkpoint is whose."""
    tf = _tf.tf
    saver = spec.scaffold.saver
    if saver is None:
        saver = tf.train.Saver(sharded=True)
    # A tf.train.Checkpoint in place of a saver has no restore op: its values are found by the variables' names.
    saver_def = saver.as_saver_def() if isinstance(saver, tf.train.Saver) else None
    meta_graph = tf.train.export_meta_graph(graph=graph, saver_def=saver_def)
    meta_graph.meta_info_def.tags[:] = [tf.saved_model.tag_constants.SERVING]
    return meta_graph


def _signatures(receiver: Any, spec: Any) -> Dict[str, Any]:
    """The signatures that an export of this Estimator would have."""
    # A copy: the default signature is added to the dictionary, which is the caller's.
    outputs = None if spec.export_outputs is None else dict(spec.export_outputs)
    outputs = _tf.model_utils.get_export_outputs(outputs, spec.predictions)
    return _tf.model_utils.build_all_signature_defs(
        receiver.receiver_tensors, outputs, getattr(receiver, "receiver_tensors_alternatives", None))


def _assets(graph: Any) -> Dict[str, str]:
    """Vocabulary files by the name of the tensor that holds their path."""
    found: Dict[str, str] = {}
    for tensor in graph.get_collection(_tf.tf.GraphKeys.ASSET_FILEPATHS):
        if tensor.op.type == "Const":
            path = os.fsdecode(_tf.make_ndarray(tensor.op.get_attr("value")).item())
            found[tensor.name] = path if "://" in path else os.path.abspath(path)
    return found
