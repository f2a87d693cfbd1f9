"""Tables of checkpoints whose blocks do not lie in their files are refused before TensorFlow takes memory for them."""

import shutil

import pytest

from graph_tools import _tf
from graph_tools.errors import ModelFormatError
from graph_tools.load import tables_on_disk
from graph_tools.load.checkpoint import open_checkpoint

FORMATS = {"V2": 2, "V1": 1}  # of TensorFlow's Saver


@pytest.fixture(scope="module", params=sorted(FORMATS))
def saved(request, tmp_path_factory):
    """A model of thirty variables; its prefix and the file that is a table."""
    tf = _tf.tf
    prefix = str(tmp_path_factory.mktemp("saved") / "model")
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 2], "x")
        parts = [tf.get_variable("layer%d/weights" % number, [2, 3]) for number in range(30)]
        tf.identity(tf.matmul(x, tf.add_n(parts)), name="y")
        session.run(tf.global_variables_initializer())
        tf.train.Saver(write_version=FORMATS[request.param]).save(session, prefix)
    return prefix, prefix + (".index" if request.param == "V2" else "")


@pytest.fixture
def copied(saved, tmp_path):
    prefix, table = saved
    for path in _tf.tf.io.gfile.glob(prefix + "*"):
        shutil.copy(path, str(tmp_path))
    return str(tmp_path / "model"), str(tmp_path / table.rpartition("/")[2])


def varint(number):
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes(found + bytearray([number]))


def written(path, data):
    with open(path, "wb") as file:
        file.write(data)


def test_what_a_saver_wrote_is_in_its_file(copied):
    prefix, table = copied
    tables_on_disk.refuse_outside(table)
    assert len(open_checkpoint(prefix, "this").keys) == 30


@pytest.mark.parametrize("offset, size", [(0, 1 << 60), (1 << 40, 5), (0, 10 ** 6)])
@pytest.mark.parametrize("which", [0, 1])
def test_a_footer_that_claims_more(copied, which, offset, size):
    prefix, table = copied
    data = open(table, "rb").read()
    handles = [data[-48:-8], varint(offset) + varint(size)]
    footer = (handles[1] + varint(0) + varint(5) if not which else varint(0) + varint(5) + handles[1]).ljust(40, b"\0")
    written(table, data[:-48] + footer + data[-8:])
    with pytest.raises(ModelFormatError, match="block of %d bytes at %d does not lie in it" % (size, offset)):
        open_checkpoint(prefix, "this")


def test_an_index_that_claims_more(copied):
    """The last block before the footer is the index: one key, and where its block lies."""
    prefix, table = copied
    data = open(table, "rb").read()
    index = b"\0" + varint(1) + varint(len(varint(7) + varint(1 << 50))) + b"k" + varint(7) + varint(1 << 50)
    index += b"\0\0\0\0\1\0\0\0"
    place = varint(len(data) - 48) + varint(len(index))
    written(table, data[:-48] + index + b"\0" + b"sum!" + (varint(0) + varint(5) + place).ljust(40, b"\0") + data[-8:])
    with pytest.raises(ModelFormatError, match="block of %d bytes at 7 does" % (1 << 50)):
        open_checkpoint(prefix, "this")


@pytest.mark.parametrize("data", [b"", b"short", b"\xff" * 40 + tables_on_disk._MAGIC, b"\0" * 60])
def test_what_is_no_table_is_left_to_the_reader(tmp_path, data):
    written(str(tmp_path / "t"), data)
    tables_on_disk.refuse_outside(str(tmp_path / "t"))
