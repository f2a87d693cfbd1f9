"""A JSON tree held against the published schema: every mistake with its place in the file.

The schema is JSON Schema, draft 7; of its words those that the schema of specs uses are understood, and a word that is
not is refused when the schema is read, so that no rule is passed over.
"""

import difflib
import json
import os
from typing import Any, Dict, Iterator, Tuple

from tf1_ig.errors import SpecError

PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "spec.schema.json")

_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
_NOTES = frozenset(("$schema", "$id", "title", "description", "definitions", "default", "examples"))


def load() -> Dict[str, Any]:
    """The published schema."""
    with open(PATH, encoding="utf-8") as file:
        return json.load(file)


def check(tree: Any, schema: Dict[str, Any], what: str) -> None:
    """Refuses a tree that the schema does not allow.

    Raises:
      SpecError: the first mistake: where it is, what it is, and what may stand there.
    """
    for place, wrong in _mistakes(tree, schema, schema, ()):
        raise SpecError("%s: %s%s" % (what, "%s: " % format_place(place) if place else "", wrong))


def format_place(place: Tuple[Any, ...]) -> str:
    """A place in a file for people: ``feed["ids:0"].tokenizer.kind``."""
    text = ""
    for part in place:
        if isinstance(part, int) or not part.isidentifier():
            text += "[%s]" % json.dumps(part, ensure_ascii=False)
        else:
            text += "." * bool(text) + part
    return text


def _mistakes(value: Any, rule: Any, root: Any, place: Any) -> Iterator[Tuple[Tuple[Any, ...], str]]:
    for word, argument in rule.items():
        if word not in _NOTES:
            yield from _WORDS[word](value, argument, rule, root, place)


def _fits(value: Any, rule: Any, root: Any) -> bool:
    return next(_mistakes(value, rule, root, ()), None) is None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def _is(value: Any, name: str) -> bool:
    if name in ("number", "integer"):
        kinds: Any = (int, float) if name == "number" else int
        return isinstance(value, kinds) and not isinstance(value, bool)
    return isinstance(value, _TYPES[name])


def _type(value: Any, names: Any, rule: Any, root: Any, place: Any) -> Any:
    names = [names] if isinstance(names, str) else names
    if not any(_is(value, name) for name in names):
        yield place, "%s is not %s" % (_shown(value), " or ".join(
            ("an " if name[0] in "aeio" else "a ") + name if name != "null" else name for name in names))


def _enum(value: Any, allowed: Any, rule: Any, root: Any, place: Any) -> Any:
    if value not in allowed:
        near = difflib.get_close_matches(str(value), [str(one) for one in allowed], 1)
        yield place, "%s is none of: %s%s" % (_shown(value), ", ".join(_shown(one) for one in allowed),
                                              "; did you mean %r?" % near[0] if near else "")


def _const(value: Any, only: Any, rule: Any, root: Any, place: Any) -> Any:
    if value != only or isinstance(value, bool) != isinstance(only, bool):
        yield place, "%s is not %s" % (_shown(value), _shown(only))


def _required(value: Any, keys: Any, rule: Any, root: Any, place: Any) -> Any:
    for key in keys if isinstance(value, dict) else ():
        if key not in value:
            yield place, "%r is missing" % key


def _properties(value: Any, rules: Any, rule: Any, root: Any, place: Any) -> Any:
    for key in value if isinstance(value, dict) else ():
        if key in rules:
            yield from _mistakes(value[key], rules[key], root, place + (key,))


def _additional(value: Any, allowed: Any, rule: Any, root: Any, place: Any) -> Any:
    known = rule.get("properties", {})
    for key in value if isinstance(value, dict) else ():
        if key in known:
            continue
        if allowed is False:
            near = difflib.get_close_matches(key, known, 1)
            yield place + (key,), "unknown key; %s" % (
                "did you mean %r?" % near[0] if near else "known are: %s" % ", ".join(sorted(known)))
        else:
            yield from _mistakes(value[key], allowed, root, place + (key,))


def _items(value: Any, rule_of_items: Any, rule: Any, root: Any, place: Any) -> Any:
    for number, item in enumerate(value if isinstance(value, list) else ()):
        yield from _mistakes(item, rule_of_items, root, place + (number,))


def _sizes(word: Any, compare: Any, text: Any) -> Any:
    def check_size(value: Any, bound: Any, rule: Any, root: Any, place: Any) -> Any:
        size = len(value) if isinstance(value, (list, dict, str)) else value
        if not isinstance(size, bool) and isinstance(size, (int, float)) and not compare(size, bound):
            yield place, text % (_shown(value), bound)
    return check_size


def _ref(value: Any, reference: Any, rule: Any, root: Any, place: Any) -> Any:
    found = root
    for part in reference.split("/")[1:]:
        found = found[part]
    yield from _mistakes(value, found, root, place)


def _any_of(value: Any, rules: Any, rule: Any, root: Any, place: Any) -> Any:
    tries = [list(_mistakes(value, one, root, place)) for one in rules]
    if all(tries):
        # The mistakes of the alternative that was meant: the one in which the mistake lies deepest.
        deepest = max(tries, key=lambda found: len(found[0][0]))
        if len(deepest[0][0]) > len(place):
            yield deepest[0]
        else:
            yield place, "; ".join(dict.fromkeys(found[0][1] for found in tries))


def _all_of(value: Any, rules: Any, rule: Any, root: Any, place: Any) -> Any:
    for one in rules:
        yield from _mistakes(value, one, root, place)


def _if(value: Any, condition: Any, rule: Any, root: Any, place: Any) -> Any:
    chosen = rule.get("then" if _fits(value, condition, root) else "else")
    if chosen is not None:
        yield from _mistakes(value, chosen, root, place)


def _nothing(value: Any, argument: Any, rule: Any, root: Any, place: Any) -> Any:
    return iter(())


# What each word of the schema asks; a generator of mistakes each.
_WORDS = {
    "type": _type, "enum": _enum, "const": _const, "required": _required, "properties": _properties,
    "additionalProperties": _additional, "items": _items, "$ref": _ref, "anyOf": _any_of, "allOf": _all_of,
    "if": _if, "then": _nothing, "else": _nothing,
    "minItems": _sizes("minItems", lambda size, bound: size >= bound, "%s has fewer than %d"),
    "maxItems": _sizes("maxItems", lambda size, bound: size <= bound, "%s has more than %d"),
    "minLength": _sizes("minLength", lambda size, bound: size >= bound, "%s is shorter than %d"),
    "minimum": _sizes("minimum", lambda size, bound: size >= bound, "%s is below %s"),
    "exclusiveMinimum": _sizes("exclusiveMinimum", lambda size, bound: size > bound, "%s is not above %s"),
}
