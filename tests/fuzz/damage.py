"""Ways to damage a file, by its bytes or by what it says; ``random`` is a ``numpy`` generator of a known seed."""

import json
from typing import Any, Callable, Tuple

from graph_tools import _tf

_NUMBERS = (0, -1, 1, 2 ** 31 - 1, -2 ** 31, 2 ** 40, 2 ** 63 - 1, -2 ** 63)
_TEXTS = ("", "\x00", "a" * 10000, "^", "x:y", "é\u202e", "../../../etc/passwd", "NaN", "[" * 3000)
_JSON = (None, True, -1, 0, 1e308, 2 ** 70, "", "x", "\udcff", [], {}, [[]], [None], {"": None}, float("nan"), "../..",
         ["a"] * 50)


def flipped(data: bytes, random) -> bytes:
    """Some bits turned over."""
    found = bytearray(data)
    for _ in range(random.randint(1, 9)):
        found[random.randint(len(found))] ^= 1 << random.randint(8)
    return bytes(found)


def torn(data: bytes, random) -> bytes:
    """Cut short."""
    return data[:random.randint(len(data))]


def spliced(data: bytes, random) -> bytes:
    """A piece taken out, repeated, or put elsewhere."""
    start, end = sorted(random.randint(len(data), size=2))
    piece = data[start:min(end, start + 4096)]
    at = random.randint(len(data))
    return (data[:start] + data[end:], data[:at] + piece + data[at:], data[:at] + piece * 3 + data[at + len(piece):])[
        random.randint(3)]


def noisy(data: bytes, random) -> bytes:
    """A piece overwritten by anything."""
    at, count = random.randint(len(data)), random.randint(1, 64)
    return data[:at] + random.bytes(count) + data[at + count:]


BYTES: Tuple[Callable[[bytes, Any], bytes], ...] = (flipped, torn, spliced, noisy)


def of_bytes(data: bytes, random) -> bytes:
    return BYTES[random.randint(len(BYTES))](data, random)


def of_message(kind: Any) -> Callable[[bytes, Any], bytes]:
    """Damages what a protobuf says: some of its fields, however deep, get other values."""
    def damage(data: bytes, random) -> bytes:
        message = kind()
        message.ParseFromString(data)
        for _ in range(random.randint(1, 5)):
            _change(message, random)
        return message.SerializePartialToString()
    return damage


def of_text_message(kind: Any) -> Callable[[bytes, Any], bytes]:
    """The same for a message that is written as text."""
    def damage(data: bytes, random) -> bytes:
        message = kind()
        _tf.text_format.Parse(data.decode("utf-8"), message)
        for _ in range(random.randint(1, 5)):
            _change(message, random)
        return _tf.text_format.MessageToString(message).encode("utf-8")
    return damage


def _change(message: Any, random) -> None:
    """Walks down to some field and changes it."""
    for _ in range(12):
        fields = [field for field, _ in message.ListFields()]
        if not fields:
            return
        field = fields[random.randint(len(fields))]
        value = getattr(message, field.name)
        if hasattr(value, "MergeFrom") and hasattr(value, "keys"):  # a map
            keys = sorted(value.keys(), key=str)
            if not keys or not random.randint(4):
                value.pop(keys[0], None) if keys else None
                return
            value = value[keys[random.randint(len(keys))]]
            if not hasattr(value, "ListFields"):
                return
            message = value
        elif hasattr(value, "append") or hasattr(value, "add"):  # repeated
            if _change_list(value, random):
                return
            message = value[random.randint(len(value))]
        elif hasattr(value, "ListFields"):
            if not random.randint(12):
                message.ClearField(field.name)
                return
            message = value
        else:
            _set(message, field, value, random)
            return


def _change_list(values: Any, random) -> bool:
    """Drops, repeats, swaps or changes an entry; whether that was all."""
    if not len(values):
        return True
    number = random.randint(len(values))
    if hasattr(values[number], "ListFields"):
        choice = random.randint(8)
        if choice == 0:
            del values[number]
        elif choice == 1:
            values.add().CopyFrom(values[number])
        elif choice == 2:
            values[number].CopyFrom(values[random.randint(len(values))])
        return choice < 3
    if random.randint(2):
        del values[number]
    else:
        values[number] = _other(values[number], values, random)
    return True


def _other(value: Any, others: Any, random) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return int((value + 1, value * 2, -value, random.randint(100))[random.randint(4)]) % 2 ** 31
    if isinstance(value, float):
        return (float("nan"), float("inf"), -value, 1e30)[random.randint(4)]
    if isinstance(value, bytes):
        return (b"", value[:-1], value + b"\xff", random.bytes(20))[random.randint(4)]
    neighbour = others[random.randint(len(others))] if hasattr(others, "__len__") else value + "_"
    return (neighbour, value[:-1], value + ":1", _TEXTS[random.randint(len(_TEXTS))])[random.randint(4)]


def _set(message: Any, field: Any, value: Any, random) -> None:
    wanted = _other(value, None, random)
    if isinstance(value, int) and not isinstance(value, bool) and random.randint(2):
        wanted = _NUMBERS[random.randint(len(_NUMBERS))]
    try:
        setattr(message, field.name, wanted)
    except (ValueError, TypeError, UnicodeError):  # more than the field holds
        message.ClearField(field.name)


def of_json(data: bytes, random) -> bytes:
    """Damages what a JSON file says: values and keys at some places."""
    tree = json.loads(data.decode("utf-8"))
    for _ in range(random.randint(1, 4)):
        tree = _changed(tree, random)
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def _changed(tree: Any, random) -> Any:
    if isinstance(tree, dict) and tree and random.randint(6):
        key = sorted(tree)[random.randint(len(tree))]
        choice = random.randint(8)
        if choice == 0:
            return {other: value for other, value in tree.items() if other != key}
        if choice == 1:
            return dict({other: value for other, value in tree.items() if other != key}, **{key + "_": tree[key]})
        return dict(tree, **{key: _changed(tree[key], random)})
    if isinstance(tree, list) and tree and random.randint(6):
        number = random.randint(len(tree))
        return tree[:number] + ([] if not random.randint(6) else [_changed(tree[number], random)]) + tree[number + 1:]
    return _JSON[random.randint(len(_JSON))]
