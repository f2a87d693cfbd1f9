"""Executes the notebooks and writes their outputs back: ``python notebooks/run.py [NAME …]``.

Needs ``nbclient`` and ``ipykernel`` (the extra ``test``). A notebook's metadata say on which TensorFlow releases it
runs, ``{"tensorflow": {"from": "1.15", "to": "2.15"}}``; one that does not run on the release at hand is left as it is.
"""

import os
import pathlib
import sys
import tempfile
import time

import nbformat
from nbclient import NotebookClient

FOLDER = pathlib.Path(__file__).resolve().parent
TIMEOUT = 300  # seconds for one cell, on a machine busy with other things


def notebooks():
    """All notebooks, in order."""
    return sorted(FOLDER.glob("[0-9]*.ipynb"))


def read(path):
    return nbformat.read(str(path), as_version=4)


def runs_on(notebook, release):
    """Whether the notebook names a TensorFlow release such as ``(2, 15)``."""
    named = notebook.metadata["tensorflow"]
    first, last = (tuple(map(int, named.get(end, default).split("."))) for end, default in (
        ("from", "1.15"), ("to", "99.0")))
    return first <= tuple(release[:2]) <= last


def execute(path, folder):
    """The notebook with fresh outputs, run in ``folder``; a cell that raises is a ``CellExecutionError``."""
    notebook = read(path)
    paths = [str(FOLDER), str(FOLDER.parent)] + os.environ.get("PYTHONPATH", "").split(os.pathsep)
    client = NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", record_timing=False,
                            resources={"metadata": {"path": str(folder)}})
    client.execute(env=dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths))))
    return tidy(notebook)


def tidy(notebook):
    """Takes out what says where and when a notebook ran, so that the next run differs by what it found alone."""
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}, "tensorflow": notebook.metadata["tensorflow"]})
    for number, cell in enumerate(notebook.cells):
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in ("tags",) if key in cell.metadata})
        cell["id"] = "cell-%02d" % number
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
            for output in cell.outputs:
                if output.output_type in ("execute_result", "display_data"):
                    output.metadata = nbformat.from_dict({})
                    if "text/html" in output.data:  # the plain text beside it is an address in memory
                        output.data.pop("text/plain", None)
    return notebook


def _joined(outputs):
    """What was printed in pieces, as it happened to arrive, is one text."""
    joined = []
    for output in outputs:
        if joined and output.output_type == "stream" == joined[-1].output_type and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def main(wanted):
    import tensorflow

    release = tuple(int(part) for part in tensorflow.__version__.split(".")[:2])
    for path in notebooks():
        if wanted and not any(word in path.name for word in wanted):
            continue
        if not runs_on(read(path), release):
            print("%-28s not for TensorFlow %s" % (path.name, tensorflow.__version__))
            continue
        start = time.time()
        with tempfile.TemporaryDirectory() as folder:
            notebook = execute(path, folder)
        nbformat.write(notebook, str(path))
        print("%-28s %4.0f s %6.0f kB" % (path.name, time.time() - start, path.stat().st_size / 1000.0), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
