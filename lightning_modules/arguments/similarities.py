"""The shapes of matrices of similarities, checked where they are taken in."""

from torch import Tensor


def check_similarities(**similarities: Tensor) -> None:
    """Check that similarities are non-empty matrices with one row per instance.

    Args:
        similarities: Tensors by name, each `[N, pairs of the instance]`.

    Raises:
        ValueError: Naming the tensor and its shape.
    """
    rows = next(iter(similarities.values())).shape[:1]
    for name, tensor in similarities.items():
        if tensor.ndim != 2 or tensor.shape[:1] != rows or 0 in tensor.shape:
            shapes = {key: tuple(value.shape) for key, value in similarities.items()}
            raise ValueError(
                f"{name} must be a non-empty matrix [instances, pairs] with as many rows as the "
                f"others, got shapes {shapes}"
            )
