"""Probes on as many processes as torchrun starts; rank 0 writes what they found as JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from metaug.callbacks import (
    AttractionMonitor,
    CollapseMonitor,
    Export,
    FeatureMap,
    Features,
    KNNProbe,
    LinearProbe,
    Report,
    RepresentationInfoNCE,
    SoftmaxRegression,
    Summary,
    TrainingCurves,
    WriteFeatures,
    knn_predict,
    knn_predict_grid,
)
from metaug.datamodules import DigitViews, InMemorySource, MultiViewDataset
from metaug.lightning_modules import MetAugObjective
from metaug.lightning_modules.distributed.collectives import gather_rows, rank, world_size
from metaug.lightning_modules.evaluation.features import pool
from torch.utils.data import DataLoader, DistributedSampler, Subset

from tests.callbacks.tiny import (
    TinyModule,
    ValidatedModule,
    digits,
    loader,
    quiet_trainer,
    tiny_module,
)

GRID = [(1, 0.1), (7, 0.1), (99, 0.1), (200, 0.1), (7, 10.0)]


def shard(features, bounds):
    """Uneven shards: process r takes bounds[r] : bounds[r + 1]."""
    if world_size() == 1:
        return features
    part = slice(bounds[rank()], bounds[rank() + 1])
    return Features(*(column[part] for column in features))


def functions():
    """kNN and linear head on uneven shards of features with ties."""
    image, target = digits(0, 120).tensors
    value = image.flatten(1).double()
    value[50:70] = value[10:30]  # copies with other labels: ties across shards
    features = Features(value, target, torch.arange(120))
    bank = Features(*(column[:99] for column in features))
    queries = Features(*(column[99:] for column in features))
    results = {}
    for name, bounds in {"uneven": (0, 37, 99), "one empty": (0, 0, 99)}.items():
        mine, asked = shard(bank, bounds), shard(queries, (0, 5, 21))
        for k in (1, 7, 99, 200):
            found = knn_predict(asked.value, mine, 10, k=k, query_chunk=4, bank_chunk=16)
            results[f"knn {name} {k}"] = gather_rows(found).tolist()
        grid = knn_predict_grid(asked.value, mine, 10, GRID, query_chunk=4, bank_chunk=16)
        results[f"grid {name}"] = [gather_rows(predicted).tolist() for predicted in grid]
        head = SoftmaxRegression()
        head.fit(mine.value, mine.target, 10)
        results[f"linear {name}"] = gather_rows(head.logits(asked.value)).tolist()
        results[f"weight {name}"] = head.weight.tolist()
    return results


def repeats():
    """What two processes both hold is kept once."""
    index = torch.tensor([3, 1, 2]) if rank() == 0 else torch.tensor([2, 5])
    value = torch.full((len(index), 2), float(rank()))
    found = pool([Features(value, index, index)], torch.device("cpu"))
    return gather_rows(found.index).tolist()


def trained(root, size, explicit):
    """Scores of a fit whose validation set has `size` images, and the number of queries."""
    found = {}
    bank, validation = loader(digits(0, 205), 16), loader(digits(300, 300 + size), 4)
    queries = validation if explicit else None
    probes = [KNNProbe(k=9, bank=bank, queries=queries), LinearProbe(bank=bank, queries=queries)]
    trainer = quiet_trainer(
        root,
        callbacks=probes,
        max_epochs=1,
        devices=world_size(),
        strategy="auto",
        limit_train_batches=1,
    )
    module = frozen(TinyModule if explicit else ValidatedModule)
    trainer.fit(module, loader(Subset(digits(), range(64)), 8), None if explicit else validation)
    for name in ("val/knn_top1", "val/linear_top1"):
        found[name] = trainer.callback_metrics[name].item()
    found["queries"] = [probe.query_size for probe in probes]
    found["bank"] = [probe.bank_size for probe in probes]
    found["encoded here"] = module.encoded
    return found


class FeaturesOfViews(TinyModule):
    """Gives the pixels as features, and an objective of them."""

    objective, generator = MetAugObjective(), None

    def features(self, views):
        return torch.stack([F.normalize(view.flatten(1), dim=1) for view in views], dim=1)

    def training_step(self, batch, batch_idx):
        return (self.head(self.backbone(batch[0][0])) * 0).sum()


def without_labels(root):
    """InfoNCE of images of which one process may have none, and the forces of an objective."""
    results = {}
    images = InMemorySource((digits(300, 341).tensors[0] * 255).byte())
    views = DigitViews(size=8, mean=(0.3,), std=(0.4,))
    for most in (41, 3):
        score = RepresentationInfoNCE(images=images, views=views, max_images=most)
        monitor = AttractionMonitor()
        trainer = quiet_trainer(
            root, callbacks=[score, monitor], max_epochs=1, devices=world_size(), strategy="auto"
        )
        train = MultiViewDataset(InMemorySource(images.images[:32]), views)
        sampler = DistributedSampler(train, shuffle=False) if world_size() > 1 else None
        batches = DataLoader(
            train, 32 // world_size(), sampler=sampler, collate_fn=lambda batch: batch
        )
        module = frozen(FeaturesOfViews)
        trainer.fit(module, batches)
        results[f"infonce {most}"] = trainer.callback_metrics["val/representation_infonce"].item()
        results[f"forces {most}"] = list(monitor.latest.values())
        results[f"encoded here {most}"] = module.encoded
    single = RepresentationInfoNCE(images=InMemorySource(images.images[:3]), views=views)
    trainer = quiet_trainer(root, callbacks=[single], devices=world_size())
    trainer.fit(frozen(TinyModule), loader(digits(0, 16), 8))
    return results | {"infonce of 3": list(single.scores.values())}


def everything(root):
    """A fit and a prediction with all callbacks: what they measured and wrote."""
    bank, validation = loader(digits(0, 205), 16), loader(digits(300, 321), 4)
    summary, monitor = Summary(), CollapseMonitor()
    monitor.on_train_batch_end = lambda *args: None  # batches here have one view
    watchers = [TrainingCurves(), FeatureMap(), Export(), Report(), summary]
    trainer = quiet_trainer(
        root,
        callbacks=[KNNProbe(k=9, bank=bank), LinearProbe(bank=bank), monitor, *watchers],
        max_epochs=1,
        devices=world_size(),
        limit_train_batches=1,
    )
    module = frozen(ValidatedModule)
    trainer.fit(module, loader(digits(0, 64), 8), validation)
    module.predict_step = lambda batch, batch_idx: module(batch[0])
    writer = WriteFeatures()
    predictor = quiet_trainer(root, callbacks=[writer], devices=world_size())
    predictor.predict(module, loader(digits(300, 321), 4), return_predictions=False)
    if world_size() > 1:
        dist.barrier()  # rank zero writes
    with np.load(Path(root) / "features.npz") as file:
        features = file["features"]
    return {
        "measured": monitor.latest,
        "scores": summary.scores,
        "written": sorted(
            path.relative_to(root).as_posix() for path in Path(root).rglob("*") if path.is_file()
        ),
        "predicted": len(features),
    }


def frozen(kind):
    """A module whose encoder stays as it is on any number of processes."""
    module = tiny_module(kind)
    module.configure_optimizers = lambda: torch.optim.SGD(module.parameters(), lr=0.0)
    module.backbone[1].momentum = 0.0
    return module


def main(root):
    torch.set_num_threads(1)
    processes = int(sys.argv[2])
    if processes > 1:
        dist.init_process_group("gloo")
    results = functions()
    if processes > 1:
        results["repeats"] = repeats()
    for size in (21, 5, 4, 1):
        for explicit in (True, False):
            results[f"trained {size} {explicit}"] = trained(root, size, explicit)
    folder = Path(root, f"everything on {processes}")
    folder.mkdir(exist_ok=True)
    results["everything"] = everything(folder)
    results["without labels"] = without_labels(folder)
    if rank() == 0:
        Path(root, f"{processes}.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1])
