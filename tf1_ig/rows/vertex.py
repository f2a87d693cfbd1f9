"""Vertex AI's (and AI Platform's) explanation metadata read as an explanation spec.

What cannot be honoured is named: every field that nothing here reads is listed with its place, so that a new field of
theirs is told, too.
"""

import json
import os
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import graph_tools as gt
from graph_tools.errors import TensorNotFoundError
from graph_tools.find.candidates import Candidate
from graph_tools.graph import names
from tf1_ig import methods
from tf1_ig.errors import SpecError, SpecFileMissingError
from tf1_ig.rows import proposal, schema

_NAMED_COLUMNS = ("bag_of_features", "indicator")
_FLOATS = ("float", "bfloat", "half")


class Read(NamedTuple):
    """The spec's tree, and what of the metadata it does not honour: the reason by place."""

    tree: Dict[str, Any]
    left_out: Dict[str, str]


def convert(path: str, folder: str, model_path: Optional[str] = None, trusted: bool = False) -> Read:
    """The tree of a spec for a metadata file.

    Args:
      path: ``explanation_metadata.json`` of AI Platform, Vertex AI's ``ExplanationMetadata``, or an ``ExplanationSpec``
        with ``metadata`` and ``parameters``; names in either spelling (``input_tensor_name``, ``inputTensorName``).
      folder: where the spec will be.
      model_path: the model; ``None``: the SavedModel in whose folder the file stands.
      trusted: as for ``gt.load``.

    Raises:
      SpecFileMissingError: there is no such file, or no model beside it.
      SpecError: it is not such a file, or its model lacks a tensor that it names.
    """
    fields = _read(path)
    model_path = _beside(path) if model_path is None else model_path
    model = gt.load(model_path, trusted=trusted)
    parameters = fields.inside("parameters") if "parameters" in fields else None
    metadata = fields.inside("metadata") if "metadata" in fields else fields
    inputs, outputs = metadata.children("inputs"), metadata.children("outputs")
    if not inputs or not outputs:
        raise SpecError("%r has no %s; it is no explanation metadata" % (path, "inputs" if not inputs else "outputs"))
    if (metadata.take("framework") or "tensorflow").lower() != "tensorflow":
        raise SpecError("%r is not for a TensorFlow model" % path)
    (name, told), *others = outputs.items()
    for other, unread in others:
        fields.left_out["outputs.%s" % other] = "one output is explained: %s" % name
        unread.all_read()
    output = _tensor(model, told.require("output_tensor_name"), "outputs.%s" % name)
    tree = proposal.propose(model, gt.find_inputs(model, output=output.tensor), gt.find_embeddings(
        model, output=output.tensor), output, folder, model_path)
    guesses = tree.pop("guesses")
    _classes(told, tree, fields)
    attributed, baselines = [], {}
    for name, one in inputs.items():
        tensor = _tensor(model, one.take("input_tensor_name") or name, "inputs.%s" % name)
        if (one.take("encoding") or "").lower() == "bag_of_features_sparse" and one.take("indices_tensor_name"):
            for placeholder, entry in _sparse(one, tensor, model, name).items():
                tree["feed"][placeholder] = entry
                for key in [key for key in guesses if key.startswith(schema.format_place(("feed", placeholder)))]:
                    del guesses[key]
            attributed.append(tensor.tensor)
            continue
        tree["feed"][tensor.tensor] = _entry(name, one, tensor, tree["feed"].get(tensor.tensor), guesses, fields)
        attributed += _attributed(one, tensor, model, name)
        baselines.update(_baselines(one, tensor))
    tree["inputs"] = attributed or "auto"
    if not baselines:
        guesses["baseline"] = "the metadata gives none, and theirs chose one itself: zero"
    _method(_several(baselines, fields) if baselines else [], parameters, tree, fields)
    fields.tell_unread()
    tree["guesses"] = dict(guesses, **{"not honoured: " + place: why for place, why in fields.left_out.items()})
    return Read(tree, dict(fields.left_out))


