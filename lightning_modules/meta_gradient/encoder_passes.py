"""The encoder as the engines see it: features out, gradients and tangents back.

Letters: `n` instances of this process, `G` of the global batch, `V` views, `D` features.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ..distributed.processes import Processes
from .errors import RefuseRecomputation, explained
from .kernels.tangent_rules import ProductCache, TangentRules

Encode = Callable[[list[Tensor]], Tensor]


class EncoderPasses:
    """Cuts the graph at the features Z: everything before it is plain encoder work.

    Features and tangents are gathered over processes without gradient; gradients of the encoder
    are summed over processes, so that one process or many give the same numbers.

    Args:
        encode: `encode(params) -> [n, V, D]`, or several that each encode a micro-batch of this
            process's instances: micro-batches are encoded without a graph, then encoded again one
            by one for the backward pass, so that one graph at a time is in memory.
        params: The encoder's parameters theta.
        processes: The processes that share the global batch; None for this one alone.
        engine: Name of the engine at work, for errors.
    """

    def __init__(
        self,
        encode: Encode | Sequence[Encode],
        params: Sequence[Tensor],
        processes: Processes | None = None,
        engine: str = "exact",
    ) -> None:
        self.micro_batches = [encode] if callable(encode) else list(encode)
        self.params = list(params)
        self.processes = processes or Processes()
        self.engine = engine
        self._cache = ProductCache()

    def forward(self, params: list[Tensor]) -> Tensor:
        """Features of the global batch at `params`, `[G, V, D]`, without a graph."""
        with torch.no_grad():
            local = torch.cat([encode(params) for encode in self.micro_batches])
        return self.processes.gather(local)

    def linearize(
        self, params: list[Tensor], *, tangent_follows: bool = False
    ) -> tuple[Tensor, Callable[[Tensor], list[Tensor]]]:
        """Features at `params` and the pullback through the encoder there.

        Args:
            params: Where to encode: theta or the look-ahead parameters.
            tangent_follows: Keep what spares `tangent` at the same `params` some work
                (not with micro-batches, which are there to save memory).

        Returns:
            The features `[G, V, D]` without a graph, and a function from the gradient of the
            global features `[G, V, D]` to the gradients of `params`, summed over processes;
            it can be called once.
        """
        leaves = [param.detach().requires_grad_() for param in params]
        if len(self.micro_batches) > 1:
            refusing = self._refusing(params)
            return self.forward(params), lambda g: self._pull_back(leaves, g, refusing)
        cache = self._cache if tangent_follows else nullcontext()
        with torch.enable_grad(), self._refusing(params), cache:
            local = self.micro_batches[0](leaves)

        def pullback(cotangent: Tensor) -> list[Tensor]:
            own = self.processes.own(cotangent).to(local.dtype)
            with self.processes.reducing(leaves) as reduced:
                grads = torch.autograd.grad(local, leaves, own, materialize_grads=True)
            return reduced(list(grads))

        return self.processes.gather(local.detach()), pullback

    def _refusing(self, params: list[Tensor]) -> AbstractContextManager[Any]:
        """At the encoder's own parameters a part may be computed again in the backward pass."""
        return nullcontext() if params is self.params else RefuseRecomputation(self.engine)

    def _pull_back(
        self, leaves: list[Tensor], cotangent: Tensor, refusing: AbstractContextManager[Any]
    ) -> list[Tensor]:
        """Gradients of micro-batches, each encoded again with a graph of its own."""
        own = self.processes.own(cotangent)
        total: list[Tensor] = [torch.zeros_like(leaf) for leaf in leaves]
        start = 0
        for encode in self.micro_batches:
            with torch.enable_grad(), refusing:
                local = encode(leaves)
            part = own[start : start + local.shape[0]].to(local.dtype)
            start += local.shape[0]
            grads = torch.autograd.grad(local, leaves, part, materialize_grads=True)
            torch._foreach_add_(total, grads)
        with self.processes.reducing([]) as reduced:
            pass
        return reduced(total)

    def tangent(self, params: list[Tensor], direction: list[Tensor]) -> Tensor:
        """The Jacobian-vector product `J f . direction` at `params` by forward-mode AD.

        Args:
            params: Where to differentiate.
            direction: v, shaped like `params`.

        Returns:
            The tangent of the global features, `[G, V, D]`.

        Raises:
            EngineError: If an operation of the encoder has no forward-mode derivative.
        """
        tangents = []
        with (
            explained(self.engine, "forward-mode derivatives of the encoder"),
            torch.no_grad(),
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
            for encode in self.micro_batches:
                with TangentRules(self._cache):
                    features = encode(duals)
                primal, tangent = forward_ad.unpack_dual(features)
                tangents.append(torch.zeros_like(primal) if tangent is None else tangent)
        return self.processes.gather(torch.cat(tangents))


def not_compiled() -> AbstractContextManager[Any]:
    """Modules compiled by torch run as written: compiled code has first derivatives only."""
    if "torch._dynamo" not in sys.modules:  # then nothing is compiled, and importing it takes long
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


def subtract_scaled(
    tensors: Sequence[Tensor], grads: Sequence[Tensor], scale: float
) -> list[Tensor]:
    """`tensors - scale * grads`, new tensors without a graph: a step of plain SGD.

    Args:
        tensors: Parameters, or gradients that a mixed term is taken off.
        grads: Tensors of the same shapes.
        scale: alpha, the look-ahead rate.
    """
    with torch.no_grad():
        return list(torch._foreach_add([t.detach() for t in tensors], list(grads), alpha=-scale))
