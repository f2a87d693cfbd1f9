"""Writes tests/fixtures/releases/<release>.zip: what tf1-ig edit makes of two checkpoints on this TensorFlow.

Every other release must read it. Run once with each of 1.15, 2.15 and 2.21:

    python scripts/write_release_fixtures.py
"""

import pathlib
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from graph_tools import _tf
    from tests.models import served

    archive = ROOT / "tests" / "fixtures" / "releases" / (_tf.tf.__version__ + ".zip")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("written", "scratch"):
            (pathlib.Path(folder) / name).mkdir()
        served.write(folder + "/written", folder + "/scratch")
        paths = sorted(path for path in pathlib.Path(folder, "written").rglob("*") if path.is_file())
        with zipfile.ZipFile(str(archive), "w", zipfile.ZIP_DEFLATED) as file:
            for path in paths:
                file.write(str(path), str(path.relative_to(pathlib.Path(folder, "written"))))
    print("%s: %d files, %d bytes" % (archive.relative_to(ROOT), len(paths), archive.stat().st_size))
    return 0


if __name__ == "__main__":
    sys.exit(main())
