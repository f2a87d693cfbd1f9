"""Whether a model is still the one that a spec was written for: TensorFlow's own formats notice no flipped bit."""

import glob
import hashlib
import os


def sha256(path: str) -> str:
    """One file's own digest; for a folder or a prefix that of the names and digests of its files, in order."""
    if os.path.isfile(path):
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest()
    files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names] or glob.glob(
        glob.escape(path) + ".*")
    lines = ["%s %s" % (os.path.relpath(name, os.path.dirname(path)), sha256(name)) for name in sorted(files)]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
