"""Features of predicted images as a file, with their indices and where they came from."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from metaug.lightning_modules.evaluation.features import encode_batch, evaluation, pool
from metaug.lightning_modules.evaluation.labeled import Features, read_batch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from .artifacts.run_files import run_directory
from .probing.representation import Representation, Represented

FileFormat = Literal["npz", "parquet"]


def save_features(features: Features, path: Path, *, names: list[str] | None = None) -> None:
    """Write features, targets, indices and names; the format follows from the file's name.

    Args:
        features: `[N, F]` and their targets and indices.
        path: Ends in `.npz` or `.parquet`.
        names: Path or name of each image, in the same order.

    Raises:
        ValueError: For another ending.
        ModuleNotFoundError: For parquet without pyarrow.
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
                f"writing parquet needs the package pyarrow ({error}): pip install pyarrow, or use "
                "npz"
            ) from error
        flat = pa.FixedSizeListArray.from_arrays(pa.array(value.reshape(-1)), value.shape[1])
        pq.write_table(pa.table(columns | {"features": flat}), path)
    else:
        raise ValueError(f"{path.name} ends in neither .npz nor .parquet; use one of them")


class WriteFeatures(Callback):
    """Writes the features of predicted images to `<run>/features.npz` (or `.parquet`).

    Columns: `features` [N, F], `target` (-1 without label), `index` in the data set and, where the
    data set can tell, `path`. Each image stands there once, in data-set order, whatever the number
    of processes.

    Args:
        file_format: "npz", or "parquet" (needs pyarrow).
        path: File to write; `features` in the run's folder if None.
        representation: What is written of the module, as of every probe; what its `predict_step`
            returns if None.

    Examples:
        >>> WriteFeatures("parquet").path is None
        True
    """

    def __init__(
        self,
        file_format: FileFormat = "npz",
        path: str | None = None,
        representation: Represented = None,
    ) -> None:
        if file_format not in ("npz", "parquet"):
            raise ValueError(f"file_format={file_format!r} is not known; use 'npz' or 'parquet'")
        self.file_format = file_format
        self.path = path
        self.representation = (
            None if representation is None else Representation.read(representation)
        )
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
        if dataloader_idx:
            return
        if self.representation is not None:
            with evaluation(trainer, pl_module):
                encode = self.representation.of(pl_module)
                features = encode_batch(trainer, encode, batch)
            self._parts.append(features.to(torch.device("cpu")))
            return
        if not isinstance(outputs, Tensor):
            raise TypeError(
                f"WriteFeatures needs predict_step to return a tensor [N, F]; it returned a "
                f"{type(outputs).__name__}; return the features from it, or set representation="
            )
        value = outputs.detach().float().flatten(1)
        self._parts.append(read_batch(batch)._replace(value=value).to(torch.device("cpu")))

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather and write on rank zero."""
        device = pl_module.device
        features = pool(self._parts, device).gathered(device)
        default = run_directory(trainer) / f"features.{self.file_format}"
        path = Path(self.path) if self.path else default
        if trainer.is_global_zero:
            save_features(features, path, names=image_names(trainer, features.index.tolist()))
            print(f"features of {len(features.value)} images: {path}")
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
