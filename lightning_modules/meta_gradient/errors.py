"""The error of an engine that cannot do what it is given."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor


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