class _Fields:
    """An object of the file whose fields are taken one by one; those that nobody took can be told."""

    def __init__(self, tree: Mapping[str, Any], place: str = "", root: Optional["_Fields"] = None) -> None:
        self._tree = {_snake(key): value for key, value in tree.items()}
        self._place, self._root = place, root or self
        self._parts: List[_Fields] = []
        self._read: set = set()
        self.left_out: Dict[str, str] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._tree

    def take(self, key: str) -> Any:
        """A field; ``None`` where it is not given, a ``SpecError`` where it is of another type than it must be."""
        self._read.add(key)
        value = self._tree.get(key)
        wanted = _TYPES.get(key)
        if value is not None and wanted is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise SpecError("explanation metadata: %s is %.80r, not %s" % (self.place(key), value, _CALLED[wanted]))
        return value

    def require(self, key: str) -> Any:
        """A field that must be given."""
        if self._tree.get(key) in (None, ""):
            raise SpecError("explanation metadata: %s has no %s" % (self._place, key))
        return self.take(key)

    def inside(self, key: str) -> "_Fields":
        """An object within this one."""
        tree = self.take(key)
        if not isinstance(tree, Mapping):
            raise SpecError("explanation metadata: %s is not an object" % self.place(key))
        self._parts.append(_Fields(tree, self.place(key), self._root))
        return self._parts[-1]

    def children(self, key: str) -> Dict[str, "_Fields"]:
        """The objects of a map, whose keys are names of the user's."""
        found = {}
        for name, tree in (self.take(key) or {}).items():
            if not isinstance(tree, (Mapping, type(None))):
                raise SpecError("explanation metadata: %s.%s is %.80r, not an object" % (self.place(key), name, tree))
            found[name] = _Fields(tree or {}, "%s.%s" % (self.place(key), name), self._root)
        self._parts += found.values()
        return found

    def place(self, key: str) -> str:
        """Where a field stands."""
        return ".".join(part for part in (self._place, key) if part)

    def all_read(self) -> None:
        """Told as a whole by somebody else."""
        self._read |= set(self._tree)

    def leave_out(self, key: str, why: str) -> None:
        """Notes that a field is not honoured."""
        self._read.add(key)
        self._root.left_out[self.place(key)] = why

    def tell_unread(self) -> None:
        """Notes every field that nobody took."""
        for key, value in self._tree.items():
            if key not in self._read and value not in (None, "", [], {}):
                self._root.left_out[self.place(key)] = _WHY.get(key, "nothing here does what it says")
        for part in self._parts:
            part.tell_unread()


_CALLED = {str: "a text", int: "a whole number", list: "a list", Mapping: "an object"}
_TYPES: Dict[str, Any] = dict.fromkeys(("framework", "encoding", "modality", "output_tensor_name", "input_tensor_name",
                        "encoded_tensor_name"), str)
_TYPES.update(index_feature_mapping=list, output_indices=list, step_count=int, path_count=int,
              inputs=Mapping, outputs=Mapping)

_WHY = {
    "visualization": "pictures are drawn in our own way; tf1-ig explain --help and the options of to_html",
    "group_name": "features are attributed one by one; sum those of a group",
    "feature_value_domain": "inputs are taken as the model reads them",
    "display_name_mapping_key": "names of classes that the model returns with each prediction are not read",
    "latent_space_source": "explanations by examples are not made",
    "feature_attributions_schema_uri": "results have a schema of their own",
    "indices_tensor_name": "only a sparse bag of features (BAG_OF_FEATURES_SPARSE) is fed from rows",
    "dense_shape_tensor_name": "only a sparse bag of features (BAG_OF_FEATURES_SPARSE) is fed from rows",
    "weight_values_name": "weights of sparse inputs are not fed from rows",
}


def _read(path: str) -> _Fields:
    try:
        with open(path, encoding="utf-8-sig") as file:
            tree = json.load(file)
    except FileNotFoundError:
        raise SpecFileMissingError("no file %r; it is the explanation_metadata.json beside the model" % path) from None
    except (OSError, ValueError, RecursionError) as wrong:
        raise SpecError("%r cannot be read (%s); it is explanation metadata as JSON" % (path, wrong)) from wrong
    if not isinstance(tree, Mapping):
        raise SpecError("%r is not a JSON object; it is no explanation metadata" % path)
    for key in ("explanationSpec", "explanation_spec"):  # a model resource, as the service lists it
        tree = tree.get(key, tree)
    if not isinstance(tree, Mapping):
        raise SpecError("%r is no explanation metadata: its explanationSpec is not an object" % path)
    return _Fields(tree)


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found.group(1).lower(), key)


