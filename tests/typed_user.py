"""A program of a user with a type checker: `make types` checks it strictly; it is never run.

Every public name is used here (tests/test_packaging.py holds that), so that a signature that loses its types is an
untyped call. Each marked line is a mistake the checker must see: a mark that is not needed any more is an error, too.
"""

from typing import Dict, List, Optional, Tuple

import numpy as np

import graph_tools as gt
import tf1_ig


def searched(path: str) -> gt.Model:
    judged: gt.Verdict = gt.scan(path)
    model: gt.Model = gt.load(path, signature="serving_default")
    print(judged.verdict)
    gt.load(path, signature=3)  # type: ignore[arg-type]
    candidates: List[gt.Candidates] = [gt.find_inputs(model), gt.find_outputs(model), gt.find_embeddings(model, "y:0"),
                                         gt.find_layers(model, "y:0")]
    first: gt.Candidate = candidates[0].only(kind="placeholder")
    name: str = first.tensor
    number: int = first.why  # type: ignore[assignment]
    columns: Dict[str, object] = dict(gt.find_columns(model))
    gt.find_inputs("model.pb")  # type: ignore[arg-type]
    print(name, number, columns, [miss.why for miss in candidates[1].misses])
    return model


def edited(model: gt.Model) -> gt.Model:
    swapped, edit = gt.swap_inputs(model, parsed=True)
    names: Dict[str, str] = dict(edit.placeholders)
    for step in (gt.prune(swapped, ["y:0"]), gt.freeze(swapped), gt.relax_batch(swapped), gt.inline_calls(swapped),
                 gt.inference_mode(swapped),
                 gt.split_occurrences(swapped, gt.find_embeddings(swapped).only())):
        after: gt.Model = step[0]
        report: gt.Report = gt.verify(swapped, after, {"ids:0": [[1]]}, "y:0", step[1])
        findings: List[gt.Finding] = list(report)
        print(report.ok, names, findings[0].verdict, findings[0].advise)  # type: ignore[attr-defined]
    gt.prune(model)  # type: ignore[call-arg]
    swapped.save("served.pb")
    return swapped


def taken(session: object, estimator: object) -> Tuple[gt.Model, gt.Model]:
    model = gt.from_session(session)
    with gt.watch_feature_columns() as watch:
        print(watch.columns)
    rebuilt: int = gt.restore_control_flow(model.new_graph())
    with model.open_session() as running:
        print(rebuilt, running)
    return model, gt.from_estimator(estimator, None)


def explained(model: gt.Model, feed: Dict[str, "np.ndarray"]) -> Optional["np.ndarray"]:
    with tf1_ig.IntegratedGradients(model, "y:0", batch_axis=None) as explainer:
        result: tf1_ig.Attribution = explainer.explain(feed, label="top", baseline="mean", steps=50)
        explainer.explain(feed, step=50)  # type: ignore[call-arg]
        explainer.explain(feed, steps="50")  # type: ignore[arg-type]
        explainer.explain_variant("smoothgrad", feed, samples=20)
        explainer.explain(feed, label=tf1_ig.contrast(2, 0), positions="all")
        pairs: tf1_ig.Interactions = explainer.interactions(feed, label=1)
        strongest: tf1_ig.Pair = pairs.pairs[0][0]
        print(strongest.value, strongest.third)  # type: ignore[attr-defined]
        at: tf1_ig.At = explainer.at(feed, label={1: 0.5, "top": -0.5})
        scores: "np.ndarray" = at.scores(at.entries)
        print(scores, at.gradients(at.mixed([np.ones((1, 4))])), at.gradient)  # type: ignore[attr-defined]
        report: gt.Report = tf1_ig.check(result, explainer)
        judged: gt.Report = tf1_ig.evaluate(explainer, feed, label=1, measures=["leave one out"], seed=0)
        print(judged, tf1_ig.compare_measures(judged, judged))
    html: str = result.to_html(tokens=["good", "film"])
    delta: "np.ndarray" = result.delta
    print(report.ok, html, result.score, result.converged, result.steps, result.to_frame(), delta, result.tokens["x:0"])
    print(result.scores)  # type: ignore[attr-defined]
    result.save("why.npz")
    again: tf1_ig.Attribution = tf1_ig.load_attribution("why.npz")
    tf1_ig.visualize_token_attrs(["good", "film"], np.array([.5, 0.]))
    carried: gt.Model = tf1_ig.attribution_signature(model, "y:0", steps=20)
    hook = tf1_ig.ExplainHook("y:0", feed, folder="why", every_steps="1")  # type: ignore[arg-type]
    print(carried.signatures, hook)
    values: "np.ndarray" = tf1_ig.ig_text("good", 1, "rows:0", "label:0", "gradient:0", steps=20)
    places: List[Optional[Tuple[int, int]]] = list(tf1_ig.byte_spans("a film", ["a", "film"]))
    print(values, places)
    spec: tf1_ig.ExplanationSpec = tf1_ig.load_spec("spec.json")
    summary: tf1_ig.Summary = tf1_ig.explain_dataset(spec, ["rows.csv"], "folder", resume=True)
    print(tf1_ig.aggregate("folder").lines(least=20)[0].mean)
    print(summary.explained, next(tf1_ig.explain_batches(spec, [])))
    fed, tokens = spec.feed([{"text": "a film"}])
    spec.feed({"text": "a film"})  # type: ignore[arg-type]
    with spec.open() as opened:
        opened.explain(fed, tokens=tokens, **spec.arguments())
    return again.relative_delta


def refused(path: str) -> str:
    try:
        edited(searched(path))
    except (gt.ModelFileMissingError, gt.ModelFormatError, gt.ReleaseError, gt.TensorFlowMissingError,
            gt.TensorFlowSymbolError, gt.TooLargeError, gt.UnsafeModelError) as wrong:
        return "the file: %s" % wrong
    except (gt.AmbiguousCandidateError, gt.NoCandidateError, gt.TensorNotFoundError) as wrong:
        return "the search: %s" % wrong
    except (gt.BlockedRunError, gt.ControlFlowError, gt.EditError, gt.FeedError,
            gt.ForkedProcessError, gt.GradientError, gt.StateError) as wrong:
        return "the graph: %s" % wrong
    except gt.GraphToolsError as wrong:
        return str(wrong)
    return ""
