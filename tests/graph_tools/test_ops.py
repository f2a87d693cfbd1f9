"""One home for what an op belongs to: every other set of ops is derived from ``graph.ops``, and knows all of them."""

import ast
import pathlib
import re

import pytest

from graph_tools import _tf
from graph_tools.edit import producers
from graph_tools.find import dataflow, inputs
from graph_tools.find.inputs import parsing
from graph_tools.graph import ops
from graph_tools.graph.walk import GraphIndex
from graph_tools.load import tables

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FAMILIES = {name: family for name, family in vars(ops).items() if name.isupper() and isinstance(family, frozenset)}
# Sets that are made of others, or hold ops of several sorts, and say nothing about where one belongs.
SORTS = {name: family for name, family in FAMILIES.items()
         if name not in ("COPIES", "CONTROL_OPS", "GATHERS", "SHAPE_READERS", "ORIGINS", "WAITING")}
SORTS.update((mechanism.finder + "." + field, getattr(mechanism, field)) for mechanism in ops.INPUTS
             for field in ("takes", "holds", "fills", "serves"))
# What an op may do to the machine is a question of its own, answered op by op.
APART = ("graph_tools/graph/ops.py", "graph_tools/safety/")
# Ops whose names look like those of a mechanism and that hand no data of the model over, with the reason.
NO_INPUT = {
    "OutfeedDequeue": "to the host", "OutfeedDequeueTuple": "to the host", "OutfeedDequeueV2": "to the host",
    "OutfeedDequeueTupleV2": "to the host", "IteratorGetNextAsOptional": "OptionalGetValue opens what it returns",
    "TakeManySparseFromTensorsMap": "opens a component", "ParseExampleDataset": "a data set",
    "ParseExampleDatasetV2": "a data set", "RpcGetValue": "what a call returned"}


_VALUE = {"Constant": "value", "Str": "s"}  # the latter on Python 3.7


def _literals():
    """``(place, strings)`` of every tuple, list or set of two strings and more outside of the home of ops."""
    for package in ("graph_tools", "tf1_ig"):
        for path in sorted((ROOT / package).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if not place.startswith(APART) else ():
                if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
                    values = [getattr(one, _VALUE.get(type(one).__name__, "ctx"), None) for one in node.elts]
                    strings = [value for value in values if isinstance(value, str)]
                    if len(strings) > 1:
                        yield "%s:%d" % (place, node.lineno), strings


LITERALS = list(_literals())


@pytest.mark.parametrize("family", sorted(SORTS))
def test_no_other_module_spells_a_family(family):
    spelled = [(place, sorted(SORTS[family].intersection(strings))) for place, strings in LITERALS
               if len(SORTS[family].intersection(strings)) > 1]
    assert not spelled, "derive it from graph_tools.graph.ops.%s" % family


@pytest.mark.parametrize("mechanism", ops.INPUTS, ids=lambda mechanism: mechanism.finder)
def test_who_needs_a_mechanism_knows_all_of_its_ops(mechanism):
    if mechanism.swap != ops.PARSED:
        assert mechanism.takes <= dataflow.SOURCES
    else:
        assert mechanism.takes == set(parsing.PARSERS)
    assert mechanism.holds <= set(producers._SERVICES_OF)
    assert mechanism.waits == (mechanism.takes <= ops.WAITING) == (set(mechanism.kinds) <= set(ops.WAITING_KINDS))


def test_every_op_is_of_one_mechanism():
    seen = [(op, field, mechanism.finder) for mechanism in ops.INPUTS for field in ("takes", "holds", "fills", "serves")
            for op in getattr(mechanism, field)]
    assert len({op for op, _, _ in seen}) == len(seen)


@pytest.mark.dealt
@pytest.mark.parametrize("mechanism", ops.INPUTS, ids=lambda mechanism: mechanism.finder)
def test_every_op_of_a_mechanism_is_found_under_its_kind(mechanism):
    """A graph of one node of each op: nothing but the node itself is needed to see that it is an input."""
    for op in sorted(mechanism.takes & set(_tf.registered_ops())):
        graph_def = _tf.tf.GraphDef()
        node = graph_def.node.add(name="taken", op=op)
        for attribute in _tf.registered_ops()[op].attr:
            if attribute.type == "list(type)":
                node.attr[attribute.name].list.type.append(_tf.tf.int64.as_datatype_enum)
            elif attribute.type == "type":
                node.attr[attribute.name].type = _tf.tf.int64.as_datatype_enum
        for slot in range(4):
            constant = graph_def.node.add(name="in_%d" % slot, op="Const")
            constant.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(2))
            node.input.append("in_%d" % slot)
        found = [one for one in inputs.scan(GraphIndex(graph_def)) if one.node == "taken"]
        assert [one.kind in mechanism.kinds for one in found] == [True], op


def test_every_op_of_this_release_that_looks_like_an_input_is_one():
    alike = re.compile("Dequeue|Unstage|TakeMany|ReaderRead|GetNext|ToSingleElement|GetValue|Peek$|^Placeholder|PyFunc|"
                       "^Parse.*Example")
    known = {op for mechanism in ops.INPUTS for op in mechanism.takes}
    looking = {op for op in _tf.registered_ops() if alike.search(op)}
    assert len(looking & known) > 35
    assert not looking - known - set(NO_INPUT)


@pytest.mark.parametrize("taken", sorted(ops.WAITING))
def test_a_table_that_would_be_filled_from_an_input_is_not_filled_at_load(taken):
    """And one that is filled from constants is: the twin."""
    graph_def = _tf.tf.GraphDef()
    for name, op, entries in (("keys", taken, []), ("values", "Const", []), ("table", "HashTableV2", []),
                              ("fill", "InitializeTableV2", ["table", "keys", "values"])):
        graph_def.node.add(name=name, op=op).input.extend(entries)
    assert tables.initializers(GraphIndex(graph_def)).initializers == ()
    graph_def.node[0].op = "Const"
    assert tables.initializers(GraphIndex(graph_def)).initializers == ("fill",)
