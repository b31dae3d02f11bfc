"""Train a few steps on fixed views and save every parameter, buffer and bank entry.

Run by the tests of many processes, alone or under torchrun:
`train_on_processes.py OUT NODES ENGINE,ENCODER,NEGATIVES,PRECISION[,BROKEN] ...`, where BROKEN
names a reduction over processes to leave out. ENGINE may name latent augmentations instead.
"""

import os
import sys
from contextlib import nullcontext
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytorch_lightning as pl
import torch
from metaug.lightning_modules import (
    OUCL,
    AugmentationGenerator,
    Encoder,
    ExtrapolationGenerator,
    HardNegativeMixing,
    ImplicitFeatureModification,
    MarginRegularization,
    MemoryBank,
    MetaStep,
    MetAug,
    MetAugObjective,
    NegativeInterpolation,
    NoiseGenerator,
    OptimizerSettings,
)
from metaug.lightning_modules.distributed.batch_norm import _AllReduceSum
from metaug.lightning_modules.distributed.processes import DistributedProcesses, Processes
from metaug.lightning_modules.meta_gradient.encoder_passes import EncoderPasses
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

STEPS, BATCH = 5, 12
LEARNING_RATE = 0.002  # with larger steps so small a network is chaotic: rounding grows
RESNET = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16], "zero_init_last": False}


class InOrder(DistributedSampler):
    """Global batch k is rows [k * BATCH, (k + 1) * BATCH); each process takes every W-th."""

    def __iter__(self):
        return iter(range(self.rank, len(self.dataset), self.num_replicas))


def module(engine: str, encoder: str, negatives: str) -> MetAug:
    torch.manual_seed(1)
    backbones = {
        "resnet": {
            "backbone": "resnet18",
            "small_images": True,
            "backbone_args": RESNET,
        },
        # Rounding of float32 can put a ReLU's input on the other side of 0, and its gradient jumps.
        "smooth_resnet": {
            "backbone": "resnet18",
            "small_images": True,
            "backbone_args": {**RESNET, "act_layer": "silu"},
        },
        "vit": {
            "backbone": "vit_tiny_patch16_224",
            "small_images": True,
            "backbone_args": {"depth": 2, "embed_dim": 16, "num_heads": 2},
            "projection_norm": False,
        },
    }
    settings = OptimizerSettings(lr=LEARNING_RATE, schedule="constant")
    network = Encoder(projection_dim=8, **backbones[encoder])
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):  # from 0, distances would be relative to a few steps alone
            torch.nn.init.normal_(parameter, std=0.1)
    if engine == "mochi_noise":  # latent augmentations, without a meta step
        contrast = ImplicitFeatureModification(OUCL(attraction_weight=0.6))
        objective = MetAugObjective(contrast, synthetic_negatives=HardNegativeMixing(4, 3, 2))
        generator: torch.nn.Module = NoiseGenerator(0.5)
        meta = MetaStep()
    elif engine == "transformation":
        objective = MetAugObjective(synthetic_negatives=NegativeInterpolation())
        generator, meta = ExtrapolationGenerator(), MetaStep()
    else:
        margin = MarginRegularization(weight=0.5, acts_on="both")
        objective = MetAugObjective(OUCL(), augmented_weight=0.5, margin=margin)
        generator = AugmentationGenerator(feature_dim=8, num_views=2, hidden_dim=16)
        meta = MetaStep(engine=engine, inner_lr=0.02)
    bank = None
    if negatives == "bank":
        bank = MemoryBank(16)
        bank.allocate(STEPS * BATCH, num_views=2, feature_dim=8)
    return MetAug(
        network,
        objective,
        generator,
        meta=meta,
        encoder_optimizer=settings,
        generator_optimizer=settings,
        memory_bank=bank,
        clip_norm=5.0,
    )


def data() -> DataLoader:
    torch.manual_seed(2)
    count = STEPS * BATCH
    patches = torch.randn(count, 3, 4, 4)
    images = torch.nn.functional.interpolate(patches, scale_factor=8, mode="nearest")
    views = [images + 0.3 * torch.randn(count, 3, 32, 32) for _ in range(2)]
    rows = TensorDataset(*views, torch.arange(count))
    dtype = torch.get_default_dtype()

    def collate(items):
        first, second, index = (torch.stack(each) for each in zip(*items, strict=True))
        return index, [first.to(dtype), second.to(dtype)], index

    processes = int(os.environ.get("WORLD_SIZE", 1))
    sampler = InOrder(rows, num_replicas=processes, rank=int(os.environ.get("RANK", 0)))
    return DataLoader(rows, BATCH // processes, sampler=sampler, collate_fn=collate)


def own_repeated(processes: Processes, values: torch.Tensor) -> torch.Tensor:
    return torch.cat([processes.own(values)] * processes.count)


def gather_floats(processes: Processes, values: torch.Tensor) -> torch.Tensor:
    return (
        torch.cat([values] * processes.count)
        if values.is_floating_point()
        else (real_gather(processes, values))
    )


def gather_index(processes: Processes, values: torch.Tensor) -> torch.Tensor:
    return (
        real_gather(processes, values)
        if values.is_floating_point()
        else (torch.cat([values] * processes.count))
    )


def tangent(passes: EncoderPasses, *arguments) -> torch.Tensor:
    return own_repeated(passes.processes, real_tangent(passes, *arguments))


real_gather, real_tangent = DistributedProcesses.gather, EncoderPasses.tangent
BROKEN = {
    "features": lambda: mock.patch.object(DistributedProcesses, "gather", gather_floats),
    "index": lambda: mock.patch.object(DistributedProcesses, "gather", gather_index),
    "gradients": lambda: mock.patch.object(DistributedProcesses, "reducing", Processes.reducing),
    "tangent": lambda: mock.patch.object(EncoderPasses, "tangent", tangent),
    "statistics": lambda: mock.patch.object(
        _AllReduceSum, "forward", staticmethod(lambda values: values.clone())
    ),
    "statistics' gradients": lambda: mock.patch.object(
        _AllReduceSum, "backward", staticmethod(lambda ctx, grad: grad)
    ),
    "statistics' tangents": lambda: mock.patch.object(
        _AllReduceSum, "jvp", staticmethod(lambda ctx, tangent: tangent)
    ),
}


def train(
    engine: str, encoder: str, negatives: str, precision: str, broken: str = "", nodes: int = 1
) -> MetAug:
    torch.set_default_dtype(torch.float32)
    model = module(engine, encoder, negatives)
    torch.set_default_dtype(torch.float64 if precision == "64-true" else torch.float32)
    processes = int(os.environ.get("WORLD_SIZE", 1))
    trainer = pl.Trainer(
        accelerator="cpu",
        strategy="ddp" if processes > 1 else "auto",
        devices=processes // nodes,
        num_nodes=nodes,
        precision=precision,
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with BROKEN[broken]() if broken else nullcontext():
        trainer.fit(model, data())
    assert trainer.world_size == processes
    assert trainer.global_step == STEPS
    return model


def main() -> None:
    out, nodes, *cases = sys.argv[1:]
    states = {}
    for case in cases:
        model = train(*case.split(","), nodes=int(nodes))
        states[case] = model.state_dict()
    if int(os.environ.get("RANK", 0)) == 0:
        torch.save(states, out)


if __name__ == "__main__":
    main()
