"""A frozen graph as a differentiable PyTorch function: captum's methods and metrics run on it."""

from typing import Any, Callable

import numpy as np

from tf1_ig.bridges import stacked
from tf1_ig.engine.at import At
from tf1_ig.errors import package


def torch_function(at: At) -> Callable[..., Any]:
    """The scores of an evaluator as a function of ``torch.Tensor``s, with gradients.

    Args:
      at: ``explainer.at(feed, label)``, of dense inputs.

    Returns:
      ``function(*entries, rows=None)``: one tensor ``[stacked, …]`` for each of ``at.inputs``, whole copies of the
      feed's rows one after the other, gives scores ``[stacked]`` in their dtype. A further integer tensor ``[stacked]``
      as the last argument says which row of the feed each one is; libraries that repeat each row by itself (captum's
      ``NoiseTunnel``) need that: ``additional_forward_args=torch.arange(len(at))``.

    Raises:
      MissingPackageError: PyTorch is not installed; InputError: shapes that do not fit.

    Example:
      >>> from captum.attr import IntegratedGradients                                       # doctest: +SKIP
      >>> at = explainer.at({"ids:0": ids}, label="top")                                    # doctest: +SKIP
      >>> entries = torch.tensor(at.entries["embedding/lookup:0"])                          # doctest: +SKIP
      >>> IntegratedGradients(tf1_ig.bridges.torch_function(at)).attribute(entries)         # doctest: +SKIP
    """
    torch: Any = package("torch", "for a torch function", "torch (the CPU build will do)")

    def arrays_of(tensors: Any) -> Any:
        return [tensor.detach().cpu().numpy() for tensor in tensors]

    class Scores(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, rows: Any, *entries: Any) -> Any:
            ctx.save_for_backward(*entries)
            ctx.rows = rows
            return torch.as_tensor(stacked.scores(at, arrays_of(entries), rows), dtype=entries[0].dtype,
                                   device=entries[0].device)

        @staticmethod
        def backward(ctx: Any, upstream: Any) -> Any:
            entries = ctx.saved_tensors
            _, found = stacked.gradients(at, arrays_of(entries), ctx.rows)
            return (None,) + tuple(
                torch.as_tensor(np.asarray(one), dtype=own.dtype, device=own.device)
                * upstream.reshape((-1,) + (1,) * (own.dim() - 1)) for one, own in zip(found, entries))

    def function(*entries: Any, rows: Any = None) -> Any:
        given = list(entries)
        if rows is None and len(given) == len(at.inputs) + 1:
            rows = given.pop()
        numbers = rows.detach().cpu() if isinstance(rows, torch.Tensor) else rows
        return Scores.apply(None if rows is None else np.asarray(numbers), *given)

    return function
