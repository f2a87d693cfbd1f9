"""``python -m tf1_ig``: the same as the command ``tf1-ig``."""

import sys

from tf1_ig.cli import main

if __name__ == "__main__":
    sys.exit(main())
