"""Reads our HTML back with the standard library's parser: what a browser would see, without a browser."""

import json
from html.parser import HTMLParser

ALLOWED = {"html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2", "h3", "p", "section", "div",
           "span", "bdi", "details", "summary", "table", "caption", "thead", "tbody", "tr", "th", "td", "i", "b", "u",
           "dl", "dt", "dd", "svg", "line", "polyline", "rect", "text", "figure", "figcaption", "img", "br",
           "g", "image"}
_VOID = {"meta", "img", "br", "line", "polyline", "image"}


class Token:
    def __init__(self, attributes):
        self.attributes = attributes
        self.shown = ""

    @property
    def text(self):
        """The original text: what is shown, unless HTML could not hold it."""
        kept = self.attributes.get("data-token")
        return self.shown if kept is None else json.loads(kept)

    @property
    def value(self):
        return float(self.attributes["data-value"]) if "data-value" in self.attributes else None

    @property
    def strength(self):
        style = self.attributes.get("style", "")
        return float(style.partition("--a:")[2]) if style else 0.0

    @property
    def classes(self):
        return set(self.attributes["class"].split())


class Page(HTMLParser):
    """Everything with ``class="t …"`` becomes a Token; unbalanced tags and unknown elements are an error."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tokens, self.facts, self.open, self.text, self.links = [], {}, [], [], []
        self._token = None
        self.directions = []
        self.feed(html)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert tag in ALLOWED, tag
        assert not [name for name in attributes if name.startswith("on")], attributes
        self.links += [attributes[name] for name in ("src", "href", "action", "data") if name in attributes]
        if tag == "bdi" and "t" in attributes.get("class", "").split():
            self._token = Token(attributes)
            self.tokens.append(self._token)
        if "data-fact" in attributes:
            self.facts.setdefault(attributes["data-fact"], []).append(float(attributes["data-value"]))
        if "dir" in attributes:
            self.directions.append(attributes["dir"])
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in _VOID:
            return
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()
        if tag == "bdi":
            self._token = None

    def handle_data(self, data):
        if self._token is not None:
            self._token.shown += data
        if "style" not in self.open:
            self.text.append(data)
