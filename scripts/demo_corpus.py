"""The labelled corpus of the demo model, and the part of it that is held out (no TensorFlow here).

Data: two of the corpora of Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social
Media Text" (ICWSM 2014): snippets of movie and of product reviews, each with the mean of twenty human ratings from -4
to 4, fetched from the sources of the package vaderSentiment. The class is the sign of the rating. Snippets rated within
1 of neutral are left out of training and of the headline figure; the accuracy with them is printed beside it, because
leaving them out flatters.

Validation and test are movie snippets only, a tenth each; the products only add to the training part. The snippets
carry no movie names, so the split is by snippet (equal texts fall together) and two snippets about one movie can be on
both sides.
"""

import random
import tarfile

from tests.real.packages import unpacked
from tf1_ig.demo.text import tokenize

SEED = 20170806  # the first day of ICML 2017
NEUTRAL = 1.0  # |rating| below this is the hard middle
LONGEST = 60  # tokens of a snippet that are read
MOVIES, PRODUCTS = "movieReviewSnippets", "amazonReviewSnippets"


def read_snippets(corpus):
    """``(tokens, rating)`` of every snippet that leans to a side, equal texts once."""
    archive = unpacked("vader") / "additional_resources" / "hutto_ICWSM_2014.tar.gz"
    with tarfile.open(str(archive)) as files:
        text = files.extractfile("hutto_ICWSM_2014/%s_GroundTruth.txt" % corpus).read().decode("utf-8", "replace")
    snippets = {}
    for line in text.splitlines():
        _, rating, snippet = line.split("\t", 2)
        tokens = tuple(tokenize(snippet))[:LONGEST]
        if tokens and float(rating) != 0:
            snippets.setdefault(tokens, float(rating))
    return sorted(snippets.items())


def split(snippets):
    """80 % training, 10 % validation, 10 % test, with the fixed seed."""
    snippets = list(snippets)
    random.Random(SEED).shuffle(snippets)
    tenth = len(snippets) // 10
    return snippets[2 * tenth:], snippets[:tenth], snippets[tenth:2 * tenth]


def clear(snippets):
    return [(tokens, rating) for tokens, rating in snippets if abs(rating) >= NEUTRAL]
