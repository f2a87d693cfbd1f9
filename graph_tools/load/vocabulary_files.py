"""Vocabulary files of the caller's in the place of those that a model names."""

import dataclasses
import os
from typing import Any, Dict, Mapping, Optional, Set

from graph_tools import _tf, variables
from graph_tools.errors import ModelFileMissingError, ModelFormatError
from graph_tools.graph import names, ops
from graph_tools.load import tables
from graph_tools.model import Model


def put(model: Model, given: Mapping[str, Any], folder: Optional[str] = None) -> Model:
    """The model whose tables are filled from other files; the model itself where none is given.

    Args:
      model: a model that was just loaded.
      given: paths by file name, by the path that the model has, or by the tensor that holds it.
      folder: where the files that the model itself names must be; ``None``: anywhere.

    Raises:
      ModelFormatError: the model reads no such file; those that it reads are listed.
      ModelFileMissingError: there is no such file.
    """
    if not given:
        return model
    named = _named(model)
    assets = dict(model.assets)
    for name, path in given.items():
        tensors = [tensor for tensor, old in named.items() if name in (
            tensor, names.parse(tensor).node, old, os.path.basename(old))]
        if not tensors:
            there = sorted({repr(os.path.basename(old)) for old in named.values()})
            raise ModelFormatError("%s reads no vocabulary file %r; it reads %s" % (
                model.source, name, ", ".join(there) or "none"))
        path = os.path.abspath(os.path.expanduser(os.fspath(path)))
        if not _tf.tf.io.gfile.exists(path):
            raise ModelFileMissingError("no file %r to take the place of %r; check the path" % (path, name))
        assets.update((tensor, path) for tensor in tensors)
    changed = {tensor for tensor, path in assets.items() if model.assets.get(tensor) != path}
    return _filled(model, assets, changed, folder)


def _filled(model: Model, assets: Mapping[str, str], given: Set[str], folder: Optional[str]) -> Model:
    """The model with the initialisers that may run: those that might before, and those of the files that were given."""
    before = tables.initializers(model.index, model.assets, model.variables, folder)
    found = tables.initializers(model.index, assets, model.variables)
    run = [name for name in found.initializers if name in model.initializers or (
        model.index.op(name) in ops.FROM_FILE and variables.file_name_tensor(model.index, name, assets) in given)]
    kept = [warning for warning in model.warnings if warning not in before.warnings]
    kept += found.warnings if len(run) == len(found.initializers) else before.warnings
    return dataclasses.replace(model, assets=dict(assets), initializers=tuple(run), warnings=tuple(kept))


def _named(model: Model) -> Dict[str, str]:
    """The path that every tensor holds from which a table is filled, by the tensor's name."""
    found = dict(model.assets)
    for name in model.index.names_of(ops.FROM_FILE):
        tensor = variables.file_name_tensor(model.index, name, model.assets)
        path = variables.text_file(model.index, name, model.assets)
        if tensor and path:
            found[tensor] = path
    return found
