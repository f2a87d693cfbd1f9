"""Our pages in a real browser: nothing runs, nothing is asked from the network, the text is what was given."""

import dataclasses
import html.parser
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from graph_tools.report import Finding
from tests.tf1_ig.results import result
from tests.tf1_ig.test_show_text import HOSTILE
from tf1_ig.result.features import Feature
from tf1_ig.show import compare, table, text
from tf1_ig.show.axes import Axes, Axis

BROWSER = next((found for found in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if found), None)
pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine (apt-get install chromium)")]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0",
         "--virtual-time-budget=3000"]
# Read in the page: what the tokens show, what became an element, what asked for something.
PROBE = """<script>addEventListener("load", () => {
 const tokens = [...document.querySelectorAll("bdi.t")];
 document.title = JSON.stringify({
  texts: tokens.map(t => t.dataset.token === undefined ? t.textContent : JSON.parse(t.dataset.token)),
  values: tokens.map(t => +t.dataset.value),
  colours: tokens.map(t => getComputedStyle(t).backgroundColor),
  inside: tokens.map(t => t.children.length), alerted: !!window.alerted,
  active: document.querySelectorAll("iframe,object,embed,link,base,form,a,video,audio," +
   "img:not([src^='data:']),image:not([href^='data:'])").length,
  scripts: document.scripts.length, requests: performance.getEntriesByType("resource").length,
  wide: document.documentElement.scrollWidth - innerWidth
 });});
window.alert = () => { window.alerted = true; };</script>"""


class _Title(html.parser.HTMLParser):
    inside, text = False, ""

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "title" and not self.text

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        self.text += data if self.inside else ""


def _open(tmp_path, page, width=1000, dark=False):
    """What the probe saw, and the browser's console. The page's own policy forbids scripts: the probe needs one."""
    path = tmp_path / "page.html"
    probed = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", page)
    probed = probed.replace("<head>", "<head>" + PROBE, 1) if "<head>" in probed else (
        "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>x</title>" + PROBE + "</head><body>" + probed)
    path.write_text(probed, encoding="utf-8")
    flags = FLAGS + ["--window-size=%d,900" % width, "--user-data-dir=%s" % (tmp_path / "profile")]
    flags += ["--blink-settings=preferredColorScheme=%d" % (0 if dark else 1)]
    done = subprocess.run([BROWSER] + flags + ["--dump-dom", path.as_uri()], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, check=True, env=dict(os.environ, LC_ALL="C.UTF-8"))
    title = _Title()
    title.feed(done.stdout.decode("utf-8"))
    console = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "CONSOLE" in line]
    return json.loads(title.text), console


def _harmless(seen, console, extra_scripts=1):
    assert console == [] and not seen["alerted"] and seen["requests"] == 0 and seen["active"] == 0
    assert seen["scripts"] == extra_scripts and set(seen["inside"]) <= {0}


def test_hostile_tokens_are_text_in_a_browser(tmp_path):
    values = np.linspace(-1, 1, len(HOSTILE))
    seen, console = _open(tmp_path, text.text_html(HOSTILE, values, fold=None))
    _harmless(seen, console)
    assert seen["texts"] == HOSTILE
    np.testing.assert_allclose(seen["values"], values)


EVIL = "<img src=x onerror=alert(1)></title></style><script>alert(2)</script>"
AXES = Axes(Axis(EVIL, 0, 1), Axis(EVIL, 0, 1), upright=True)


