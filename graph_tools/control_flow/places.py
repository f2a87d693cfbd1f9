"""The places of a graph, outer ones first, and the pivot of each: what a context needs besides its members."""

from typing import Dict, List, Optional, Tuple

from graph_tools.control_flow.arms import Place
from graph_tools.control_flow.structure import Structure
from graph_tools.graph.ops import ENTERS, IDENTITIES, MERGES, NEXTS, SWITCHES


def places(structure: Structure) -> List[Place]:
    """Every place that needs a context, outer ones first."""
    found: Dict[Place, int] = {}

    def depth(place: Optional[Place]) -> int:
        if place is None or place == Place():
            return 0
        if place not in found:
            found[place] = 1 + depth(outer_place(structure, place))
        return found[place]

    for place in set(structure.place.values()):
        depth(place)
    return sorted(found, key=lambda place: (found[place], str(place)))


def outer_place(structure: Structure, place: Place) -> Optional[Place]:
    """The place around a place; none around the graph's own."""
    if place.arms:
        return place._replace(arms=place.arms[:-1])
    return structure.loops[place.loop].parent if place.loop else None


def pivots(structure: Structure) -> Dict[Place, str]:
    """For each branch a node that runs whenever the branch is taken: an Identity of the predicate if there is one.

    A Switch will not do (it runs in both cases), nor will anything that runs under further conditions.
    """
    found: Dict[Place, Tuple[int, str]] = {}
    for name in structure.order:
        node, place = structure.nodes[name], structure.place[name]
        if not place.arms or node.op in SWITCHES | MERGES | ENTERS | NEXTS or len(node.inputs) != 1:
            continue
        source = structure.nodes.get(node.inputs[0].node)
        if source is None or source.op not in SWITCHES or source.name not in structure.switch_pred:
            continue
        if structure.switch_pred[source.name] != place.arms[-1].pred:
            continue
        rank = (0 if node.op in IDENTITIES and source.inputs[0] == source.inputs[1] else
                1 if node.op in IDENTITIES else 2)
        if place not in found or rank < found[place][0]:
            found[place] = (rank, name)
    return {place: name for place, (_, name) in found.items()}
