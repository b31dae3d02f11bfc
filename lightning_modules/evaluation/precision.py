"""Double precision, also where the device has none."""

from torch import Tensor


def in_double(values: Tensor) -> Tensor:
    """The values in float64; those of a device without it, such as Apple's MPS, on the CPU.

    Args:
        values: Numbers of any type and device.
    """
    return (values.cpu() if values.device.type == "mps" else values).double()
