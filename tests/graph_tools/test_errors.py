"""Errors: one line, of the builtin that fits, with the argument that helps and everything that was found."""

import ast
import pathlib
import pickle
import re

import pytest

import graph_tools as gt
from graph_tools import errors
from tests.models import small
from tf1_ig import cli
from tf1_ig.commands import arguments
from tf1_ig.errors import BatchError

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
_ARGUMENTS = ("batch_axis", "shared_feeds", "row_feeds", "max_steps", "time_limit", "memory_limit", "batch_size",
              "noise_level", "inputs", "label", "steps", "tokens", "samples")


def test_an_argument_is_said_as_the_caller_calls_it():
    error = BatchError("no axis 0; pass {argument}", argument="batch_axis", value="None")
    assert str(error) == "no axis 0; pass batch_axis=None" and isinstance(error, ValueError)
    assert arguments.one_line(error) == "no axis 0; pass --batch-axis none"
    several = BatchError("takes no {argument}", argument=["row_feeds", "seed"])
    assert str(several) == "takes no row_feeds, seed" and arguments.one_line(several) == "takes no --row-feed, --seed"
    assert str(BatchError("{argument} is a name of the caller's")) == "{argument} is a name of the caller's"


@pytest.mark.parametrize("kind", [one for one in vars(errors).values() if isinstance(one, type) and issubclass(
    one, errors.GraphToolsError)])
def test_every_kind_takes_and_keeps_what_the_base_does(kind):
    error = pickle.loads(pickle.dumps(kind("a {argument}", argument="steps", value="8", candidates=["x", "y"])))
    assert str(error) == "a steps=8" and error.candidates == ("x", "y") and error.arguments == ("steps",)
    assert len(kind.__mro__) > 3 or kind is errors.GraphToolsError  # a builtin as well


def test_an_error_of_tensorflow_is_one_line_without_its_listing():
    said = "indices[0]\n = 9 is not in [0, 4)\n\t [[{{node a/b}}]]"
    listed = small._tf.tf.errors.InvalidArgumentError(None, None, said)
    assert errors.one_line(listed) == "indices[0] = 9 is not in [0, 4)"
    assert errors.one_line(ValueError("rows [[1, 2], [3]] differ"), 9) == "rows [[1,"
    assert errors.one_line(errors.FeedError("feed [[node x]]")) == "feed [[node x]]"  # a message of ours is whole
    assert errors.one_line("a\nb") == "a b" and errors.one_line(KeyError()) == "KeyError"


def test_a_process_is_told_by_its_last_line():
    assert errors.last_line(b"Traceback\n  File\nValueError: \xff no\n\n") == "ValueError: \ufffd no"
    assert errors.last_line(b" \n") == "" and errors.last_line(b"x" * 300 + b"\n") == "x" * 200


def _text(node):
    """The text of a literal; Python 3.7 has nodes of their own for those."""
    value = node.value if isinstance(node, ast.Constant) else getattr(node, "s", None)
    return value if isinstance(value, str) else None


def test_no_error_writes_an_argument_into_its_sentence():
    found = []
    for path in sorted(ROOT.glob("graph_tools/**/*.py")) + sorted(ROOT.glob("tf1_ig/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                text = " ".join(filter(None, map(_text, ast.walk(node.exc))))
                found += ["%s:%d %s" % (path.name, node.lineno, text[:80]) for _ in re.findall(
                    r"(?:pass|with|give|add|out) (?:%s)=" % "|".join(_ARGUMENTS), text)]
    assert found == []


def _heads():
    tf = small._tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    for number in range(11):
        weights = tf.constant(small.WEIGHTS * (1.0 + number))
        tf.nn.softmax(tf.matmul(tf.tanh(x * (number + 1.0)), weights), name="head_%d" % number)


def test_a_list_that_is_cut_can_be_had_whole(tmp_path, capsys):
    assert errors.some(list("abc"), 2) == "a, b and 1 more" and errors.some(list("ab"), 2) == "a, b"
    small.model_of(_heads).save(str(tmp_path / "m.pb"))
    small.np.savez(str(tmp_path / "f.npz"), **{"x:0": small.np.ones((1, 4), "f")})
    words = ["explain", str(tmp_path / "m.pb"), "--feed", str(tmp_path / "f.npz")]
    assert cli.main(words) == 1
    short = capsys.readouterr().err
    assert cli.main(words + ["--all"]) == 1
    whole = capsys.readouterr().err
    assert "and 3 more" in short and short.count("\n") == 1 and whole.count("\n") == 12 and whole.startswith(short)
    assert all("head_%d:0" % number in whole for number in range(11))
    with pytest.raises(gt.AmbiguousCandidateError) as error:
        gt.find_outputs(gt.load(str(tmp_path / "m.pb"))).only()
    assert len(error.value.candidates) == 11


# Names of what is written for people: nothing is computed from it.
_PROSE = ("note", "warning", "why", "advice", "message", "reason", "told", "said", "notes", "warnings")


def test_nothing_is_read_out_of_a_sentence():
    found = []
    for path in sorted(ROOT.glob("graph_tools/**/*.py")) + sorted(ROOT.glob("tf1_ig/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)) and " " in (
                    _text(node.left) or ""):
                read = node.comparators[0]
                if getattr(read, "id", getattr(read, "attr", "")) in _PROSE:
                    found.append("%s:%d" % (path.name, node.lineno))
    assert found == []