def _beside(path: str) -> str:
    folder = os.path.dirname(os.path.abspath(path))
    if any(os.path.exists(os.path.join(folder, name)) for name in ("saved_model.pb", "saved_model.pbtxt")):
        return folder
    raise SpecFileMissingError("there is no SavedModel in %r, where the metadata is; name it with --model" % folder)


def _tensor(model: Any, name: str, place: str) -> Candidate:
    try:
        return proposal.named(model, name, "the metadata names it")
    except TensorNotFoundError as wrong:
        raise SpecError("explanation metadata: %s: %s" % (place, wrong)) from None


def _classes(told: _Fields, tree: Dict[str, Any], fields: _Fields) -> None:
    """Names of the classes, where they are a plain list."""
    named = told.take("index_display_name_mapping")
    named = told.take("index_name_mapping") if named is None else named
    if isinstance(named, list) and all(isinstance(one, str) for one in named):
        tree["classes"] = named
    elif "classes" in tree and told.take("display_name_mapping_key"):
        pass  # the names that the model returns
    elif named is not None:
        told.leave_out("index_display_name_mapping", "only a plain list of names is read")


def _entry(name: str, one: _Fields, tensor: Candidate, proposed: Optional[Dict[str, Any]], guesses: Dict[str, str],
           fields: _Fields) -> Dict[str, Any]:
    """How the input's placeholder is filled: as the graph suggests, from the columns that the metadata names."""
    encoding = (one.take("encoding") or "identity").lower()
    mapping, modality = one.take("index_feature_mapping"), (one.take("modality") or "").lower()
    place = schema.format_place(("feed", tensor.tensor))
    entry = dict(proposed or {"kind": "numbers", "dtype": tensor.dtype})
    guessed = {key: guesses.pop(key) for key in list(guesses) if key.startswith(place)}
    if encoding == "bag_of_features_sparse":
        one.leave_out("encoding", "the metadata does not say its indices_tensor_name; feed arrays")
    if mapping and (encoding in _NAMED_COLUMNS or tensor.dtype.startswith(_FLOATS)) and tensor.dtype != "string":
        return {"kind": "numbers", "columns": list(mapping), "dtype": entry.get("dtype", tensor.dtype)}
    if mapping:
        one.leave_out("index_feature_mapping", "the input is not one number a feature")
    entry.pop("divide", None)  # theirs sends what the model reads
    if entry["kind"] != "example":
        entry["column"] = name
        entry.pop("columns", None)
    if modality == "image" and entry["kind"] in ("numbers", "signal") and len(tensor.shape or ()) == 3:
        entry = {"kind": "image", "column": name, "colours": "gray", "channel_axis": False, "dtype": entry["dtype"],
                 "size": [size for size in (tensor.shape or ())[1:] if size]}
        if len(entry["size"]) != 2:
            del entry["size"]
    kept = {key: why for key, why in guessed.items() if not key.endswith((".column", ".divide"))}
    guesses.update(kept)
    return entry


def _sparse(one: _Fields, tensor: Candidate, model: Any, name: str) -> Dict[str, Dict[str, Any]]:
    """The placeholders of a sparse bag of features: a column for each feature, those that are zero or lack left out."""
    columns = one.require("index_feature_mapping")
    entries = {tensor.tensor: {"kind": "numbers", "columns": list(columns), "sparse": True, "dtype": tensor.dtype}}
    for key, part in (("indices_tensor_name", "indices"), ("dense_shape_tensor_name", "shape")):
        if one.take(key):
            found = _tensor(model, one.take(key), "inputs.%s.%s" % (name, key)).tensor
            entries[found] = {"kind": "sparse", "of": tensor.tensor, "part": part}
    one.take("modality")
    for key in ("input_baselines", "encoded_baselines"):
        if one.take(key) not in (None, [], [0], [0.0], 0):
            one.leave_out(key, "features of a sparse input start from zero: absent")
    return entries


