"""The machine, and the rates that everything else is compared with."""

import os
import platform
import subprocess
import time
from typing import Any

import torch
from torch.nn.functional import conv2d

from benchmarks.machine import processor, source_commit, versions

from ..context import Context, median_seconds, wait

PACKAGES = (
    *("torch", "torchvision", "pytorch-lightning", "torchmetrics", "timm", "triton", "numpy"),
    *("kornia", "higher", "jsonargparse", "lightly", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13"),
)
SMI_FIELDS = (
    *("name", "driver_version", "memory.total", "clocks.sm", "clocks.max.sm", "clocks.mem"),
    *("power.limit", "temperature.gpu"),
)
PRODUCTS = (
    ("bf16", torch.bfloat16, "highest"),
    ("tf32", torch.float32, "high"),
    ("fp32", torch.float32, "highest"),
    ("fp64", torch.float64, "highest"),
)
LAYERS = {
    "stem": (3, 64, 32),
    "stage 1": (64, 64, 32),
    "stage 2": (128, 128, 16),
    "stage 3": (256, 256, 8),
    "stage 4": (512, 512, 4),
}
"""Channels in and out, and edge, of ResNet-18's convolutions at 32 pixels."""
CONVOLUTIONS = {
    "bf16 channels-last": (torch.bfloat16, torch.channels_last, False),
    "bf16 channels-last, cudnn.benchmark": (torch.bfloat16, torch.channels_last, True),
    "bf16 contiguous": (torch.bfloat16, torch.contiguous_format, False),
    "tf32 channels-last": (torch.float32, torch.channels_last, False),
}


def facts(context: Context) -> dict[str, Any]:
    """Versions, sizes and defaults."""
    measured: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_GiB": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        "versions": versions(PACKAGES),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "convolutions in tf32": torch.backends.cudnn.allow_tf32,
        "matmul_precision": torch.get_float32_matmul_precision(),
        "commit": source_commit(),
    }
    if context.on_gpu:
        measured["gpu"] = torch.cuda.get_device_name(context.device)
        measured["gpus"] = torch.cuda.device_count()
        measured["device"] = str(torch.cuda.get_device_properties(context.device))
        query = ["nvidia-smi", f"--query-gpu={','.join(SMI_FIELDS)}", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, check=False)
        measured["nvidia-smi"] = done.stdout.strip()
    return measured


def rates(context: Context) -> dict[str, Any]:
    """Bandwidth, products, convolutions, launches, transfers."""
    return {
        "copy_TB_s": copy_rate(context),
        "matmul_TFLOP_s": matmul_rates(context),
        "convolution_TFLOP_s": convolution_rates(context),
        "us": launch_times(context),
        "ms of a batch to the device": transfer_times(context),
    }


def copy_rate(context: Context) -> float:
    """Bytes read and written per second by a copy of 1 GiB, in TB/s."""
    numbers = context.sized(2**28, 2**18)
    source, target = (torch.empty(numbers, device=context.device) for _ in range(2))
    spent = median_seconds(context.device, lambda: target.copy_(source))
    return 2 * source.nbytes / spent / 1e12


def matmul_rates(context: Context) -> dict[str, float]:
    """TFLOP/s of square matrix products by precision."""
    result = {}
    for name, dtype, setting in PRODUCTS:
        edge = context.sized(8192 if name in ("bf16", "tf32") else 4096, 128)
        torch.set_float32_matmul_precision(setting)
        a, b = (torch.randn(edge, edge, device=context.device, dtype=dtype) for _ in range(2))
        spent = median_seconds(context.device, lambda a=a, b=b: a @ b, repeat=5)
        result[name] = 2 * edge**3 / spent / 1e12
    torch.set_float32_matmul_precision("highest")
    return result


def convolution_rates(context: Context) -> dict[str, dict[str, list[float]]]:
    """TFLOP/s of each layer's forward and of its backward pass, by setting."""
    result = {}
    for name, (dtype, memory_format, benchmark) in CONVOLUTIONS.items():
        torch.backends.cudnn.benchmark = benchmark
        result[name] = {
            layer: _convolution(context, *sizes, dtype, memory_format)
            for layer, sizes in LAYERS.items()
        }
    torch.backends.cudnn.benchmark = False
    return result


def _convolution(
    context: Context,
    inside: int,
    outside: int,
    edge: int,
    dtype: torch.dtype,
    memory_format: torch.memory_format,
) -> list[float]:
    """TFLOP/s forward and backward of a 3 x 3 convolution."""
    count = context.sized(512, 2)

    def tensor(*shape: int) -> torch.Tensor:
        values = torch.randn(shape, device=context.device, dtype=dtype)
        return values.to(memory_format=memory_format)

    x = tensor(count, inside, edge, edge).requires_grad_(inside > 3)
    weight = tensor(outside, inside, 3, 3).requires_grad_()
    cotangent = tensor(count, outside, edge, edge)
    inputs = [each for each in (x, weight) if each.requires_grad]

    @torch.no_grad()
    def forward() -> torch.Tensor:
        return conv2d(x, weight, padding=1)

    def both() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(conv2d(x, weight, padding=1), inputs, cotangent)

    work = 2 * count * outside * inside * 9 * edge**2 / 1e12
    one = median_seconds(context.device, forward, repeat=5)
    three = median_seconds(context.device, both, repeat=5)
    return [work / one, work * len(inputs) / max(three - one, 1e-9)]


def launch_times(context: Context) -> dict[str, float]:
    """Microseconds of small operations: what the host spends, and until the device is done."""
    values = torch.zeros(256, device=context.device)
    rows = torch.zeros(4, 256, device=context.device)
    index = torch.tensor([3, 1, 2, 0], device=context.device)
    count = context.sized(3000, 300)

    def adds() -> None:
        for _ in range(count):
            values.add_(1)

    adds()
    wait(context.device)
    start = time.perf_counter()
    adds()
    host = time.perf_counter() - start
    wait(context.device)
    whole = time.perf_counter() - start
    result = {"operation, host": host / count * 1e6, "operation": whole / count * 1e6}
    for name, rows_of in (
        ("index by a list", lambda: rows[[3, 1, 2, 0]]),
        ("index by a tensor", lambda: rows.index_select(0, index)),
    ):
        wait(context.device)
        start = time.perf_counter()
        for _ in range(200):
            rows_of()
        result[name] = (time.perf_counter() - start) / 200 * 1e6
    return result


def transfer_times(context: Context) -> dict[str, float]:
    """Milliseconds of a batch of 1024 raw images to the device, pinned and not."""
    images = torch.zeros(1024, 3, 32, 32, dtype=torch.uint8)
    device = context.device
    result = {"pageable": 1e3 * median_seconds(device, lambda: images.to(device))}
    if context.on_gpu:
        pinned = images.pin_memory()
        spent = median_seconds(device, lambda: pinned.to(device, non_blocking=True))
        result |= {"pinned": 1e3 * spent, "to pin": 1e3 * median_seconds(device, images.pin_memory)}
    return result


TASKS = {"facts": facts, "rates": rates}
