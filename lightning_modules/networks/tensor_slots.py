"""A module with other tensors in place of its parameters and buffers, for a while."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn


class TensorSlots:
    """Where a module and its parts keep their parameters and buffers.

    Like `torch.func.functional_call`, but the places are looked up once, and parts that stand under
    several names, or share a parameter, stay what they are.

    Args:
        module: The module; its parts, parameters and buffers may not be exchanged afterwards.
    """

    def __init__(self, module: nn.Module) -> None:
        self.parts = list(module.modules())
        self.parameters = dict(module.named_parameters())
        self.buffers = list(module.buffers())
        # by identity of the tensor: the dictionaries that hold it, and its name in each
        self.slots: dict[int, list[tuple[dict[str, Tensor | None], str]]] = {}
        for part in self.parts:
            for tensors in (part._parameters, part._buffers):
                for name, tensor in tensors.items():
                    if tensor is not None:
                        self.slots.setdefault(id(tensor), []).append((tensors, name))  # type: ignore[arg-type]

    @property
    def trained(self) -> dict[str, Tensor]:
        """The parameters that train, by name."""
        return {name: param for name, param in self.parameters.items() if param.requires_grad}

    @contextmanager
    def hold(self, own: Sequence[Tensor], others: Iterable[Tensor | None]) -> Iterator[None]:
        """Let the module compute with other tensors.

        Args:
            own: Parameters or buffers of the module.
            others: What takes the place of each; None for nothing.
        """
        places = [self.slots[id(tensor)] for tensor in own]
        try:
            for slots, tensor in zip(places, others, strict=True):
                for tensors, name in slots:
                    tensors[name] = tensor
            yield
        finally:
            for slots, tensor in zip(places, own, strict=True):
                for tensors, name in slots:
                    tensors[name] = tensor