def _pages(tmp_path):
    """Every kind of page that is written, hostile texts in every place that takes one."""
    texts = dict(output=EVIL, baseline=EVIL, method=EVIL, running=EVIL, notes=(EVIL,), held_fixed=(EVIL,), name=EVIL,
                 not_finite_at=EVIL, graph_findings=(Finding(EVIL, "warn", EVIL, EVIL),),
                 path=[(np.linspace(0, 1, 9), np.linspace(0, 1, 9) ** 2)], path_errors=[np.linspace(-1, 1, 8)])
    random = np.random.RandomState(0)
    words = result(values=random.normal(size=(1, len(HOSTILE))), token_texts=[HOSTILE], **texts)
    long = result(values=random.normal(size=(1, 900)) ** 9, token_texts=[(HOSTILE * 20)[:900]], **texts)
    features = dataclasses.replace(
        words, values={EVIL: random.normal(size=(1, len(HOSTILE)))}, actual={EVIL: np.ones((1, len(HOSTILE)))},
        features=[[Feature(text, text, text, 0.5, EVIL) for text in HOSTILE]])
    pixels = dataclasses.replace(words, values={EVIL: random.normal(size=(1, 9, 7, 3))},
                                 actual={EVIL: random.uniform(size=(1, 9, 7, 3))})
    plane = dataclasses.replace(words, values={EVIL: random.normal(size=(1, 9, 7))}, token_texts=None,
                                actual={EVIL: random.uniform(size=(1, 9, 7))})
    sound = dataclasses.replace(plane, values={EVIL: random.normal(size=(1, 999))}, actual={EVIL: np.ones((1, 999))})
    options = dict(class_names=[EVIL, EVIL], title=EVIL)
    saved = str(tmp_path / "saved.html")
    words.save(saved)
    with open(saved, encoding="utf-8") as file:
        yield "saved", file.read()
    yield "text", words.to_html(fold=None, **options)
    yield "folded", long.to_html(**options)
    yield "words", words.to_html(words="wordpiece", **options)
    yield "in a notebook", words._repr_html_()
    yield "side by side", compare.compare([words, words], names=[EVIL, EVIL], title=EVIL)
    yield "features", features.to_html(tokens=[HOSTILE], **options)
    yield "bars", table.bars_html(table.aggregate(words), table.by_category(features, 0), title=EVIL)
    yield "picture", pixels.to_html(outlines=True, **options)
    yield "map", plane.to_html(axes=AXES, **options)
    yield "sound", sound.to_html(axes=AXES.rows, **options)


KINDS = ("saved", "text", "folded", "words", "in a notebook", "side by side", "features", "bars", "picture", "map",
         "sound")


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_runs_or_asks_for_anything(tmp_path, kind):
    pages = dict(_pages(tmp_path))
    assert tuple(pages) == KINDS
    seen, console = _open(tmp_path, pages[kind], width=500)
    _harmless(seen, console)
    assert seen["wide"] <= 0
    if kind in ("saved", "text"):
        assert seen["texts"] == HOSTILE
    if kind == "folded":
        assert sorted(seen["texts"]) == sorted((HOSTILE * 20)[:900])
    if kind == "side by side":
        assert seen["texts"] == HOSTILE * 2
    assert "onerror" in "".join(seen["texts"]) or kind in ("features", "bars", "picture", "map", "sound")


def test_the_page_of_the_demo_runs_and_asks_for_nothing(tmp_path):
    demo = pytest.importorskip("tf1_ig.demo")
    path = str(tmp_path / "demo.html")
    demo.run(["<script>alert(1)</script> was a good film", "not good"], path)
    with open(path, encoding="utf-8") as file:
        seen, console = _open(tmp_path, file.read())
    _harmless(seen, console)
    assert seen["texts"] and seen["wide"] <= 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1000, 500])  # the browser has no narrower window
def test_a_page_fits_its_window_in_light_and_dark(tmp_path, width, dark):
    words = "this film is not merely good it is a quietly devastating triumph".split()
    values = np.random.RandomState(0).normal(size=(2, len(words)))
    made = result(values=values, token_texts=[words, ["w" * 300] + words[1:]], notes=("A note.",),
                  name="dnn/input_from_feature_columns/input_layer/content_embedding/content_embedding_weights:0",
                  path=[(np.linspace(0, 1, 9), np.linspace(0, 1, 9) ** 2)] * 2)
    seen, console = _open(tmp_path, made.to_html(), width, dark)
    _harmless(seen, console)
    assert seen["wide"] <= 0
    # Alpha is the strength: the browser really shows what the number says.
    alphas = [float(colour.rpartition("/" if "/" in colour else ",")[2].rstrip(") ")) if "a" in colour[:5] else 1.0
              for colour in seen["colours"][:len(words)]]
    np.testing.assert_allclose(alphas, np.abs(values[0]) / np.abs(values[0]).max(), atol=0.01)


def test_the_policy_of_the_page_forbids_scripts_and_the_network(tmp_path):
    page = result().to_html().replace("</main>", PROBE.replace("<script>", "<script>document.title = '{}';") + (
        "<img src='file:///etc/hostname'></main>"))
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    flags = FLAGS + ["--user-data-dir=%s" % (tmp_path / "profile"), "--dump-dom"]
    done = subprocess.run([BROWSER] + flags + [path.as_uri()], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120, check=True)
    title = _Title()
    title.feed(done.stdout.decode("utf-8"))
    assert title.text not in ("", "{}") and "Content Security Policy" in done.stderr.decode("utf-8", "replace")
