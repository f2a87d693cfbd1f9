"""What befalls a folder that a data set is explained into, beside kills: a full disk, torn files, two commands at once.

    python scripts/disk_campaign.py --rows 2000

The disk is a small tmpfs where this process may mount one (Linux, root). After each mishap the command is run again
with --resume; each row must be there once, and files that were whole must not have been touched.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.many_rows import demo_spec, lines, reviews, written  # noqa: E402


def command(spec, source, out):
    """The words of the command."""
    return [sys.executable, "-m", "tf1_ig", "explain-many", "--spec", spec, "--input", source, "--out", str(out),
            "--key", "key", "--workers", "1", "--rows-per-shard", "64", "--quiet", "--resume"]


def run(*job):
    """Runs the command; its status, and what it says on stderr that is not TensorFlow's."""
    done = subprocess.run(command(*job), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", PYTHONPATH=str(ROOT)))
    said = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.startswith("error:")]
    return done.returncode, " ".join(said)


def miscounted(out, keys):
    """What is wrong with a folder that is said to be complete; "": nothing."""
    count = collections.Counter(row["key"] for found in written(out) for row in found)
    lost, doubled = set(keys) - set(count), [key for key, number in count.items() if number > 1]
    return "%d lost, %d doubled" % (len(lost), len(doubled)) if lost or doubled else ""


@contextlib.contextmanager
def small_disk(folder, kilobytes):
    """A disk of its own, which can be made larger; ``None`` where it may not be mounted."""
    os.mkdir(folder)
    options = ["mount", "-t", "tmpfs", "-o", "size=%dk" % kilobytes, "tmpfs", folder]
    if subprocess.run(options, stderr=subprocess.DEVNULL).returncode:
        yield None
        return
    try:
        yield lambda more: subprocess.check_call(["mount", "-o", "remount,size=%dk" % more, folder])
    finally:
        subprocess.check_call(["umount", "-l", folder])


def full(folder, spec, source, keys, drawn):
    """A disk that is full at one place after the other, until the job is done."""
    out, size = os.path.join(folder, "small"), int(drawn.randint(60, 120))
    with small_disk(out, size) as enlarged:
        if enlarged is None:
            return "left out: no tmpfs may be mounted here"
        stops = 0
        while True:
            status, said = run(spec, source, os.path.join(out, "folder"))
            if not status:
                return miscounted(os.path.join(out, "folder"), keys) or "ok: full %d times" % stops
            if "No space left" not in said:
                return "ended with status %d: %s" % (status, said)
            stops, size = stops + 1, size * 2
            enlarged(size)


def torn(folder, spec, source, keys, drawn):
    """The end of a file is missing, half a file of another name lies about, a dead letter is cut."""
    out = pathlib.Path(folder, "torn")
    run(spec, source, out)
    parts, letters = (sorted(out.glob(names)) for names in ("part-*.parquet", "dead-letter-*.jsonl"))
    hurt = [parts[-1], parts[int(drawn.randint(len(parts) - 1))], letters[-1]]
    for path in hurt:
        data = path.read_bytes()
        path.write_bytes(data[:int(drawn.randint(len(data)))])
    (out / (parts[0].name + ".0123abcd.part")).write_bytes(b"PAR1 half")
    numbers = {path.name.split("-")[-1].split(".")[0] for path in hurt}
    whole = {path: path.stat().st_mtime_ns for path in parts if path.name.split("-")[-1].split(".")[0] not in numbers}
    status, said = run(spec, source, out)
    if status or any(path.stat().st_mtime_ns != stamp for path, stamp in whole.items()):
        return "status %d, or a whole file was written again: %s" % (status, said)
    return miscounted(out, keys) or ("a half file is left" if list(out.glob("*.part")) else "ok: 3 of %d files torn" % (
        len(parts) + len(letters)))


def two(folder, spec, source, keys, drawn):
    """Two commands at once on one folder."""
    out = os.path.join(folder, "two-%d" % drawn.randint(10 ** 6))
    jobs = [subprocess.Popen(command(spec, source, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(
        os.environ, TF_CPP_MIN_LOG_LEVEL="3", PYTHONPATH=str(ROOT))) for _ in range(2)]
    said = [job.communicate()[1].decode("utf-8", "replace") for job in jobs]
    ends = sorted(job.returncode for job in jobs)
    if ends != [0, 1] or not any("another process is writing" in one for one in said):
        return "they ended with %s: %s" % (ends, [one[-200:] for one in said])
    return miscounted(out, keys) or "ok: one was refused"


MISHAPS = (full, torn, two)


def main(words=None):
    """Runs the campaign; 1 where a folder is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args(words)
    failed = 0
    for turn in range(options.turns):
        with tempfile.TemporaryDirectory() as folder:
            spec, rows = demo_spec(folder), reviews(options.rows, seed=turn, longest=20)
            for row in rows[::20]:
                row["text"] = ""
            source = lines(os.path.join(folder, "rows.jsonl"), rows)
            for mishap in MISHAPS:
                found = mishap(folder, spec, source, [row["key"] for row in rows], np.random.RandomState(turn))
                failed += not found.startswith(("ok", "left out"))
                print("%s: %s" % (mishap.__name__, found), flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
