"""Feeds in .npz whose archive was damaged: one error that names the file, whichever reader meets it."""

import numpy as np
import pytest

from graph_tools.errors import FeedError
from tf1_ig.commands import feed_file
from tf1_ig.rows import readers


def _damaged(path, offset, value):
    """An archive with a byte of its directory changed: 8 is the flags (1: encrypted), 10 the way it is packed."""
    np.savez(path, ids=np.arange(4), lengths=np.arange(4))
    data = bytearray(open(path, "rb").read())
    data[data.index(b"PK\x01\x02") + offset] = value
    with open(path, "wb") as file:
        file.write(data)
    return path


@pytest.mark.parametrize("offset, value, said", [(8, 1, "encrypted"), (10, 99, "compression")])
def test_archives_that_zipfile_refuses_by_a_runtime_error(tmp_path, offset, value, said):
    path = _damaged(str(tmp_path / "feed.npz"), offset, value)
    with pytest.raises(FeedError, match="cannot be read .*%s" % said):
        feed_file.read_feed(path)
    with pytest.raises(FeedError, match="cannot be read .*%s" % said):
        list(readers._arrays(path, None))


def test_a_whole_archive_is_read(tmp_path):
    path = str(tmp_path / "feed.npz")
    np.savez(path, ids=np.arange(4))
    assert feed_file.read_feed(path)["ids"].tolist() == [0, 1, 2, 3]
