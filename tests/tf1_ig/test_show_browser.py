"""Our pages in a real browser: nothing runs, nothing is asked from the network, the text is what was given."""

import html.parser
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from tests.tf1_ig.results import result
from tests.tf1_ig.test_show_text import HOSTILE
from tf1_ig.show import text

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
  active: document.querySelectorAll("iframe,object,embed,link,base,form,a,video,audio,img:not([src^='data:'])").length,
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
