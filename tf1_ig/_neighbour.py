"""Whether the top-level package ``graph_tools`` is ours: an unrelated distribution on the registry has the same name.

``graph-tools`` (graph theory) installs a package ``graph_tools`` of a single ``__init__.py``. Wherever it shadows ours,
or was installed over it, importing would fail with something about missing modules; this says what happened.
"""

import graph_tools

if not hasattr(graph_tools, "swap_inputs"):
    raise ImportError(
        "the package graph_tools in %s is not the one that tf1_ig needs: the unrelated distribution graph-tools has "
        "the same import name; pip uninstall graph-tools, then reinstall tf1-ig (pip's --force-reinstall --no-deps)" % (
            getattr(graph_tools, "__file__", "?"),))
