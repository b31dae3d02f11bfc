"""What a piece of work asks of a GPU, counted without one: operations, and waits for the device."""

import traceback
from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

_ATEN = torch.ops.aten
_FREE = {
    _ATEN.detach.default,
    _ATEN.empty.memory_format,
    _ATEN.empty_like.default,
    _ATEN.empty_strided.default,
    _ATEN.new_empty.default,
    _ATEN.new_empty_strided.default,
    _ATEN.lift_fresh.default,
    _ATEN.is_same_size.default,
    _ATEN._has_same_storage_numel.default,
    torch.ops.prim.device.default,
}
_READS = {_ATEN._local_scalar_dense.default, _ATEN.nonzero.default, _ATEN.equal.default}
_COPIES = {_ATEN._to_copy.default, _ATEN.copy_.default}
_HERE = "/benchmarks/launches.py"


class Launches(TorchDispatchMode):
    """Counts operations, and finds those that wait for the device, in `counts` and `waits`.

    An operation is what torch dispatches, on any device: views and new memory are none, and a
    `_foreach` is one. Convolutions and their backward passes are one each, though a GPU takes two
    or three kernels. Of fake CUDA tensors (`FakeTensorMode`) those that wait are told too: values
    that are read, copies between host and device that are not asynchronous, and indices made on
    the host.

    Args:
        device: Count what touches a tensor of this kind of device, such as `cuda`; None for all.
    """

    def __init__(self, device: str | None = None) -> None:
        super().__init__()
        self.device = device
        self.counts: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Operations so far."""
        return sum(self.counts.values())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call, and count."""
        kwargs = kwargs or {}
        if not func.is_view and func not in _FREE and _waits(func, args, kwargs):
            self.waits[f"{func} at {_place()}"] += 1
        output = func(*args, **kwargs)
        if not func.is_view and func not in _FREE and self._counts((args, kwargs, output)):
            self.counts[str(func)] += 1
        return output

    def _counts(self, values: Any) -> bool:
        tensors = (each for each in tree_iter(values) if isinstance(each, torch.Tensor))
        return self.device is None or any(each.device.type == self.device for each in tensors)


def _waits(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an operation would keep the host until the GPU has come so far."""
    tensors = [each for each in args if isinstance(each, torch.Tensor)]
    devices = {tensor.device.type for tensor in tensors}
    if func in _COPIES:
        if kwargs.get("non_blocking") or (func is _ATEN.copy_.default and args[2:] == (True,)):
            return False
        devices.add(torch.device(kwargs.get("device") or tensors[0].device).type)
        return "cpu" in devices and len(devices) > 1
    if func in _READS:
        return devices != {"cpu"}
    if func in (_ATEN.index.Tensor, _ATEN.index_put_.default, _ATEN.index_put.default):
        # a list as an index: its tensor is made on the host and copied
        return devices != {"cpu"} and any(
            index is not None and index.device.type == "cpu" for index in args[1]
        )
    return False


def _place() -> str:
    """The innermost line outside of torch."""
    for frame in reversed(traceback.extract_stack()):
        if "/torch/" not in frame.filename and not frame.filename.endswith(_HERE):
            return f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno}"
    return "?"
