"""A backbone as a program that runs without its Python code: torch.export, and ONNX for others."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from metaug.lightning_modules.networks.backbone import first_line
from torch import Tensor, nn

Format = Literal["timm", "onnx", "torch_export"]
FORMATS: tuple[str, ...] = get_args(Format)
ONNX, ONNX_DATA, PROGRAM = "model.onnx", "model.onnx.data", "model.pt2"
OPSET = 18
_TOLERANCE = 1e-3  # of the greatest feature
_LARGEST_FILE = 1_900_000_000  # bytes of weights in one ONNX file, whose format ends at 2 GiB
_EXTRA = ("onnx", "onnxscript", "onnxruntime")


def check_formats(formats: Sequence[str]) -> None:
    """Refuse a format that is not known, or whose packages are missing.

    Raises:
        ValueError: If there is no such format, or none at all.
        ImportError: If ONNX is asked for without its packages.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats or isinstance(formats, str):
        raise ValueError(f"formats must be a list of some of {', '.join(FORMATS)}, got {formats!r}")
    missing = [name for name in _EXTRA if "onnx" in formats and find_spec(name) is None]
    if missing:
        raise ImportError(
            f"the format onnx needs {', '.join(missing)}: pip install 'metaug[onnx]'. Or leave it "
            f"out: formats {_without(formats, 'onnx')}"
        )


def for_inference(backbone: nn.Module) -> nn.Module:
    """A copy on the CPU, in float32 and evaluation mode, that asks for no gradients."""
    inference = copy.deepcopy(backbone).to(device="cpu", dtype=torch.float32).eval()
    return inference.to(memory_format=torch.contiguous_format).requires_grad_(False)


def traced(backbone: nn.Module, shape: Sequence[int], formats: Sequence[str]) -> Any:
    """The program of a backbone for batches of any size.

    Args:
        backbone: What `for_inference` gives.
        shape: `[C, H, W]` of an image.
        formats: What it is traced for, for the message.

    Raises:
        ValueError: If torch.export cannot trace it.
    """
    wanted = next(name for name in ("torch_export", "onnx") if name in formats)
    batch = torch.export.Dim("batch")
    with _explained(backbone, shape, wanted, formats):
        return torch.export.export(
            backbone, (torch.zeros(2, *shape),), dynamic_shapes=({0: batch},)
        )


def write_programs(
    backbone: nn.Module, folder: Path, formats: Sequence[str], shape: Sequence[int]
) -> Iterator[tuple[str, float]]:
    """Write `model.pt2` and `model.onnx`, and run both.

    Args:
        backbone: `[N, C, H, W] -> [N, F]`.
        folder: Where to write.
        formats: Which of `torch_export` and `onnx`.
        shape: `[C, H, W]` of an image.

    Yields:
        Each file that is written, and the greatest difference between its features and those of the
        backbone, on three random images.

    Raises:
        ValueError: If a format cannot hold the backbone, or gives other features.
    """
    backbone = for_inference(backbone)
    images = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    program = traced(backbone, shape, formats)
    with torch.inference_mode():
        expected = backbone(images)
    if "torch_export" in formats:
        with _explained(backbone, shape, "torch_export", formats):
            torch.export.save(program, folder / PROGRAM)
            features = torch.export.load(folder / PROGRAM).module()(images).detach()
        yield PROGRAM, _difference(folder / PROGRAM, features, expected, "torch_export", formats)
    if "onnx" in formats:
        with _explained(backbone, shape, "onnx", formats):
            _write_onnx(backbone, folder / ONNX, shape)
            features = run_onnx(folder / ONNX, images)
        yield ONNX, _difference(folder / ONNX, features, expected, "onnx", formats)


def run_onnx(path: Path, images: Tensor) -> Tensor:
    """Features of images by onnxruntime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def _write_onnx(backbone: nn.Module, path: Path, shape: Sequence[int]) -> None:
    size = sum(value.nbytes for value in backbone.state_dict().values())
    torch.onnx.export(
        backbone,
        (torch.zeros(2, *shape),),
        path,
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        input_names=["images"],
        output_names=["features"],
        external_data=size > _LARGEST_FILE,
        verbose=False,
    )


def _difference(
    path: Path, features: Tensor, expected: Tensor, name: str, formats: Sequence[str]
) -> float:
    """The greatest one; a file with other features than the backbone's is removed."""
    alike = features.shape == expected.shape
    difference = float((features - expected).abs().max()) if alike else float("inf")
    allowed = _TOLERANCE * float(expected.abs().max())
    if not difference <= allowed:
        path.unlink()
        raise ValueError(
            f"the format {name} gives other features than the backbone: they differ by "
            f"{difference:.2g}, and {allowed:.2g} is allowed. Leave it out: "
            f"formats {_without(formats, name)}"
        )
    return difference


@contextlib.contextmanager
def _explained(
    backbone: nn.Module, shape: Sequence[int], name: str, formats: Sequence[str]
) -> Iterator[None]:
    """Keep the exporters' own words from the user, and say what failed and how to go on."""
    loggers = [logging.getLogger(each) for each in ("torch", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # exporters raise nearly anything
        others = _without(formats, name)
        raise ValueError(
            f"{type(backbone).__name__} cannot be written as {name} for images {list(shape)} "
            f"({type(error).__name__}: {first_line(error)}). Leave it out: formats {others}"
        ) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _without(formats: Sequence[str], name: str) -> list[str]:
    return [each for each in formats if each != name] or ["timm"]
