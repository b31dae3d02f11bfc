"""The encoder as the engines see it: features out, gradients and tangents back.

Letters: ``n`` instances of this process, ``G`` of the global batch, ``V`` views, ``D`` features.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..processes import Processes
from .errors import explained
from .pieces import InPieces
from .tangent_rules import KeepProducts, TangentRules

Encode = Callable[[list[Tensor]], Tensor]


class Encoding:
    """Cuts the graph at the features Z: everything before it is plain encoder work.

    Features and tangents are gathered over processes without gradient; gradients of the encoder
    are summed over processes, so that one process or many give the same numbers.

    Args:
        encode: ``encode(params) -> [n, V, D]``, or several that each encode a piece of this
            process's instances (micro-batches): pieces are encoded without a graph, then encoded
            again one by one for the backward pass, so that one graph at a time is in memory.
        params: The encoder's parameters theta.
        processes: The processes that share the global batch; None for this one alone.
    """

    def __init__(
        self,
        encode: Encode | Sequence[Encode],
        params: Sequence[Tensor],
        processes: Processes | None = None,
    ) -> None:
        self.pieces = [encode] if callable(encode) else list(encode)
        self.params = list(params)
        self.processes = processes or Processes()
        self._kept = KeepProducts()

    def forward(self, params: list[Tensor]) -> Tensor:
        """Features of the global batch at ``params``, ``[G, V, D]``, without a graph."""
        with torch.no_grad(), self._convolving_in_pieces():
            return self.processes.gather(torch.cat([piece(params) for piece in self.pieces]))

    def linearize(
        self, params: list[Tensor], *, tangent_follows: bool = False
    ) -> tuple[Tensor, Callable[[Tensor], list[Tensor]]]:
        """Features at ``params`` and the pullback through the encoder there.

        Args:
            params: Where to encode: theta or the look-ahead parameters.
            tangent_follows: Keep what spares :meth:`tangent` at the same ``params`` some work
                (not with micro-batches, which are there to save memory).

        Returns:
            The features ``[G, V, D]`` without a graph, and a function from the gradient of the
            global features ``[G, V, D]`` to the gradients of ``params``, summed over processes;
            it can be called once.
        """
        leaves = [param.detach().requires_grad_() for param in params]
        if len(self.pieces) > 1:
            return self.forward(params), lambda cotangent: self._pull_pieces(leaves, cotangent)
        keeping = self._kept if tangent_follows else nullcontext()
        with torch.enable_grad(), self._convolving_in_pieces(), keeping:
            local = self.pieces[0](leaves)

        def pullback(cotangent: Tensor) -> list[Tensor]:
            own = self.processes.own(cotangent)
            with self.processes.reducing(leaves) as reduced:
                grads = torch.autograd.grad(local, leaves, own.to(local.dtype), allow_unused=True)
            return reduced(filled(grads, leaves))

        return self.processes.gather(local.detach()), pullback

    def _pull_pieces(self, leaves: list[Tensor], cotangent: Tensor) -> list[Tensor]:
        own = self.processes.own(cotangent)
        total: list[Tensor] = [torch.zeros_like(leaf) for leaf in leaves]
        start = 0
        for piece in self.pieces:
            with torch.enable_grad(), self._convolving_in_pieces():
                local = piece(leaves)
            part = own[start : start + local.shape[0]].to(local.dtype)
            start += local.shape[0]
            grads = torch.autograd.grad(local, leaves, part, allow_unused=True)
            torch._foreach_add_(total, filled(grads, leaves))
        with self.processes.reducing([]) as reduced:
            pass
        return reduced(total)

    def _convolving_in_pieces(self) -> AbstractContextManager[Any]:
        """Of the batch; the encoder's own pieces are micro-batches."""
        on_cpu = all(param.device.type == "cpu" for param in self.params)
        return InPieces() if on_cpu else nullcontext()

    def tangent(self, params: list[Tensor], direction: list[Tensor]) -> Tensor:
        """The Jacobian-vector product ``J f . direction`` at ``params`` by forward-mode AD.

        Args:
            params: Where to differentiate.
            direction: v, shaped like ``params``.

        Returns:
            The tangent of the global features, ``[G, V, D]``.

        Raises:
            EngineError: If an operation of the encoder has no forward-mode derivative.
        """
        tangents = []
        with (
            explained("exact", "forward-mode derivatives of the encoder"),
            torch.no_grad(),
            sdpa_kernel(SDPBackend.MATH),
            not_compiled(),
            forward_ad.dual_level(),
        ):
            with warnings.catch_warnings():
                # torch compiles rules for its own use when the first dual tensor is made
                warnings.filterwarnings("ignore", ".*torch.jit.script. is deprecated")
                duals = [
                    forward_ad.make_dual(param.detach(), vector)
                    for param, vector in zip(params, direction, strict=True)
                ]
            for piece in self.pieces:
                with TangentRules(self._kept):
                    features = piece(duals)
                primal, tangent = forward_ad.unpack_dual(features)
                tangents.append(torch.zeros_like(primal) if tangent is None else tangent)
        return self.processes.gather(torch.cat(tangents))


def not_compiled() -> AbstractContextManager[Any]:
    """Modules compiled by torch run as written: compiled code has first derivatives only."""
    if "torch._dynamo" not in sys.modules:  # then nothing is compiled, and importing it takes long
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


def filled(grads: Sequence[Tensor | None], leaves: Sequence[Tensor]) -> list[Tensor]:
    """Gradients with zeros where a parameter took no part.

    Args:
        grads: What ``torch.autograd.grad`` returned.
        leaves: Like ``grads``.
    """
    return [
        torch.zeros_like(leaf) if grad is None else grad
        for grad, leaf in zip(grads, leaves, strict=True)
    ]


def stepped(params: Sequence[Tensor], grads: Sequence[Tensor], lr: float) -> list[Tensor]:
    """The look-ahead parameters ``theta - lr * g``.

    Args:
        params: theta.
        grads: g, shaped like ``params``.
        lr: alpha, the look-ahead rate.

    Returns:
        New tensors without a graph.
    """
    with torch.no_grad():
        return list(torch._foreach_add([p.detach() for p in params], list(grads), alpha=-lr))
