"""Views and probes on the device: equal to the CPU's, and what they cost."""

import time
from typing import Any

import torch
from metaug.callbacks import Features, SoftmaxRegression, knn_predict
from metaug.datamodules import ColorSpaceViews, SimCLRViews
from metaug.datamodules.transforms.seeding import sample_seeds

from ..context import Context, median_seconds, relative_error, wait

CPU = torch.device("cpu")
CLASSES = 10


def views(context: Context) -> dict[str, Any]:
    """The views made on this device are those of the CPU, and what a batch of them costs."""
    count = context.sized(256, 16)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
    seeds = sample_seeds(0, 0, torch.arange(count))
    images_there, seeds_there = images.to(context.device), seeds.to(context.device)
    measured = {}
    for name, unbound in (
        ("simclr", SimCLRViews()),
        ("simclr, all changes", SimCLRViews(blur=0.5, solarize=0.2)),
        ("lab", ColorSpaceViews()),
    ):
        recipe = unbound.bind(size=32, mean=(0.5,) * 3, std=(0.25,) * 3)
        pairs = zip(recipe(images, seeds), recipe(images_there, seeds_there), strict=True)
        same = [((one - other.cpu()).abs() < 0.01).double().mean() for one, other in pairs]

        def work(recipe: Any = recipe) -> Any:
            return recipe(images_there, seeds_there)

        wait(context.device)
        repeat = context.sized(20, 2)
        start = time.perf_counter()
        for _ in range(repeat):
            work()
        host = (time.perf_counter() - start) / repeat
        measured[name] = {
            "share of equal pixels": same,
            "ms": 1e3 * median_seconds(context.device, work, 5, 1),
            "ms of the host": 1e3 * host,
        }
    return {"views": measured}


def probes(context: Context) -> dict[str, Any]:
    """KNN and linear probe: equal to the CPU's, and their time at the size of CIFAR-10."""
    return {"probes": _agreement(context) | _probe_times(context)}


def _agreement(context: Context) -> dict[str, float]:
    """Predictions of this device against the CPU's, on clusters that overlap."""
    count = context.sized(4000, 300)
    centers = torch.randn(CLASSES, 64)
    target = torch.arange(count) % CLASSES
    bank = Features(centers[target] + 2 * torch.randn(count, 64), target, torch.arange(count))
    queries = centers[target[: count // 4]] + 2 * torch.randn(count // 4, 64)
    votes, logits = [], []
    for device in (CPU, context.device):
        there = Features(*(part.to(device) for part in bank))
        votes.append(knn_predict(queries.to(device), there, CLASSES, k=200).cpu())
        regression = SoftmaxRegression()
        regression.fit(there.value, there.target, CLASSES)
        logits.append(regression.logits(queries.to(device)).cpu())
    same_class = logits[0].argmax(1) == logits[1].argmax(1)
    return {
        "kNN, share of equal classes": float((votes[0] == votes[1]).double().mean()),
        "linear, share of equal classes": float(same_class.double().mean()),
        "linear, relative error of logits": relative_error([logits[1]], [logits[0]]),
    }


def _probe_times(context: Context) -> dict[str, float]:
    size, asked = context.sized((50_000, 10_000), (500, 100))
    index = torch.arange(size, device=context.device)
    target = index % CLASSES
    value = torch.randn(size, 512, device=context.device) + 0.2 * target[:, None]
    bank = Features(value, target, index)
    queries = torch.randn(asked, 512, device=context.device)
    spent = median_seconds(
        context.device, lambda: knn_predict(queries, bank, CLASSES, k=200), repeat=1, warm_up=1
    )
    start = time.perf_counter()
    SoftmaxRegression().fit(value, target, CLASSES)
    wait(context.device)
    return {"kNN seconds": spent, "linear seconds": time.perf_counter() - start}
