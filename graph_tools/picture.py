"""Pictures of an edit: what was removed, added and rewired, as DOT, as SVG, or in TensorBoard before and after.

Only what changed is drawn, with its nearest neighbours. A picture is a string or a file; nothing is run or imported.
"""

import html
import os
from typing import Any, Dict, List, NamedTuple, Tuple

from graph_tools import _tf
from graph_tools.errors import EditError
from graph_tools.graph.walk import GraphIndex, producers_first

# Told apart by line and sign as well as by colour: blue and orange stay apart for the colour-blind and in grey print.
_STYLES = {"kept": ("#555555", "", " "), "removed": ("#b35806", "5,3", "-"), "added": ("#2166ac", "", "+")}
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 190, 34, 210, 70  # sizes of a box and distances between boxes, in pixels


class Box(NamedTuple):
    """A node of a drawing; ``state`` is ``"kept"``, ``"removed"`` or ``"added"``."""

    name: str
    op: str
    state: str


class Line(NamedTuple):
    """An edge of a drawing, from producer to consumer."""

    source: str
    target: str
    state: str
    control: bool


class Drawing(NamedTuple):
    """What changed between two graphs, and what it hangs on; ``left_out`` counts changed nodes beyond the limit."""

    boxes: Tuple[Box, ...]
    lines: Tuple[Line, ...]
    left_out: int


def drawing(before: Any, after: Any, most: int = 80) -> Drawing:
    """The nodes and edges that differ between two models, with their neighbours.

    Args:
      before: the ``Model`` before an edit.
      after: the ``Model`` after it.
      most: draw at most so many changed nodes: those nearest to what is kept come first.
    """
    old, new = before.index, after.index
    lines = _lines(old, new)
    changed = [name for name in list(old.nodes) + list(new.nodes) if (name in old) != (name in new)]
    touched = dict.fromkeys(end for line in lines if line.state != "kept" for end in (line.source, line.target))
    bordering = {line.source for line in lines if line.target in old and line.target in new}
    bordering |= {line.target for line in lines if line.source in old and line.source in new}
    order = sorted(dict.fromkeys(changed), key=lambda name: name not in bordering)
    shown = set(order[:most])
    shown.update(name for name in touched if name in old and name in new)
    drawn = [line for line in lines if line.source in shown and line.target in shown and (
        line.state != "kept" or line.source in order or line.target in order)]
    linked = {end for line in drawn for end in (line.source, line.target)}
    boxes = [Box(name, (old if name in old else new).op(name), _state(name in old, name in new))
             for name in dict.fromkeys(list(new.nodes) + list(old.nodes))
             if name in shown and (name in linked or name in order)]
    return Drawing(tuple(boxes), tuple(drawn), max(0, len(order) - most))


def dot(before: Any, after: Any, most: int = 80) -> str:
    """The drawing of an edit in the language of Graphviz."""
    drawn = drawing(before, after, most)
    lines = ["digraph edit {", "  rankdir=TB;", '  node [shape=box, fontname="sans-serif", fontsize=10];']
    for box in drawn.boxes:
        colour, dashes, sign = _STYLES[box.state]
        lines.append('  %s [label=%s, color="%s", fontcolor="%s", style="%s"];' % (
            _quoted(box.name), _quoted("%s%s\n%s" % (sign.strip() and sign + " ", box.name, box.op)), colour, colour,
            "dashed" if dashes else "solid"))
    for line in drawn.lines:
        colour, dashes, _ = _STYLES[line.state]
        style = "dotted" if line.control else "dashed" if dashes else "solid"
        lines.append('  %s -> %s [color="%s", style="%s"];' % (
            _quoted(line.source), _quoted(line.target), colour, style))
    return "\n".join(lines + ["}"]) + "\n"


