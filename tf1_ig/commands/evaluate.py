"""``tf1-ig evaluate``: is this explanation worth believing, by running the model."""

import argparse
import dataclasses
import json
import os
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import graph_tools as gt
from graph_tools.errors import FeedError
from graph_tools.whole_files import writing
from tf1_ig.baselines import BASELINES
from tf1_ig.check import scores
from tf1_ig.commands import explain as explain_command, feed_file
from tf1_ig.commands.arguments import progress
from tf1_ig.errors import MethodError
from tf1_ig.evaluate import BASELINE, MEASURES, cutting, evaluate
from tf1_ig.evaluate.paired import compare_measures
from tf1_ig.explainer import IntegratedGradients
from tf1_ig.methods import METHODS, options_of
from tf1_ig.result import measured
from tf1_ig.rows import fingerprint
from tf1_ig.show import measures as page

HELP = "judge an explanation by running the model: removal, noise, other labels, theories and weights"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command: those of explain, and which measures."""
    explain_command.add_options(parser, strict=False)
    parser.set_defaults(out_kinds=(".html", ".json", ".npz"), takes=("seed",))
    parser.add_argument("--measure", action="append", metavar="M", choices=list(MEASURES),
                        help="one of: %s; repeat for more (default: all)" % ", ".join(MEASURES))
    parser.add_argument("--removal", metavar="R", default=BASELINE,
                        help="what a removed token becomes: baseline (default), cut (those behind it move up), or as "
                             "--baseline, such as '{\"ids:0\": 0}' for a padding id")
    parser.add_argument("--against", metavar="OTHER",
                        help="compare on the same rows with a variant (%s), another model's file or folder, or another "
                             "baseline" % ", ".join(METHODS))


class _Judged(NamedTuple):
    attribution: Any
    report: Any
    paired: Any


def _refuse_unknown(option: str, given: Any, others: Sequence[str]) -> None:
    """Refuses, before anything is measured, a word that is none of the others, no file and no baseline."""
    if given is None or given in others or os.path.exists(given):
        return
    baseline = feed_file.parse_baseline(given)
    if isinstance(baseline, str) and baseline not in BASELINES:
        raise MethodError("%s %r is none of %s, no file, and no baseline (%s, a number, a .npy file or "
                          "'{\"ids:0\": 0}')" % (option, given, ", ".join(others), ", ".join(BASELINES)))


def run(options: argparse.Namespace) -> int:
    """Measures, prints, writes; exit status 1 when a measure fails."""
    _refuse_unknown("--against", options.against, tuple(METHODS))
    _refuse_unknown("--removal", options.removal, (BASELINE, cutting.CUT))
    with explain_command.prepared(options) as work:
        attribution = work.explain()
        if not attribution.finite.all():
            raise FeedError("%s Leave such rows out: nothing can be judged of them" % next(
                iter(scores.finite(attribution))).advice)
        found = work.ask(lambda feed, label: _judged(options, work, attribution, feed, label))
        about = _about(options, work, found)
        output = work.explainer.output
    attribution = dataclasses.replace(attribution, measures=tuple(found.report))
    if options.out:
        _write(options, attribution, found, about, output, work.class_names)
    print(found.report)
    if found.paired is not None:
        print("against %s:\n%s" % (options.against, found.paired))
    if options.out:
        print("wrote %s" % options.out)
    return 0 if found.report.ok else 1


def _judged(options: argparse.Namespace, work: Any, attribution: Any, feed: Any, label: Any) -> _Judged:
    question = work.question
    removal = options.removal if options.removal in (BASELINE, cutting.CUT) else feed_file.parse_baseline(
        options.removal)
    asked = dict(measures=options.measure or "all", seed=options.seed or 0, removal=removal,
                 shared_feeds=options.shared_feed, row_feeds=options.row_feed, batch_size=options.batch_size,
                 memory_limit=options.memory_limit, progress=progress())
    takes = options_of(METHODS[question.variant[0] if question.variant else "integrated_gradients"])

    def again(explainer: Any, feed: Any, label: Any, baseline: Any = None, seed: Any = None) -> Any:
        own = {"baseline": baseline, "seed": seed}
        return work.way(explainer)(feed, label=label, progress=False, **{
            name: value for name, value in own.items() if name in takes and value is not None})

    report = evaluate(work.explainer, feed, label, attribution=attribution, baseline=question.baseline, explain=again,
                      **asked)
    return _Judged(attribution, report, None if options.against is None else compare_measures(
        report, _other(options, work, feed, label, asked), options.seed or 0))


def _other(options: argparse.Namespace, work: Any, feed: Any, label: Any, asked: Dict[str, Any]) -> Any:
    """The report of what is compared with."""
    if options.against in METHODS:
        return evaluate(work.explainer, feed, label, explain=options.against, baseline=work.question.baseline, **asked)
    if os.path.exists(options.against):
        model = gt.load(options.against, trusted=options.trust)
        with IntegratedGradients(model, work.explainer.output, list(work.explainer.inputs),
                                 batch_axis=work.explainer.batch_axis) as other:
            return evaluate(other, feed, label, baseline=work.question.baseline, **asked)
    return evaluate(work.explainer, feed, label, baseline=feed_file.parse_baseline(options.against), **asked)


def _about(options: argparse.Namespace, work: Any, found: _Judged) -> List[Tuple[str, str]]:
    """What was tested, for whoever signs."""
    question = work.question
    told = [("Explained", "%s by %s" % (work.explainer.output, found.attribution.technique)),
            ("Rows", str(len(found.attribution))), ("Seed", str(options.seed or 0)),
            ("Baseline", found.attribution.baseline), ("Removal", options.removal),
            ("Measures", ", ".join(one.name for one in found.report)),
            ("Evaluations", str(sum(one.evaluations for one in found.report)))]
    if options.model:
        told.append(("Model", os.path.basename(os.path.normpath(options.model))))
        told.append(("Model sha256", fingerprint.sha256(os.path.expanduser(options.model))))
    elif question.spec is not None:
        told += [("Model " + name, str(value)) for name, value in sorted(_of_spec(question.spec).items())]
    if options.spec:
        told += [("Spec", os.path.basename(options.spec)), ("Spec sha256", fingerprint.sha256(options.spec))]
    return told


def _of_spec(spec: Any) -> Dict[str, Any]:
    """What a spec says of its model."""
    found = spec.tree.get("model")
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {
        "path": found}


def _write(options: argparse.Namespace, attribution: Any, found: _Judged, about: List[Tuple[str, str]], output: str,
           class_names: Any
           ) -> None:
    if options.out.endswith(".npz"):
        return attribution.save(options.out)
    with writing(options.out, "w", encoding="utf-8") as file:
        if options.out.endswith(".json"):
            record = dict(output=output, seed=options.seed or 0, rows=len(attribution), removal=options.removal,
                          about=dict(about), measures=[measured.to_plain(each) for each in found.report])
            if found.paired is not None:
                record["against"] = dict(other=options.against, measures=[_pair(each) for each in found.paired])
            json.dump(record, file, indent=1)
        else:
            file.write(page.page(
                found.report, "Is the explanation of %s worth believing?" % output, "%d rows of the feed, seed %d" % (
                    len(attribution), options.seed or 0), about=about, attribution=attribution,
                class_names=class_names, paired=found.paired))
    return None


def _pair(paired: Any) -> Dict[str, Any]:
    return {name: measured.strict(value) for name, value in (
        ("name", paired.name), ("one", paired.one), ("other", paired.other), ("difference", paired.value),
        ("interval", paired.interval), ("better", paired.better), ("rows", paired.rows))}
