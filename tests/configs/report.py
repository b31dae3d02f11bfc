"""A callback that lets a test see what a process was told to train with."""

import json
import os
from pathlib import Path

from pytorch_lightning import Callback


class Report(Callback):
    """Writes the module's hyper-parameters to `rank<k>.json` and fails without training steps.

    Args:
        folder: Where to write.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_end(self, trainer, pl_module):
        """Write."""
        assert trainer.global_step > 0
        self.folder.mkdir(parents=True, exist_ok=True)
        seed = os.environ["PL_GLOBAL_SEED"]
        report = {"seed": seed, "model": dict(pl_module.hparams)}
        file = self.folder / f"rank{trainer.global_rank}.json"
        file.write_text(json.dumps(report, default=str, sort_keys=True))
