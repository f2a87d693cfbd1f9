"""``tf1-ig explain``: attributes a prediction to the parts of its input, prints it and writes it."""

import argparse
import contextlib
import dataclasses
import functools
import os
import re
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import AmbiguousCandidateError, FeedError, GraphToolsError, ModelFormatError, some
from graph_tools.graph import names
from tf1_ig.check import check
from tf1_ig.commands import asked, feed_file, worker
from tf1_ig.commands.arguments import add_model, add_strict, judged, positive, progress, seed, told_to_wait
from tf1_ig.errors import MethodError
from tf1_ig.explainer import IntegratedGradients
from tf1_ig.question import training_mode
from tf1_ig.question.label import top_or_none
from tf1_ig.result import entries, storage
from tf1_ig.rows import fingerprint, told
from tf1_ig.rows.spec import load_spec
from tf1_ig.show import terminal
from tf1_ig.variants import VARIANTS

HELP = "attribute a prediction to the parts of its input"

_OF_VARIANTS = ("baselines", "samples", "seed", "noise_level", "scales", "segments")
_PLAIN: Tuple[str, Any] = ("integrated_gradients", {})  # the variant that is none, and its options
_BY_RANK = ()      # no label was given: top where the output has classes
_NOT_SAID = ()     # of an option for which None is a value


def add_options(parser: argparse.ArgumentParser, strict: bool = True) -> None:
    """The options of the command; ``strict``: with that of pipelines, for commands that explain."""
    add_model(parser, or_spec=True)
    parser.set_defaults(limited="opening")
    parser.add_argument("--sha256", metavar="DIGEST",
                        help="the digest of the model as inspect prints it: any other file is refused")
    parser.add_argument("--feed", metavar="FILE", help=".npz or .json: an array per input tensor")
    asked.add_spec(parser)
    parser.add_argument("--out", metavar="FILE", help="write " + ", ".join(storage.WRITERS))
    parser.set_defaults(out_kinds=tuple(storage.WRITERS))
    parser.add_argument("--output", metavar="T", help="tensor to explain (default: the one likely head)")
    parser.add_argument("--input", action="append", metavar="T", dest="inputs",
                        help="tensor to attribute to; repeat for several (default: the embeddings)")
    parser.add_argument("--inference-mode", action="store_true",
                        help="of a training graph: dropout becomes identity, batch norm takes its moving averages")
    _add_question(parser)
    _add_method(parser)
    _add_runs(parser)
    texts = parser.add_mutually_exclusive_group()
    texts.add_argument("--vocab", metavar="FILE", help="one token a line, line 0 first: shows the texts of ids")
    texts.add_argument("--tokens", metavar="FILE", help="texts to show: .json list of lists, or a row a line")
    parser.add_argument("--classes", metavar="FILE", help="names of the classes, one a line")
    if strict:
        add_strict(parser)
    parser.set_defaults(check=lambda options: _check(parser, options))


def _add_question(parser: argparse.ArgumentParser) -> None:
    """What is explained, and from where."""
    label = parser.add_mutually_exclusive_group()
    label.add_argument("--label", metavar="L", default=_BY_RANK,
                       help="top (default), second, none, a class (with --classes also its name), an index tuple 4,1, "
                            "or [0,1] per row")
    label.add_argument("--contrast", metavar="A,B",
                       help="why class A rather than B: numbers, names, top or second")
    parser.add_argument("--positions", metavar="P", type=feed_file.parse_positions,
                        help="all, or some such as 0,3: a row of the result for each position of the output")
    parser.add_argument("--baseline", metavar="B",
                        help="zero (default), mean, a number, a .npy file, or '{\"ids:0\": 0}'")


