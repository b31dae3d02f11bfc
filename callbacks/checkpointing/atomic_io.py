"""Checkpoint files that are whole or not there."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning_fabric.utilities.cloud_io import _is_local_file_protocol


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the file and renames, so that a process killed at any moment leaves no half.

    Lightning's own writes in the system's temporary folder and copies from there if that is another
    file system.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     AtomicCheckpointIO().save_checkpoint({"epoch": 3}, Path(folder) / "last.ckpt")
        ...     [path.name for path in Path(folder).iterdir()]
        ['last.ckpt']
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; an address such as `s3://...` is left to Lightning.

        Args:
            checkpoint: What to write.
            path: Where to.
            storage_options: None.

        Raises:
            OSError: If it cannot be written; a file that was there is kept.
        """
        if storage_options is not None or not _is_local_file_protocol(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                try:
                    torch.save(checkpoint, file)
                except RuntimeError as error:  # torch's writer hides why
                    file.flush()
                    raise OSError(
                        None, f"the checkpoint cannot be written ({error})", path
                    ) from error
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
