"""``tf1-ig spec``: tries an explanation spec on rows, before anything is explained."""

import argparse
import json
import os
import shlex
from typing import Any, Iterator, List, Optional

import numpy as np

from graph_tools.errors import FeedError
from graph_tools.running.values import as_text
from tf1_ig.commands import asked
from tf1_ig.commands.arguments import add_trust
from tf1_ig.rows import readers, spec as specs, vertex
from tf1_ig.rows.record import Cut, Encoded
from tf1_ig.show.tokens import printable

HELP = "try an explanation spec: tokens, ids, shapes, and what the model predicts"

_ROWS = 3       # rows shown; all of them are looked at
_BAD = 5        # bad rows shown
_TOKENS = 14    # tokens of a row shown
_CLASSES = 3    # classes of a prediction shown
_WIDE = 100


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("spec", nargs="?", metavar="FILE", help="the spec")
    parser.add_argument("files", nargs="*", metavar="ROWS", help="files of rows")
    asked.add_rows(parser)
    add_trust(parser)
    parser.add_argument("--no-model", action="store_true", help="only the rows: the model is not loaded")
    parser.add_argument("--from-vertex", metavar="METADATA",
                        help="write a spec from the explanation metadata of Vertex AI or AI Platform instead")
    parser.add_argument("--model", metavar="MODEL", help="of --from-vertex: the model (default: the SavedModel in the "
                                                         "metadata's folder)")
    parser.add_argument("--out", metavar="FILE", help="of --from-vertex: the spec to write")
    parser.set_defaults(check=lambda options: _check(parser, options))


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.from_vertex is None:
        for name in ("model", "out"):
            if getattr(options, name):
                parser.error("--%s belongs to --from-vertex" % name)
        if options.spec is None:
            parser.error("the following arguments are required: FILE, or --from-vertex METADATA --out FILE")
    elif options.spec is not None:
        parser.error("--from-vertex writes a spec; give its name with --out, and no other FILE")
    elif not options.out:
        parser.error("--from-vertex needs --out FILE, the spec to write")


def run(options: argparse.Namespace) -> int:
    """Encodes the rows, runs the model on them, prints both; exit status 1 where a row is bad."""
    if options.from_vertex is not None:
        return _from_vertex(options)
    made = specs.load_spec(options.spec, options.allow_code)
    options.rows += options.files
    rows = asked.rows_of(options, made) if asked.given(options) else _example(made)
    found = made.encode(rows)
    outputs = None if options.no_model or not found.rows else predict(made, found, options.trust)
    print("\n".join(_lines(made, rows, found, outputs)))
    if found.bad:
        raise found.bad[0]
    return 0


def _from_vertex(options: argparse.Namespace) -> int:
    folder = os.path.dirname(os.path.abspath(options.out))
    read = vertex.convert(options.from_vertex, folder, options.model, options.trust)
    made = specs.ExplanationSpec(read.tree, folder, name=os.path.basename(options.out))
    made.save(options.out)
    print("wrote %s" % options.out)
    print("\n".join(["  %s" % line.strip() for line in str(made).splitlines()] + list(vertex.told(read))))
    print("next: tf1-ig spec %s --row '{%s}'" % (shlex.quote(options.out), ", ".join(
        "\"%s\": …" % column for column in made.columns)))
    return 0


def _example(made: specs.ExplanationSpec) -> List[Any]:
    """A row to try where none was given: a text that every spec of one text takes."""
    columns = readers.columns_of(made)
    if made.columns != (columns.text,):
        raise FeedError("give a row of the columns %s: --row '{…}', or a file of rows" % ", ".join(made.columns))
    return [{columns.text: "An example, to see what becomes of a text."}]


def predict(made: specs.ExplanationSpec, found: Encoded, trusted: bool = False) -> np.ndarray:
    """The output of the model for the rows, ``[rows, …]``."""
    with made.open(trusted=trusted) as explainer:
        at = explainer.at(found.feed, label="top" if isinstance(made.label, dict) else made.label)
        return np.asarray(at.outputs(at.entries))


