"""``tf1-ig scan``: what a model's ops could do to whoever imports or runs it, without importing it."""

import argparse
import json
import pathlib
from typing import Any, Dict, Iterable, List

from graph_tools import whole_files
from graph_tools.load import verdict
from graph_tools.safety.judge import Refusal
from tf1_ig import __version__
from tf1_ig.commands.arguments import add_limits, add_model

HELP = "what a file could do besides computing; nothing of it is imported or run"
_SHOWN = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_model(parser, trust=False)
    add_limits(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--sarif", metavar="FILE", help="write SARIF 2.1.0, as code scanners do")


def run(options: argparse.Namespace) -> int:
    """Scans and prints; the exit status is 1 when an output needs what could do more than compute, or it won't load."""
    found = verdict.scan(options.model)
    if options.sarif:
        with whole_files.writing(options.sarif) as file:
            file.write(json.dumps(as_sarif(found), indent=1).encode("utf-8"))
    print(as_json(found) if options.json else as_text(found))
    return 1 if found.verdict == verdict.NEEDED else 0


def as_json(found: verdict.Verdict) -> str:
    """A JSON object: ``path``, ``verdict``, ``families`` (nodes by what they could do), ``needed``, ``problems``."""
    tree: Dict[str, Any] = {"path": found.path, "verdict": found.verdict}
    tree["families"] = {name: refusals(ones) for name, ones in found.families().items()}
    tree["needed"] = refusals(found.needed)
    tree["problems"] = list(found.problems)
    return json.dumps(tree, indent=1, ensure_ascii=False)


def as_sarif(found: verdict.Verdict) -> Dict[str, Any]:
    """The same as a SARIF 2.1.0 log: a rule a family, a result a node; ``error`` where an output needs it."""
    families = found.families()
    where = [{"physicalLocation": {"artifactLocation": {"uri": pathlib.PurePath(found.path).as_posix()}}}]
    results: List[Dict[str, Any]] = []
    for one in found.refused:
        place = dict(where[0], logicalLocations=[{"name": one.node, "kind": "member", "fullyQualifiedName": "/".join(
            part for part in (one.node, one.inside) if part)}])
        results.append({"ruleId": one.family.name, "level": "error" if one in found.needed else "note",
                        "message": {"text": str(one)}, "locations": [place]})
    results += [{"ruleId": "problem", "level": "error", "message": {"text": problem}, "locations": where}
                for problem in found.problems]
    rules = [{"id": name, "shortDescription": {"text": "An op " + ones[0].family.could}}
             for name, ones in families.items()] + [{"id": "problem", "shortDescription": {"text": "It does not load"}}]
    driver = {"name": "tf1-ig scan", "version": __version__, "rules": rules}
    return {"version": "2.1.0", "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "runs": [{"tool": {"driver": driver}, "results": results}]}


def refusals(found: Iterable[Refusal]) -> List[Dict[str, str]]:
    """Refused nodes for JSON."""
    return [{"node": one.node, "op": one.op, "family": one.family.name, "could": one.family.could,
             "function": one.inside} for one in found]


def as_text(found: verdict.Verdict) -> str:
    """The same for a terminal."""
    lines = [found.path, "verdict: " + found.verdict]
    for name, ones in found.families().items():
        lines += ["", "%s (%d): %s" % (name, len(ones), ones[0].family.could)]
        lines += ["  %s  %s%s%s" % (one.node, one.op, " in function %s" % one.inside if one.inside else "",
                                    "  (an output needs it)" if one in found.needed else "") for one in ones[:_SHOWN]]
        if len(ones) > _SHOWN:
            lines.append("  … and %d more (--json lists them)" % (len(ones) - _SHOWN))
    lines += [""] * bool(found.problems) + ["problem: " + problem for problem in found.problems]
    return "\n".join(lines)


def in_one_line(model: Any) -> str:
    """What a loaded model could do, in a line."""
    if model.trusted:
        return "trusted: not judged"
    if not model.refused:
        return "it computes and does nothing else"
    first = next(iter(model.refused.values()))
    more = " and %d more" % (len(model.refused) - 1) if len(model.refused) > 1 else ""
    return "kept from TensorFlow: %r (%s)%s; tf1-ig scan lists what could do more than compute" % (
        first.node, first.op, more)
