"""The campaign: every attack, or a share of them, against everything; a line for each hole, and the sums at the end.

    python -m tests.attacks [--part K/N] [--only WORD] [--doors library,inspect] [--no-control] [--share]
"""

import argparse
import sys
import time

from graph_tools import _tf
from tests.attacks import campaign, surfaces


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks")
    parser.add_argument("--part", default="1/1", help="the K-th of N shares of the attacks")
    parser.add_argument("--only", default="", help="attacks with this word in their name")
    parser.add_argument("--doors", default=",".join(surfaces.SURFACES))
    parser.add_argument("--no-control", action="store_true", help="do not ask plain TensorFlow")
    parser.add_argument("--share", action="store_true", help="every harm and every place once, at one door each")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    doors = [door for door in options.doors.split(",") if door]
    pairs = campaign.share() if options.share else [(attack, doors) for attack in campaign.attacks()]
    chosen = [pair for pair in pairs if options.only in str(pair[0])][part - 1::parts]
    campaign.warm()
    start, fired, holes = time.time(), 0, 0
    for number, (attack, door) in enumerate(chosen):
        found = campaign.tried(attack, [door] if options.share else door, not options.no_control)
        fired += found.fired
        holes += bool(found.holes)
        for hole in found.holes:
            print("HOLE %s: %s" % (str(attack), hole), flush=True)
        if not found.fired and not options.no_control:
            print("quiet %s" % str(attack), flush=True)
        if number % 20 == 19:
            print("# %d of %d, %d fired, %d with holes, %.0f s" % (
                number + 1, len(chosen), fired, holes, time.time() - start), flush=True)
    print("TensorFlow %s: %d attacks, plain TensorFlow did %d of them, %d got through somewhere, %.0f s" % (
        _tf.tf.__version__, len(chosen), fired, holes, time.time() - start))
    if not campaign.notices_a_hole():
        print("with judging switched off nothing got through: this campaign sees no holes")
        return 2
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())
