"""Writes tests/fixtures/control_flow: loops and branches as TensorFlow 1.15 writes, freezes and optimises them.

Newer releases cannot write these graphs, but their users load them. Run with TensorFlow 1.15:

    python scripts/write_control_flow_fixtures.py
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from graph_tools import _tf
    from tests.models import control_flow, freezing

    if _tf.version[0] != 1:
        print("error: these graphs are written by TensorFlow 1.15, and this is %s" % _tf.tensorflow.__version__)
        return 1
    folder = ROOT / "tests" / "fixtures" / "control_flow"
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    for kind in control_flow.BOTH + control_flow.TF1:
        frozen = freezing.freeze(kind, tuple(freezing.OPTIMIZERS))
        path = folder / (kind.name + ".npz")
        freezing.save(frozen, path)
        total += path.stat().st_size
        print("%-34s %6d bytes  %s" % (kind.name, path.stat().st_size, ", ".join(sorted(frozen.graphs))))
    print("%d bytes" % total)
    return 0


if __name__ == "__main__":
    sys.exit(main())