def _attributed(one: _Fields, tensor: Candidate, model: Any, name: str) -> List[str]:
    """What is attributed to: the encoded tensor where there is one, else an input of numbers."""
    encoded = one.take("encoded_tensor_name")
    if encoded:
        return [_tensor(model, encoded, "inputs.%s" % name).tensor]
    return [tensor.tensor] if tensor.dtype.startswith(_FLOATS) else []


def _several(given: Mapping[str, List[Any]], fields: _Fields) -> List[Dict[str, Any]]:
    """Baselines of all inputs together: the first of each, the second, …; one of an input goes with all."""
    count = max(map(len, given.values()))
    for tensor, own in given.items():
        if len(own) not in (1, count):
            fields.left_out["inputs: baselines of %s" % tensor] = (
                "there are %d, and %d of another input: which goes with which is not said; the first is taken" % (
                    len(own), count))
    return [{tensor: own[number if len(own) == count else 0] for tensor, own in given.items()}
            for number in range(count)]


def _baselines(one: _Fields, tensor: Candidate) -> Dict[str, List[Any]]:
    """The baselines of the encoded tensor, or those of the input."""
    encoded, plain = one.take("encoded_baselines"), one.take("input_baselines")
    encoded_name = one.take("encoded_tensor_name")
    if encoded:
        if plain:
            one.leave_out("input_baselines", "the encoded tensor has a baseline of its own, and that counts")
        given, key, where = encoded, "encoded_baselines", names.tensor_name(encoded_name or tensor.tensor)
    elif plain:
        given, key, where = plain, "input_baselines", tensor.tensor
    else:
        return {}
    if tensor.dtype == "string" and not encoded:
        one.leave_out(key, "a baseline of strings; zero rows are taken")
        return {}
    return {where: given if isinstance(given, list) else [given]}


def _method(baselines: List[Dict[str, Any]], parameters: Optional[_Fields], tree: Dict[str, Any],
            fields: _Fields) -> None:
    """Their method as ours, with its baselines: attributions of several are averaged, as theirs are."""
    name = "averaged" if len(baselines) > 1 else None
    more: Dict[str, Any] = {}
    if parameters is not None:
        name, more = _named_method(parameters, name, tree)
        _parameters(parameters, tree)
    if name is not None and "baselines" in methods.options_of(methods.METHODS[name]) and baselines:
        more["baselines"] = baselines
    elif baselines:
        tree["baseline"] = baselines[0]
        if len(baselines) > 1:
            fields.left_out["inputs: baselines"] = "%d are given, and --variant %s takes one: the first" % (
                len(baselines), name)
    if name is not None:
        tree["variant"] = dict({"name": name}, **more)


def _named_method(parameters: _Fields, name: Optional[str], tree: Dict[str, Any]
                  ) -> Tuple[Optional[str], Dict[str, Any]]:
    """The method that the parameters ask for, and its options; ``name`` where they say nothing."""
    for key in ("integrated_gradients_attribution", "xrai_attribution"):
        if key not in parameters:
            continue
        inner = parameters.inside(key)
        tree["steps"] = inner.take("step_count") or tree.get("steps")
        for one, why in (("smooth_grad_config", "noise is not added; tf1-ig explain --variant smoothgrad does"),
                         ("blur_baseline_config", "no blurred baseline: a baseline is one input")):
            if one in inner:
                inner.leave_out(one, why)
        name = "xrai" if key == "xrai_attribution" else name
    if tree.get("steps") is None:
        tree.pop("steps", None)
    if "sampled_shapley_attribution" in parameters:
        count = parameters.inside("sampled_shapley_attribution").take("path_count")
        return "shapley", {} if count is None else {"samples": count}
    return name, {}


def _parameters(parameters: _Fields, tree: Dict[str, Any]) -> None:
    """Which output is explained."""
    indices = parameters.take("output_indices")
    if indices:
        if len(indices) == 1 and isinstance(indices[0], (int, float)):
            tree["label"] = int(indices[0])
        else:
            parameters.leave_out("output_indices", "one class is explained at a time; give it with --label")
    top = parameters.take("top_k")
    if top not in (None, 0, 1):
        parameters.leave_out("top_k", "one class is explained: the top one")


def told(read: Read) -> Tuple[str, ...]:
    """What is not honoured, a line each."""
    return tuple("not honoured: %s: %s" % one for one in read.left_out.items())
