"""A published model in the benchmark: the frozen BiLSTM word segmenter that the package foolnltk ships (while loops).

Its rows of characters are replaced by those of the benchmark, so that every library that takes a graph can explain it.
"""

import json
import zipfile
from typing import Dict

import numpy as np

EMBEDDING, LOGITS, KEEP = "char_embedding/embedding_lookup:0", "project/logits:0", "dropout:0"
IDS, LENGTHS = "char_inputs:0", "lengths:0"
TOKENS, CLASSES, EXPLAINED = 40, 4, 20   # the tag of the character in the middle is explained


def _folder():
    from tests.real.packages import fetch_package

    return fetch_package("fool_seg")


def _model():
    import graph_tools as gt

    return gt.load(str(next(iter(sorted(_folder().rglob("seg.pb"))))))


def weights() -> Dict[str, np.ndarray]:
    """The table of characters, a row for each id; everything else stays in the graph."""
    from graph_tools import _tf

    model = _model()
    count = len(_characters())
    with _tf.tf.Session(graph=model.graph, config=_tf.session_config()) as session:
        table = session.run(EMBEDDING, {IDS: np.arange(count)[None], LENGTHS: [count], KEEP: 1.0})[0]
    return {"embedding": table}


def _characters() -> Dict[str, int]:
    found = next(iter(sorted(_folder().rglob("map.zip"))))
    return json.loads(zipfile.ZipFile(str(found)).read("all_map.json").decode())["char_map"]


def scores(rows, _):
    """Logits ``[batch, classes]`` of the explained character, for rows ``[batch, tokens, dim]``."""
    import graph_tools as gt
    from graph_tools import _tf

    tf = _tf.tf
    given = {EMBEDDING: rows, LENGTHS: tf.fill([tf.shape(rows)[0]], TOKENS), KEEP: tf.constant(1.0),
             IDS: tf.zeros(tf.shape(rows)[:2], tf.int32)}  # of which the graph takes the sizes
    logits, = tf.import_graph_def(_model().graph_def, given, [LOGITS], name="published")
    gt.restore_control_flow(tf.get_default_graph())
    return logits[:, EXPLAINED]


def sentences(count: int, seed: int):
    """Ids ``[count, tokens]`` of characters drawn by chance, and labels ``[count]``."""
    random = np.random.RandomState(seed)
    return random.randint(1, 2000, (count, TOKENS)).astype(np.int32), random.randint(0, CLASSES, count)