def svg(before: Any, after: Any, most: int = 80) -> str:
    """The drawing of an edit as a self-contained SVG image, data flowing downwards."""
    drawn = drawing(before, after, most)
    places = _places(drawn)
    width = max([x for x, _ in places.values()] + [0]) + _ACROSS
    height = max([y for _, y in places.values()] + [0]) + _DOWN + 30
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" '
             'font-family="sans-serif" font-size="10">' % (width, height, width, height),
             "<title>%s</title>" % html.escape(_legend(drawn)), '<rect width="100%" height="100%" fill="#ffffff"/>']
    for line in drawn.lines:
        (x1, y1), (x2, y2) = places[line.source], places[line.target]
        colour, dashes, _ = _STYLES[line.state]
        parts.append('<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-dasharray="%s"/>' % (
            x1 + _WIDTH // 2, y1 + _HEIGHT, x2 + _WIDTH // 2, y2, colour, "1,3" if line.control else dashes))
    for box in drawn.boxes:
        x, y = places[box.name]
        colour, dashes, sign = _STYLES[box.state]
        parts.append(
            '<g fill="%s"><title>%s</title><rect x="%d" y="%d" width="%d" height="%d" rx="4" fill="#ffffff" '
            'stroke="%s" stroke-dasharray="%s"/><text x="%d" y="%d">%s</text><text x="%d" y="%d">%s</text></g>' % (
                colour, html.escape("%s %s (%s)" % (box.state, box.name, box.op)), x, y, _WIDTH, _HEIGHT, colour,
                dashes, x + 6, y + 14, html.escape(_short(sign + box.name)), x + 6, y + 27,
                html.escape(_short(box.op))))
    parts.append('<text x="6" y="%d" fill="#333333">%s</text></svg>' % (height - 8, html.escape(_legend(drawn))))
    return "\n".join(parts) + "\n"


def tensorboard(folder: Any, before: Any, after: Any) -> Tuple[str, str]:
    """Writes both graphs for TensorBoard's graph view, as two runs; returns their folders.

    Raises:
      EditError: there is something that is no folder in the way.
    """
    folder = os.fspath(folder)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise EditError("%r is a file; TensorBoard needs a folder" % folder)
    written = []
    for run, model in (("before", before), ("after", after)):
        path = os.path.join(folder, run)
        # In a graph of its own: an event writer is refused where a TF 2 program runs eagerly.
        with _tf.tf.Graph().as_default():
            writer = _tf.tf.summary.FileWriter(path)
            writer.add_graph(graph=None, graph_def=model.graph_def)
            writer.close()
        written.append(path)
    return written[0], written[1]


def _state(was: bool, now: bool) -> str:
    return "kept" if was and now else "removed" if was else "added"


def _lines(old: GraphIndex, new: GraphIndex) -> List[Line]:
    """Every edge of both graphs once."""
    edges: Dict[Tuple[str, str, bool], List[bool]] = {}
    for position, index in enumerate((old, new)):
        for name in index.nodes:
            for ref in index.inputs(name):
                edges.setdefault((ref.node, name, ref.is_control), [False, False])[position] = True
    return [Line(source, target, _state(*there), control) for (source, target, control), there in edges.items()]


def _places(drawn: Drawing) -> Dict[str, Tuple[int, int]]:
    """Upper left corners: a box stands below all that it reads (ways back of loops do not count)."""
    inputs: Dict[str, List[str]] = {box.name: [] for box in drawn.boxes}
    for line in drawn.lines:
        inputs[line.target].append(line.source)
    depth: Dict[str, int] = {}
    for name in producers_first(inputs, inputs.__getitem__):
        depth[name] = 1 + max([depth.get(source, -1) for source in inputs[name]] + [-1])
    users: Dict[str, List[str]] = {name: [] for name in inputs}
    for line in drawn.lines:
        if depth[line.source] < depth[line.target]:
            users[line.source].append(line.target)
    # As far down as what reads it allows, and above its middle: lines are short and cross few boxes.
    rows: Dict[int, List[str]] = {}
    for name in sorted(inputs, key=lambda name: -depth[name]):
        if users[name]:
            depth[name] = min(depth[user] for user in users[name]) - 1
        rows.setdefault(depth[name], []).append(name)
    column: Dict[str, int] = {}
    for row in sorted(rows, reverse=True):
        middle = {name: sum(column[user] for user in users[name]) / float(len(users[name])) if users[name] else 1e9
                  for name in rows[row]}
        column.update((name, at) for at, name in enumerate(sorted(rows[row], key=lambda name: middle[name])))
    return {name: (10 + column[name] * _ACROSS, 10 + depth[name] * _DOWN) for name in inputs}


def _legend(drawn: Drawing) -> str:
    count = {state: sum(box.state == state for box in drawn.boxes) for state in _STYLES}
    more = "; %d more changed nodes are not drawn" % drawn.left_out if drawn.left_out else ""
    return "- %d removed (dashed), + %d added, %d kept; control edges dotted%s" % (
        count["removed"], count["added"], count["kept"], more)


def _short(text: str, most: int = 32) -> str:
    return text if len(text) <= most else "…" + text[1 - most:]


def _quoted(text: str) -> str:
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