def _add_method(parser: argparse.ArgumentParser) -> None:
    """By which method, and how exactly."""
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--tolerance", type=positive(float), metavar="R",
                        help="relative completeness error to reach (default: 0.01)")
    effort.add_argument("--steps", type=positive(int), metavar="N", help="a fixed number of points instead")
    parser.add_argument("--method", default="gausslegendre", metavar="RULE",
                        help="rule of --steps: gausslegendre, midpoint, trapezoid, left, right, or another library's "
                             "grid such as captum_trapezoid, for old numbers")
    parser.add_argument("--variant", metavar="NAME",
                        help="another method than Integrated Gradients from one baseline: " + ", ".join(VARIANTS))
    parser.add_argument("--baselines", metavar="B",
                        help="of a variant: '{\"noise\": 20}', a .npy file with a row for each, a .npz or .json file "
                             "of such rows by tensor (training ids)")
    parser.add_argument("--samples", type=positive(int), metavar="N", help="of a variant: how many draws")
    parser.add_argument("--seed", type=seed, metavar="N", help="of a variant: other draws (default: 0)")
    parser.add_argument("--noise-level", type=positive(float), metavar="R",
                        help="of smoothgrad: noise as a share of the input's range (default: 0.15)")
    parser.add_argument("--scales", type=_scales, metavar="S,…",
                        help="of xrai: sizes of its segments, for a picture of 224 by 224 (such as 50,100,250)")
    parser.add_argument("--segments", metavar="FILE",
                        help="of xrai: a .npy file of segments instead, whole numbers [maps, height, width]")
    parser.add_argument("--max-steps", type=positive(int), default=1024, metavar="N", help="most points per example")


def _add_runs(parser: argparse.ArgumentParser) -> None:
    """How the rows of the feed are run."""
    parser.add_argument("--batch-axis", type=_axis, default=_NOT_SAID, metavar="N",
                        help="axis of the examples, or none: one example")
    parser.add_argument("--shared-feed", action="append", default=[], metavar="T",
                        help="a feed that all examples share although its length looks like theirs")
    parser.add_argument("--row-feed", action="append", default=[], metavar="T",
                        help="a feed with a row per example although it could be a constant")
    parser.add_argument("--batch-size", type=positive(int), metavar="N", help="most points in one run")
    parser.add_argument("--memory-limit", type=positive(int), metavar="BYTES",
                        help="most bytes of the tensors of one run together")
    parser.add_argument("--time-limit", type=positive(float), metavar="SECONDS",
                        help="most seconds of one run of the graph (default: 200 times the longest, at least 60)")
    parser.add_argument("--threads", type=_threads, metavar="INTRA,INTER", default=(0, 0),
                        help="TensorFlow's threads within an op and for ops side by side, 0: its own choice; "
                             "tf1-ig threads measures which are fastest")


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    asked.check(parser, options)
    ending = os.path.splitext(options.out or "")[1].lower()
    if options.out and ending not in options.out_kinds:
        parser.error("argument --out: %r does not end in %s" % (options.out, ", ".join(options.out_kinds)))
    for name in _OF_VARIANTS:
        if options.variant is None and getattr(options, name) is not None and name not in getattr(options, "takes", ()):
            parser.error("--%s belongs to --variant; say which" % name.replace("_", "-"))
    for name in ("vocab", "tokens") if getattr(options, "of_units", False) else ():
        if getattr(options, name):
            parser.error("--%s names tokens, and %s tells of a layer's units; leave it out" % (name, options.command))
    if options.positions is not None and getattr(options, "one_path", False):
        parser.error("--positions belongs to explain; ask for one position: --label POSITION,CLASS")
    for name, given in (("label", options.label), ("contrast", options.contrast)):
        if given not in (_BY_RANK, None) and not options.classes and not options.spec:
            try:
                getattr(feed_file, "parse_" + name)(given)
            except GraphToolsError as wrong:
                parser.error("argument --%s: %s" % (name, wrong))


def _scales(text: str) -> List[float]:
    return [positive(float)(each.strip()) for each in text.split(",")]


def _axis(text: str) -> Optional[int]:
    if text.strip().lower() == "none":
        return None
    if not text.strip().isdigit():
        raise argparse.ArgumentTypeError("%r is neither none nor a number from 0" % text)
    return int(text)


