"""Where each compared library runs: an interpreter, and a folder of what it needs that this project does not.

Folders are filled once, by pip, in a cache outside the checkout; a library that cannot be had is left out of the run
with its reason. They go to the *end* of ``sys.path``, so that the interpreter's own numpy and TensorFlow stay.
"""

import os
import pathlib
import subprocess
import sys
from typing import Dict, NamedTuple, Optional, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Environment(NamedTuple):
    # Interpreters tried in this order; "" is the one that runs the benchmark.
    interpreters: Sequence[str]
    packages: Sequence[str] = ()
    # Packages installed without what they ask for (their pins would pull other releases).
    alone: Sequence[str] = ()


ENVIRONMENTS = {
    "tensorflow": Environment(("",)),
    "saliency": Environment(("",), ("scipy", "scikit-image"), ("saliency==0.2.1",)),
    # alibi 0.9.6 needs Keras 2, so TensorFlow below 2.16.
    "alibi": Environment((".venv-tf215/bin/python", ""), (
        "scikit-learn", "scikit-image", "dill", "tqdm", "pydantic", "attrs", "pandas<3", "matplotlib", "spacy",
        "transformers<4.40"), ("alibi==0.9.6",)),
    "torch": Environment(("",), ("torch==2.13.0", "captum==0.9.0")),
    # shap 0.44 lists a result for each class; it and tf2onnx ask for numpy 1.
    "shap": Environment((".venv-tf215/bin/python", ""), (
        "scikit-learn", "pandas<3", "tqdm", "packaging", "numba", "cloudpickle"), ("shap==0.44.1", "slicer==0.0.7")),
    "converters": Environment((".venv-tf215/bin/python", ""), ("torch==2.13.0", "captum==0.9.0", "requests"), (
        "onnx==1.16.2", "tf2onnx==1.16.1", "onnx2pytorch==0.6.0", "torchvision==0.28.0")),
}


class Ready(NamedTuple):
    python: str
    extra: Optional[str]
    why_not: str = ""


def prepare(name: str, chosen: Dict[str, str], folders: Dict[str, str]) -> Ready:
    """The interpreter and the folder of an environment; both can be chosen (``--python``, ``--folder``)."""
    environment = ENVIRONMENTS[name]
    found = [chosen[name]] if name in chosen else [
        str(ROOT / path) if path else sys.executable for path in environment.interpreters]
    python = next((path for path in found if os.path.exists(path)), None)
    if python is None:
        return Ready("", None, "no interpreter: %s" % ", ".join(found))
    if name in folders or not (environment.packages or environment.alone):
        return Ready(python, folders.get(name))
    version = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                             stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout.strip()
    folder = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "tf1-ig" / "benchmarks"
    folder = folder / ("%s-py%s" % (name, version))
    stamp, wanted = folder / "stamp", repr(environment)
    if not stamp.exists() or stamp.read_text() != wanted:
        for packages, more in ((environment.packages, []), (environment.alone, ["--no-deps"])):
            if not packages:
                continue
            done = subprocess.run([python, "-m", "pip", "install", "-q", "--target", str(folder), "--upgrade"] + more +
                                  list(packages), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  universal_newlines=True, check=False)
            if done.returncode:
                return Ready(python, None, "pip: " + (done.stdout.strip().splitlines() or ["failed"])[-1][:200])
        stamp.write_text(wanted)
    return Ready(python, str(folder))
