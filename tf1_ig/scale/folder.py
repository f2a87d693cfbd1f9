"""The folder that a data set's explanations go to: what was asked, one pair of files a range of rows, a lock.

A range of rows is done when its ``part-*.parquet`` is there: it is put in place last, and knows the digest of the
``dead-letter-*.jsonl`` beside it. Every file is written under another name, synced, and renamed.
"""

import contextlib
import hashlib
import json
import os
import re
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from graph_tools import whole_files
from tf1_ig.errors import FolderError
from tf1_ig.scale import records, schemas
from tf1_ig.scale.summary import Summary

PLAN, LOCK, SUMMARY, SUSPECTS = "_plan.json", "_lock", "_summary.json", "_suspects.json"
_UNFINISHED = re.compile(
    r"(part-\d+\.parquet|dead-letter-\d+\.jsonl|_(plan|summary|suspects)\.json)\.[0-9a-f]{8}\.part$")
_LETTERS = re.compile(r"dead-letter-\d+\.jsonl$")
_DONE = b"tf1_ig.range"


class Range(NamedTuple):
    """A range of rows: its number, and its rows with what they are called."""

    number: int
    rows: List[Any]


@contextlib.contextmanager
def taken(folder: str, plan: Mapping[str, Any], resume: bool) -> Iterator[None]:
    """The folder is ours, and holds what the plan says, as long as the block lasts.

    Raises:
      FolderError: it is used and nobody said ``resume``, it was made by another plan, or another process writes to it.
    """
    _refuse_other(folder, plan, resume)
    os.makedirs(folder, exist_ok=True)
    with _locked(folder):
        fresh = _refuse_other(folder, plan, resume)
        for name in os.listdir(folder):
            if _UNFINISHED.match(name):
                os.remove(os.path.join(folder, name))
        if fresh:
            _write_json(os.path.join(folder, PLAN), plan)
        yield


def _refuse_other(folder: str, plan: Mapping[str, Any], resume: bool) -> bool:
    """Whether nothing was done in the folder; else it must have been begun as the plan says, and be resumed."""
    names = {name for name in os.listdir(folder) if name != LOCK and not _UNFINISHED.match(name)} if os.path.isdir(
        folder) else set()
    if not names or names == {PLAN} and not resume:  # what was asked for may have been refused by the model
        return True
    if not resume:
        raise FolderError("the folder %r is not empty; give another, or --resume to go on in this one (in Python "
                          "resume=True)" % folder)
    path = os.path.join(folder, PLAN)
    try:
        with open(path, encoding="utf-8") as file:
            before = dict(json.load(file))
    except (OSError, ValueError, TypeError, RecursionError) as wrong:
        raise FolderError("the folder %r cannot be resumed: its %s cannot be read (%s); give another folder" % (
            folder, PLAN, wrong)) from wrong
    now = json.loads(json.dumps(plan))
    other = sorted(key for key in set(before) | set(now) if before.get(key) != now.get(key))
    if other:
        raise FolderError("the folder %r was begun with another %s; resume it with what it was begun with, or give "
                          "another folder" % (folder, " and another ".join(other)))
    return False


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Refuses a second process; the system lets go when the first ends, however it ends."""
    with open(os.path.join(folder, LOCK), "a") as file:
        try:
            import fcntl
        except ImportError:  # not on Windows
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as wrong:
            raise FolderError("another process is writing to the folder %r (%s); wait for it, or give another "
                              "folder" % (folder, wrong.strerror or wrong)) from wrong
        yield


def _write_json(path: str, tree: Any) -> None:
    with whole_files.writing(path, "w", encoding="utf-8") as file:
        json.dump(tree, file, indent=1, ensure_ascii=False)


def part_name(number: int) -> str:
    """The file of the explained rows of a range."""
    return "part-%05d.parquet" % number


def dead_letter_name(number: int) -> str:
    """The file of the rejected rows of a range; there is none where no row was rejected."""
    return "dead-letter-%05d.jsonl" % number


def first_rejected(folder: str) -> str:
    """The first rejected row, its column and the reason, in one line; ``""`` where no row was rejected."""
    for name in sorted(os.listdir(folder)):
        if _LETTERS.match(name):
            path = os.path.join(folder, name)
            try:
                with open(path, encoding="utf-8") as file:
                    letter = json.loads(file.readline())
                column = ", column %r" % letter["column"] if letter["column"] else ""
                return "%s%s: %s (%s)" % (letter["key"], column, letter["reason"], path)
            except (ValueError, TypeError, KeyError) as wrong:
                return "%s cannot be read (%s)" % (path, wrong)
    return ""


def write(folder: str, number: int, found: Sequence[Dict[str, Any]]) -> Summary:
    """Writes the records of a range, the rejected first; with the others it is done."""
    pa = schemas.arrow()
    import pyarrow.parquet as parquet
    good = [record for record in found if record["status"] == schemas.EXPLAINED]
    letters = "".join(json.dumps({key: record[key] for key in ("key", "reason", "column")}, ensure_ascii=False) + "\n"
                      for record in found if record["status"] != schemas.EXPLAINED)
    data = letters.encode("utf-8", "backslashreplace")
    path = os.path.join(folder, dead_letter_name(number))
    if data:
        with whole_files.writing(path) as file:
            file.write(data)
    elif os.path.exists(path):
        os.remove(path)
    summary = Summary(len(found), len(good), len(found) - len(good), sum(not one["converged"] for one in good), 0.0,
                      sum(one["evaluations"] for one in good),
                      doubtful=sum(bool(one["failing_checks"]) for one in good))
    done = {"number": number, "rows": summary.rows, "explained": summary.explained, "rejected": summary.rejected,
            "unconverged": summary.unconverged, "evaluations": summary.evaluations,
            "doubtful": summary.doubtful, "dead_letters": hashlib.sha256(data).hexdigest()}
    table = pa.Table.from_batches([records.batch(good)])
    table = table.replace_schema_metadata(dict(table.schema.metadata, **{_DONE.decode(): json.dumps(done)}))
    with whole_files.writing(os.path.join(folder, part_name(number))) as file:
        parquet.write_table(table, file)
    return summary


def done(folder: str, number: int, rows: int) -> Optional[Summary]:
    """What became of the rows of a range that is done; ``None`` where it is not, or a file of it is broken."""
    schemas.arrow()
    import pyarrow.parquet as parquet
    path = os.path.join(folder, part_name(number))
    if not os.path.exists(path):
        return None
    # pyarrow's errors derive from ValueError, OSError and others; a file that does not open is written again.
    try:
        with open(path, "rb") as file:
            table = parquet.ParquetFile(file).read()
        told = json.loads(table.schema.metadata[_DONE].decode())
        letters = b""
        if told["rejected"]:
            with open(os.path.join(folder, dead_letter_name(number)), "rb") as file:
                letters = file.read()
    except Exception:  # noqa: B902
        return None
    if (told["rows"], told["explained"], told["number"]) != (rows, table.num_rows, number) or (
            hashlib.sha256(letters).hexdigest() != told["dead_letters"]):
        return None
    return Summary(told["rows"], told["explained"], told["rejected"], told["unconverged"], 0.0, told["evaluations"],
                   doubtful=told.get("doubtful", 0))


def finish(folder: str, summary: Summary) -> None:
    """Writes what became of all rows."""
    _write_json(os.path.join(folder, SUMMARY), dict(vars(summary)))