def _threads(text: str) -> Tuple[int, int]:
    if not re.match(r"[0-9]{1,4},[0-9]{1,4}$", text):
        raise argparse.ArgumentTypeError("%r is not two numbers such as 1,2" % text)
    intra, inter = text.split(",")
    return int(intra), int(inter)


class Prepared(NamedTuple):
    """What the options ask for, ready to be done once or many times."""

    explainer: Any
    explain: Callable[[], Any]
    class_names: Optional[List[str]]
    told: List[str]
    # Calls a function of feed and label with those that the options say.
    ask: Callable[[Callable[..., Any]], Any]
    # The method that the options say, of an explainer: a function of feed and label.
    way: Callable[[Any], Callable[..., Any]]
    question: Any
    # The tokens of each row in words, all inputs one after another, as --tokens or --vocab have them; else None.
    texts: Callable[[], Any]


def _refuse_another_file(digest: Optional[str], path: str) -> None:
    """Raises when the model is not the one whose digest was given: no format of TensorFlow's notices a flipped bit."""
    found = None if digest is None else fingerprint.sha256(path)
    if digest is not None and found != digest.lower():
        raise ModelFormatError("%r has the digest %s, not %s; it is another file, or it was changed" % (
            path, found, digest))


@contextlib.contextmanager
def prepared(options: argparse.Namespace) -> Iterator[Prepared]:
    """Reads the files and opens the model; an error among the options stops here."""
    if options.out:
        storage.check_path(options.out, options.out_kinds)
    question = _question(options)
    vocabulary = feed_file.read_lines(options.vocab) if options.vocab else None
    if vocabulary == []:
        raise FeedError("--vocab %r is empty; it holds one token a line" % options.vocab)
    arguments = dict(
        baseline=question.baseline, method=options.method, steps=question.steps, tolerance=question.tolerance,
        max_steps=options.max_steps, batch_size=options.batch_size, memory_limit=options.memory_limit,
        positions=options.positions, shared_feeds=options.shared_feed, progress=progress(),
        row_feeds=options.row_feed, tokens=feed_file.read_tokens(options.tokens) if options.tokens else None)
    with contextlib.ExitStack() as opened:
        with told_to_wait("opening the model: its graph is searched, and the gradient of its output is built"):
            model, output, explainer, lines = _opened(options, question, opened)
        if vocabulary is not None:
            lines += _other_sizes(vocabulary, explainer.resolved.inputs)
        way = _way_to_explain(explainer, options, dict(arguments), question)

        def ask(function: Any) -> Any:
            if question.label is _BY_RANK:
                return _explain_top(function, model, output, question.feed)
            return function(question.feed, label=question.label)

        def explain() -> Any:
            result = ask(way)
            if result.label is not None:
                _refuse_other_classes(question.class_names, result.output, result.outputs.shape)
            if question.encoded is not None and not options.tokens:
                result = told.annotate(result, question.spec, question.encoded, explainer)
            return result if vocabulary is None else _decoded(result, vocabulary)

        def texts() -> Any:
            if vocabulary is None:
                return arguments["tokens"]
            once = ask(lambda feed, label: explainer.explain(feed, label, steps=1, shared_feeds=options.shared_feed,
                                                             row_feeds=options.row_feed))
            return [row * len(explainer.inputs) for row in _decoded(once, vocabulary).token_texts]

        yield Prepared(explainer, explain, question.class_names, lines, ask,
                       lambda other: _way_to_explain(other, options, dict(arguments), question), question, texts)


