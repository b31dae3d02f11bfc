"""Watches the objective: the attraction and the repulsion that reach the encoder."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from metaug.lightning_modules.distributed.collectives import gather_rows
from metaug.lightning_modules.evaluation.features import evaluation
from metaug.lightning_modules.training.batch_formats import Batch, read_training_batch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch import nn

from ..artifacts.run_files import publish
from ..plotting.attraction import draw_attraction
from ..plotting.history import History
from ..probing.attraction import Forces, attraction_and_repulsion
from ..probing.evaluation_callback import check_every_n_epochs, is_evaluation_epoch


class AttractionMonitor(Callback):
    """Logs how strongly the objective pulls positive pairs together and pushes negative ones apart.

    On the last batch of an epoch, in evaluation mode: `objective/attraction` and
    `objective/repulsion`, norms of the gradient of what the encoder minimizes at its features,
    summed over positive and over negative pairs, means over instances; and
    `objective/attraction_ratio`, the one over the other. Draws `figures/attraction.png` over
    epochs. Without a generator, OUCL and InfoNCE weigh both alike: a ratio of 1. With a generator
    and `detach`, an augmented feature passes no gradient on, so what the loss puts on pairs with
    one is half or wholly lost to the encoder, and the ratio says on which side more of it.

    For a module with `features(views)` and an `objective` of which some part is a module that is
    called with a `PairSet`, as `MetAugObjective` calls its `contrast`; of others it says so once,
    and what an objective adds beside its pairs is left out. On several processes it is that of all
    features together.

    Args:
        every_n_epochs: Epochs between measurements, a forward pass of a batch each; the last epoch
            is always measured.

    Examples:
        >>> AttractionMonitor(every_n_epochs=5).latest
        {}
    """

    def __init__(self, every_n_epochs: int = 1) -> None:
        self.every_n_epochs = check_every_n_epochs(every_n_epochs)
        self.history = History()
        self.latest: dict[str, float] = {}
        self.written: list[Path] = []
        self._warned = False

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """At the end of an epoch measure, log and draw."""
        if not (trainer.is_last_batch and is_evaluation_epoch(trainer, self.every_n_epochs)):
            return
        module: Any = pl_module
        if not (
            hasattr(module, "features")
            and isinstance(getattr(module, "objective", None), nn.Module)
        ):
            self._warn(f"{type(module).__name__} has no features(views) or no objective of them")
            return
        try:
            views = read_training_batch(batch)
        except (TypeError, ValueError) as error:
            self._warn(str(error))
            return
        if len(views.views[0]) * trainer.world_size < 2:  # a short one, which accumulation takes
            return
        forces = self.measure(trainer, module, views)
        if forces is None:
            self._warn(
                f"no part of {type(module.objective).__name__} is a module that is called with a "
                "PairSet, as MetAugObjective calls its contrast; form_pairs(features) makes one"
            )
            return
        self._log(trainer, pl_module, forces)

    @staticmethod
    def measure(trainer: pl.Trainer, pl_module: Any, batch: Batch) -> Forces | None:
        """The forces of a batch; every process must come here.

        Args:
            trainer: Gives the precision.
            pl_module: Has `features`, `objective` and, if there are, `generator` and `memory_bank`.
            batch: This process's views.

        Returns:
            None if the objective cannot be split.
        """
        bank, negatives, index = getattr(pl_module, "memory_bank", None), None, None
        batch = batch.to(pl_module.device)
        with evaluation(trainer, pl_module):
            parts = [
                pl_module.features([trainer.precision_plugin.convert_input(view) for view in views])
                for views in batch.split(getattr(pl_module, "micro_batch_size", None))
            ]
            features = gather_rows(torch.cat(parts).float())
            if bank is not None:
                negatives = bank.draw(trainer.global_step)
                index = gather_rows(batch.index_for_bank())
            generator = getattr(pl_module, "generator", None)
            return attraction_and_repulsion(
                pl_module.objective, generator, features, negatives, index
            )

    def _log(self, trainer: pl.Trainer, pl_module: pl.LightningModule, forces: Forces) -> None:
        attraction, repulsion = torch.stack(forces).tolist()
        self.latest = {"objective/attraction": attraction, "objective/repulsion": repulsion}
        if repulsion:
            self.latest["objective/attraction_ratio"] = attraction / repulsion
        for name, value in self.latest.items():
            pl_module.log(name, value, on_step=False, on_epoch=True, sync_dist=True, batch_size=1)
            short = name.rpartition("/")[2].removeprefix("attraction_")
            self.history.add(short, trainer.current_epoch + 1, value)
        self.written = publish(trainer, draw_attraction(self.history), "attraction")

    def _warn(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            rank_zero_warn(f"AttractionMonitor measures nothing: {reason}.")

    def state_dict(self) -> dict[str, Any]:
        """The record over epochs."""
        return {"history": self.history.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the record."""
        self.history.load_state_dict(state_dict["history"])
