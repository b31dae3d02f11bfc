"""What a training step would ask of a GPU: operations, and waits for the device.

    python -m benchmarks.step.launches

Whole steps under Lightning's Trainer with the recipe of `cifar10.yaml`, on torch's device `meta`:
it computes shapes and no values, so no value that is read, and no copy to the host, can be missed.
No GPU is needed. Counted from the start of a batch to the start of the next one.
"""

import argparse
import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytorch_lightning as pl
import torch
from metaug.lightning_modules import InfoNCE, MetAug, MetAugObjective
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from benchmarks.gpu import recipe
from benchmarks.gpu.problems import RandomBatches
from benchmarks.launches import Launches

META = torch.device("meta")
KINDS = ("simclr", "oucl", "lookahead", "exact", "first_order")
WATCHED = 4  # optimizers have their states by then


class MetaDevice(SingleDeviceStrategy):
    """The device `meta` while batches are trained on, else the CPU."""

    training = False

    @property
    def root_device(self) -> torch.device:
        """Where Lightning makes its own tensors."""
        return META if self.training else torch.device("cpu")

    def model_to_device(self) -> None:
        """Move the module."""
        assert self.model is not None
        self.model.to(META)

    def batch_to_device(self, batch: Any, device: Any = None, dataloader_idx: int = 0) -> Any:
        """Batches are there."""
        return batch

    def teardown(self) -> None:
        """Nothing comes back."""


class ValuesOfNoMeaning(TorchDispatchMode):
    """Lets Lightning read values of logged steps: all are one."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call, or make the value up."""
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return args[0].dtype == torch.bool or 1.0
        if func is torch.ops.aten._to_copy.default and args[0].is_meta:
            device = kwargs.get("device")
            if device is not None and torch.device(device).type == "cpu":
                return torch.ones(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        return func(*args, **kwargs)


class WatchStep(pl.Callback):
    """Counts one step, in `launches`.

    Args:
        step: Its number.
    """

    def __init__(self, step: int) -> None:
        self.step = step
        self.launches = Launches("meta")
        self.stack = contextlib.ExitStack()

    def on_train_epoch_start(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        """From here on the device is `meta`."""
        trainer.strategy.training = True

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Begin to count, and end with the next batch."""
        self.stack.close()
        if batch_idx == self.step:
            self.stack.enter_context(self.launches)

    def on_train_epoch_end(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        """Back to the CPU."""
        self.stack.close()
        trainer.strategy.training = False


@contextlib.contextmanager
def on_meta() -> Iterator[None]:
    """Work on `meta`, which knows no autocast and has no values to read."""
    autocast = torch.autocast

    def without_meta(device_type: str, *args: Any, **kwargs: Any) -> Any:
        if device_type == "meta":
            return contextlib.nullcontext()
        return autocast(device_type, *args, **kwargs)

    with mock.patch("torch.autocast", without_meta), ValuesOfNoMeaning():
        yield


def build(kind: str) -> MetAug:
    """The recipe with an engine, or its ablations `oucl` and `simclr`."""
    given = recipe.at_constant_rates(recipe.model_arguments())
    if kind in ("simclr", "oucl"):
        objective = MetAugObjective(InfoNCE() if kind == "simclr" else None)
        given |= {"objective": objective, "generator": None}
    else:
        given["meta"]["engine"] = kind
    return recipe.build(given)


def count(module: pl.LightningModule, *callbacks: pl.Callback, logged: bool = False) -> Launches:
    """Count a step of a module.

    Args:
        module: What trains on views of 32 pixels.
        callbacks: More of the trainer's.
        logged: Watch a step that is logged, instead of one between two logged ones.
    """
    watch = WatchStep(WATCHED)
    settings: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": any(isinstance(each, ProgressBar) for each in callbacks),
        "enable_model_summary": False,
    }
    trainer = pl.Trainer(
        accelerator="cpu",
        strategy=MetaDevice(device=META),
        max_epochs=1,
        max_steps=WATCHED + 2,  # before the last batch, when callbacks measure
        log_every_n_steps=WATCHED + 1 if logged else 50,
        callbacks=[watch, *callbacks],
        **settings,
    )
    batches = RandomBatches(WATCHED + 3, 8, 32, torch.float32, META)
    with on_meta(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, DataLoader(batches, batch_size=None))
    return watch.launches


def main() -> None:
    """Print a table."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    print(f"{'step':<12}{'operations':>12}{'waits':>8}{'when logged':>14}{'waits':>8}")
    for kind in KINDS:
        plain, logged = count(build(kind)), count(build(kind), logged=True)
        numbers = (plain.total, plain.waits.total(), logged.total, logged.waits.total())
        print("{:<12}{:>12}{:>8}{:>14}{:>8}".format(kind, *numbers))
        for place, times in plain.waits.items():
            print(f"  waits {times} times: {place}")


if __name__ == "__main__":
    main()
