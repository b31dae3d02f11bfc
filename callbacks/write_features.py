"""Features of predicted images as a file, with their indices and where they came from."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from metaug.lightning_modules.evaluation.features import Features, pool, read_batch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from .plotting.style import run_directory

FileFormat = Literal["npz", "parquet"]


def save_features(features: Features, path: Path, *, names: list[str] | None = None) -> None:
    """Write features, targets, indices and names; the format follows from the file's name.

    Args:
        features: `[N, F]` and their targets and indices.
        path: ends in `.npz` or `.parquet`.
        names: path or name of each image, in the same order.

    Raises:
        ValueError: for another ending.
        ModuleNotFoundError: for parquet without pyarrow.
    """
    value, target, index = (part.cpu().numpy() for part in features)
    columns: dict[str, Any] = {"index": index, "target": target}
    if names is not None:
        columns["path"] = np.array(names)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez_compressed(path, features=value, **columns)
    elif path.suffix == ".parquet":
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise ModuleNotFoundError(
                f"Writing parquet needs the package pyarrow ({error}): pip install pyarrow, or use "
                "npz."
            ) from error
        flat = pa.FixedSizeListArray.from_arrays(pa.array(value.reshape(-1)), value.shape[1])
        pq.write_table(pa.table(columns | {"features": flat}), path)
    else:
        raise ValueError(f"{path.name} ends in neither .npz nor .parquet; use one of them.")


class WriteFeatures(Callback):
    """Writes what `predict` returns to `<run>/features.npz` (or `.parquet`).

    Columns: `features` [N, F], `target` (-1 without label), `index` in the data set and, where the
    data set can tell, `path`. Each image stands there once, in data-set order, whatever the number
    of processes.

    Args:
        file_format: "npz", or "parquet" (needs pyarrow).
        path: file to write; `features` in the run's folder if None.
    """

    def __init__(self, file_format: FileFormat = "npz", path: str | None = None) -> None:
        if file_format not in ("npz", "parquet"):
            raise ValueError(f"file_format={file_format!r} is not known; use 'npz' or 'parquet'.")
        self.file_format = file_format
        self.path = path
        self.written: list[Path] = []
        self._parts: list[Features] = []

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start with nothing."""
        self._parts = []

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the representation of a batch, on the CPU."""
        if not isinstance(outputs, Tensor):
            raise TypeError(
                f"WriteFeatures needs predict_step to return a tensor [N, F]; it returned a "
                f"{type(outputs).__name__}."
            )
        if dataloader_idx:
            return
        image, target, index = read_batch(batch)
        if index is None:
            index = torch.full((len(image),), -1)
        self._parts.append(
            Features(outputs.detach().float().flatten(1).cpu(), target.cpu(), index.cpu())
        )

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather and write on rank zero."""
        device = pl_module.device
        parts = [Features(*(column.to(device) for column in part)) for part in self._parts]
        whole = pool(parts, device).gathered()
        self._parts = []
        default = run_directory(trainer) / f"features.{self.file_format}"
        path = Path(self.path) if self.path else default
        if trainer.is_global_zero:
            save_features(whole, path, names=image_names(trainer, whole.index.tolist()))
            print(f"features of {len(whole.value)} images: {path}")
            self.written = [path]


def image_names(trainer: pl.Trainer, indices: list[int]) -> list[str] | None:
    """Path or name of each image, where the predicted data set has `name(index)` or `samples`."""
    loader: Any = trainer.predict_dataloaders
    loader = loader[0] if isinstance(loader, list) else loader
    data = getattr(loader, "dataset", None)
    source: Any = getattr(data, "source", data)
    if callable(getattr(source, "name", None)):
        return [str(source.name(index)) for index in indices]
    samples = getattr(source, "samples", None)  # torchvision's folders
    if isinstance(samples, list):
        return [str(samples[index][0]) for index in indices]
    return None