def _lines(made: Any, rows: Any, found: Encoded, outputs: Optional[np.ndarray]) -> Iterator[str]:
    yield "%s explains %s of %s" % (made.name, made.output, made.tree["model"]["path"])
    if made.guesses:
        yield "guessed: %s" % ", ".join(made.guesses)
    yield "%d row%s, %d bad" % (len(rows), "s" * (len(rows) != 1), len(found.bad))
    for wrong in found.bad[:_BAD]:
        yield "  bad: %s" % wrong
    if len(found.bad) > _BAD:
        yield "  … and %d more bad rows" % (len(found.bad) - _BAD)
    if not found.rows:
        return
    yield "what is fed"
    for tensor, one in made.placeholders.items():
        array = found.feed[tensor]
        yield "  %s  %s %s  %s%s" % (tensor, "string" if array.dtype == object else array.dtype, list(array.shape),
                                     one.kind, _about(array, found.cuts.get(tensor)))
    for place, row in enumerate(found.rows[:_ROWS]):
        yield "row %d" % (row + 1)
        for cuts in found.cuts.values():
            yield from _text_lines(cuts[place])
        for tensor, one in made.placeholders.items():
            if one.kind not in ("text", "lengths", "mask", "sparse", "constant"):
                yield "  %s  %s" % (tensor, _short(found.feed[tensor], place, made.batch_axis))
        if outputs is not None:
            yield "  predicts %s" % _prediction(outputs[place], made.classes)
    if len(found.rows) > _ROWS:
        yield "… and %d more rows" % (len(found.rows) - _ROWS)


def _about(array: np.ndarray, cuts: Optional[List[Cut]]) -> str:
    """Of a text: tokens, the share of unknown ones, the share of padding. Of numbers: their range."""
    if cuts is not None:
        flat = [one for cut in cuts for one in (cut.ids if cut.words is None else sum(cut.ids, []))]
        unknown, cells = sum(cut.unknown for cut in cuts), int(np.prod(array.shape[:2 + (cuts[0].words is not None)]))
        return ": %d entries, unknown %.0f %%, padding %.0f %%" % (
            len(flat), 100.0 * unknown / max(1, len(flat)), 100.0 * (cells - len(flat)) / max(1, cells))
    if array.dtype.kind in "iuf" and array.size:
        return ": from %.4g to %.4g" % (array.min(), array.max())
    return ""


def _text_lines(cut: Cut) -> Iterator[str]:
    if cut.text is not None:
        yield "  text    %s" % _cut(json.dumps(printable(cut.text), ensure_ascii=False))
    words = cut.tokens if cut.words is None else cut.words
    more = " …" if len(words) > _TOKENS else ""
    yield "  tokens  %s%s" % (_cut(" | ".join(printable(word) for word in words[:_TOKENS])), more)
    ids = [as_text(one) if isinstance(one, bytes) else str(one).replace(" ", "") for one in cut.ids[:_TOKENS]]
    yield "  ids     %s%s" % (_cut(" ".join(ids)), more)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDE else text[:_WIDE - 1] + "…"


def _short(array: np.ndarray, place: int, batch_axis: Optional[int]) -> str:
    value = array if batch_axis is None else np.moveaxis(array, batch_axis, 0)[place]
    value = value.tolist() if isinstance(value, np.ndarray) else value
    return _cut(repr(value) if not isinstance(value, bytes) or len(value) < _WIDE else "%d bytes" % len(value))


def _prediction(row: Any, classes: Any) -> str:
    """The strongest classes of an output row; a number where it is one."""
    row = np.asarray(row)
    if row.size == 1:
        return "%.4g" % row.ravel()[0]
    if row.ndim > 1:
        return "%s numbers, shape %s" % (row.size, list(row.shape))
    order = np.argsort(-row, kind="stable")[:_CLASSES]
    return ", ".join("%s %.4g" % (classes[number] if classes and number < len(classes) else number, row[number])
                     for number in order)