def _opened(options: argparse.Namespace, question: "_Question", opened: contextlib.ExitStack
            ) -> Tuple[Any, Any, Any, List[str]]:
    """The model, its output, its explainer (closed with ``opened``), and what was done to the model, in words."""
    opened.enter_context(_tf.session_threads(*options.threads))
    _refuse_another_file(options.sha256, os.path.expanduser(options.model or question.spec.model_path))
    model = gt.load(options.model, trusted=options.trust, assets=dict(
        options.asset)) if options.model else question.spec.load(options.trust)
    lines: List[str] = []
    if question.spec is not None:
        question.spec.check_model(model, options.output)
    by_spec = question.spec is not None and question.spec.tree["model"].get("inference_mode", False)
    if options.model and by_spec or options.inference_mode and not by_spec:  # a spec has seen to its own model
        model, edit = gt.inference_mode(model)
        lines = training_mode.told(edit)
    output = question.output or _only_output(model)
    _refuse_other_classes(question.class_names, names.tensor_name(output), _known_sizes(model, output))
    inputs = question.inputs if question.spec is None else question.spec.attributed(
        model, names.tensor_name(output), question.inputs)
    explainer = opened.enter_context(IntegratedGradients(
        model, output, inputs, batch_axis=question.batch_axis, time_limit=options.time_limit))
    worker.opened()
    return model, output, explainer, lines


class _Question(NamedTuple):
    """What is asked: what the options say, else the spec, else what is usual."""

    spec: Any
    encoded: Any
    feed: Any
    class_names: Optional[List[str]]
    output: Any
    inputs: Any
    label: Any
    baseline: Any
    variant: Optional[Tuple[str, Any]]
    tolerance: float
    steps: Optional[int]
    batch_axis: Optional[int]


def _question(options: argparse.Namespace) -> _Question:
    spec = load_spec(options.spec, options.allow_code) if options.spec else None
    encoded = asked.encoded(options, spec) if spec is not None else None
    feed = encoded.feed if encoded is not None else feed_file.read_feed(options.feed)
    class_names = feed_file.read_lines(options.classes) if options.classes else (
        list(spec.classes) if spec is not None and spec.classes else None)

    def own(key: str, otherwise: Any) -> Any:
        """What the spec says, where it says something."""
        return getattr(spec, key) if spec is not None and spec.tree.get(key) is not None else otherwise

    label = spec.label if spec is not None and ("label" in spec.tree or "contrast" in spec.tree) else _BY_RANK
    if options.label is not _BY_RANK:
        label = feed_file.parse_label(options.label, class_names)
    elif options.contrast is not None:
        label = feed_file.parse_contrast(options.contrast, class_names)
    variant = (options.variant, {}) if options.variant else own("variant", None)
    if getattr(options, "one_path", False) and variant not in (None, _PLAIN):
        raise MethodError("%s is along the one path of Integrated Gradients, and the variant %r was asked for; pass "
                          "{argument}" % (options.command, variant[0]), argument="variant", value=_PLAIN[0])
    effort = options.tolerance is not None or options.steps is not None
    return _Question(
        spec, encoded, feed, class_names, options.output or own("output", None),
        options.inputs or own("inputs", "auto"), label,
        feed_file.parse_baseline(options.baseline) if options.baseline else own("baseline", "zero"),
        variant,
        options.tolerance or own("tolerance", 0.01), options.steps if effort else own("steps", None),
        spec.batch_axis if spec is not None and options.batch_axis is _NOT_SAID else
        0 if options.batch_axis is _NOT_SAID else options.batch_axis)


def run(options: argparse.Namespace) -> int:
    """Explains, prints, writes; returns the exit status."""
    with prepared(options) as work:
        result = work.explain()
        report = check(result, work.explainer)
    if options.out:  # before anything is printed: the reader may be gone (head)
        result.save(options.out, class_names=work.class_names, report=report)
    print("%s by" % result.output if options.variant is None else "%s of %s by" % (result.technique, result.output))
    for place, name in enumerate(result.values):
        called = result.input_name(name)
        print("  input %d: %s" % (place, name if called in (name, entries.plain(name)) else "%s (%s)" % (called, name)))
    if work.told:
        print("\n".join(work.told))
    print(terminal.summary(result, report, work.class_names))
    if options.classes and result.prediction is None:
        print("note: --classes is not used: %s has no classes to choose from" % result.output)
    if options.out:
        print("wrote %s" % options.out)
    asked.refuse_unexplained(result.finite, report["finite numbers"].advice)
    return judged(report.failed, options.strict)


# -- what explain needs to know --------------------------------------------------------------------------------------

