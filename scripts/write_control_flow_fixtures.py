"""Writes tests/fixtures/control_flow: loops and branches as each generation of TensorFlow freezes and optimises them.

Other releases cannot write these graphs, but their users load them. Run twice:

    python scripts/write_control_flow_fixtures.py       # with TensorFlow 1.15: Enter, Switch and Merge, cells, decoders
    python scripts/write_control_flow_fixtures.py       # with TensorFlow 2.15: functional ops, and those lowered
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "fixtures" / "control_flow"


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from graph_tools import _tf
    from tests.models import control_flow, freezing, functional

    FOLDER.mkdir(parents=True, exist_ok=True)
    if _tf.version[0] == 1:
        made = (freezing.freeze(kind, tuple(freezing.OPTIMIZERS)) for kind in control_flow.BOTH + control_flow.TF1)
    else:
        made = (functional.freeze(function) for function in functional.FUNCTIONS)
    total = 0
    for frozen in made:
        path = FOLDER / (frozen.name + ".npz")
        freezing.save(frozen, path)
        total += path.stat().st_size
        print("%-34s %6d bytes  %s" % (frozen.name, path.stat().st_size, ", ".join(sorted(frozen.graphs))))
    print("%d bytes" % total)
    return 0


if __name__ == "__main__":
    sys.exit(main())
