"""The error of an engine that cannot do what it is given."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class EngineError(RuntimeError):
    """An engine cannot handle the encoder or setting; the message names one that can."""


_SIGNS = (
    "forward AD",
    "forward-mode",
    "jvp",
    "setup_context",
    "derivative",
    "does not require grad",
    "does not support",
    "double backward",
    "twice",
    "trying to differentiate",
)


def refuse_once_differentiable(grads: Sequence[Tensor]) -> None:
    """Refuse gradients that passed a function marked `once_differentiable`.

    Such a function cuts the graph, so that a second derivative by `torch.autograd.grad` would
    silently lack what comes through it.

    Args:
        grads: First derivatives, with their graph.

    Raises:
        RuntimeError: In torch's words, for `explained`.
    """
    waiting = [grad.grad_fn for grad in grads if grad.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if node.name().endswith("::Error"):
            raise RuntimeError(
                "trying to differentiate twice a function that was marked with @once_differentiable"
            )
        following = {each for each, _ in node.next_functions if each is not None} - seen
        seen |= following
        waiting.extend(following)


@contextmanager
def explained(engine: str, needs: str) -> Iterator[None]:
    """Turn torch's complaints about missing derivatives into an `EngineError`.

    Args:
        engine: Name of the engine at work.
        needs: What it needs of the encoder, in words.
    """
    try:
        yield
    except (NotImplementedError, RuntimeError) as error:
        if isinstance(error, EngineError) or not any(sign in str(error) for sign in _SIGNS):
            raise
        raise EngineError(
            f"engine {engine!r} needs {needs}, which this encoder does not offer "
            f"({str(error).splitlines()[0][:200]}). Use engine 'lookahead', which needs neither "
            "forward-mode nor second derivatives of the encoder"
        ) from error


class RefuseRecomputation(TorchFunctionMode):
    """Refuses activation checkpointing in a pass that is not at the module's own parameters.

    `torch.utils.checkpoint` computes a part again in the backward pass, when the module has its own
    parameters and buffers back: silently with others than those of the pass.

    Args:
        engine: Name of the engine at work.
    """

    def __init__(self, engine: str) -> None:
        super().__init__()
        self.engine = engine

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call, unless what the call saves would be computed again.

        Raises:
            EngineError: If so.
        """
        if torch.compiler.is_compiling():  # compiled code keeps the parameters it was called with
            return func(*args, **(kwargs or {}))
        hooks = torch._C._autograd._top_saved_tensors_default_hooks(False)
        if hooks is not None and "checkpoint" in hooks[0].__qualname__:
            raise EngineError(
                f"engine {self.engine!r} differentiates at the look-ahead parameters, and "
                "activation checkpointing (torch.utils.checkpoint, timm's set_grad_checkpointing) "
                "would compute parts again at others; switch it off and save memory by "
                "micro_batch_size, or use engine 'lookahead', which works with it"
            )
        return func(*args, **(kwargs or {}))