def _only_output(model: Any) -> Any:
    """The one head, the only one of a signature or of probabilities; or the error that proposes the missing option."""
    found = gt.find_outputs(model)
    heads = found.distinct()
    for sure in ([one for one in heads if one.signatures], heads.of_kind("softmax", "sigmoid")):
        if len(sure) == 1:
            return sure[0]
    if len(heads) > 1:
        proposed = ["--output %s (%s)" % (one.tensor, one.kind) for one in heads]
        raise AmbiguousCandidateError("%d outputs may be the one to explain; add one of: %s" % (
            len(heads), some(proposed, 8, "; ")), candidates=proposed)
    return found.only()


def _way_to_explain(explainer: Any, options: argparse.Namespace, arguments: Any, question: Any) -> Any:
    """``explain``, or a variant, of the options or of the spec, with those of its options that were given."""
    if question.variant is None:
        return functools.partial(explainer.explain, **arguments)
    name, more = question.variant
    given = {one: getattr(options, one) for one in _OF_VARIANTS if getattr(options, one) is not None}
    if "baselines" in given:
        given["baselines"] = feed_file.parse_baseline(given["baselines"])
    if "segments" in given:
        given["segments"] = feed_file.read_array(given["segments"])
    if options.baseline is None and isinstance(arguments["baseline"], str) and (
            arguments["baseline"] == "zero"):  # most variants take none
        del arguments["baseline"]
    return functools.partial(explainer.explain_variant, name, **dict(arguments, **dict(more, **given)))


def _known_sizes(model: Any, output: Any) -> Optional[List[Optional[int]]]:
    """The output's shape as the graph knows it; ``None`` for an unknown rank or name (which is told later)."""
    try:
        shape = model.outline.get_tensor_by_name(names.tensor_name(output)).shape
    except (KeyError, ValueError):
        return None
    return None if shape.ndims is None else shape.as_list()


def _explain_top(explain: Any, model: Any, output: Any, feed: Any) -> Any:
    """The top class of every row where the output has classes; outputs of rank 0 and 1 have none."""
    rank = model.outline.get_tensor_by_name(names.tensor_name(output)).shape.ndims
    return top_or_none(lambda label: explain(feed, label=label), rank is None or rank > 1)


def _refuse_other_classes(class_names: Optional[List[str]], output: str, sizes: Optional[Sequence[Optional[int]]]
                          ) -> None:
    """Names of another number of classes would name the wrong one; ``sizes`` is the output's shape as it is known."""
    if class_names is None or not sizes or len(sizes) < 2 or sizes[-1] in (None, len(class_names)):
        return
    raise FeedError("--classes names %d class%s and the output %s has %d; give %s" % (
        len(class_names), "es" * (len(class_names) != 1), output, sizes[-1],
        "the name of each, one a line" if sizes[-1] != 1 else "the name of the one that its score is for"))


def _other_sizes(vocabulary: List[str], inputs: Sequence[Any]) -> List[str]:
    """What to say where no table has as many rows as the vocabulary has lines: it may be another model's."""
    sizes = {one.name: one.table_rows for one in inputs if one.table_rows is not None}
    if not sizes or len(vocabulary) in sizes.values():
        return []
    return ["note: --vocab has %d lines, and %s; an id without a line is shown as its number" % (
        len(vocabulary), " and ".join("the table behind %s %d rows" % size for size in sizes.items()))]


def _decoded(result: Any, vocabulary: List[str]) -> Any:
    """The result with the texts of its ids, line ``id`` of the vocabulary each."""
    known = [[np.asarray(row).reshape(-1) for row in rows] for rows in (result.ids or {}).values()]
    if not known or any(not np.array_equal(one, other) for rows in known for one, other in zip(rows, known[0])):
        raise FeedError("--vocab needs one sequence of ids, and %s; give the texts with --tokens" % (
            "the inputs have different ids" if known else "no ids are known for %s" % ", ".join(result.values)))
    return dataclasses.replace(result, token_texts=[feed_file.decode([row], vocabulary)[0] for row in known[0]])
