"""One library in a process of its own: reads requests, one JSON object a line, and answers each with one.

``{"do": "forward"}``, ``{"do": "explain", "rows": 64, "steps": 50, "values": true}``, ``{"do": "memory"}``; ``open``
is implied by the start. Times are measured here, around the explanation alone.
"""

import json
import os
import resource
import sys
import time

import numpy as np


def main(library: str, network: str, folder: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answers
    from benchmarks.libraries import LIBRARIES

    def answer(**found):
        answers.write(json.dumps(found) + "\n")
        answers.flush()

    with np.load(os.path.join(folder, network + ".npz")) as data:
        weights = dict(data)
    ids, labels = weights.pop("ids"), weights.pop("labels")
    try:
        opened = LIBRARIES[library].open(network, weights)
    except ImportError as lacking:
        answer(failed="%s: %s" % (type(lacking).__name__, lacking))
        return
    answer(opened=True)
    for line in sys.stdin:
        request = json.loads(line)
        rows = slice(request.get("start", 0), request.get("start", 0) + request.get("rows", len(ids)))
        if request["do"] == "forward":
            answer(scores=np.asarray(opened.forward(ids[rows]), np.float64).tolist())
        elif request["do"] == "memory":
            # KiB on Linux, bytes on macOS
            answer(peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if sys.platform != "darwin"
                                                                              else 2.0 ** 20))
        else:
            start, begun = time.perf_counter(), time.process_time()
            values, evaluations = opened.explain(ids[rows], labels[rows], request["steps"])
            took, cpu = time.perf_counter() - start, time.process_time() - begun
            if request.get("values") and values is not None:
                np.save(request["values"], np.asarray(values, np.float64))
            answer(seconds=took, cpu_seconds=cpu, evaluations=evaluations)


if __name__ == "__main__":
    main(*sys.argv[1:])
