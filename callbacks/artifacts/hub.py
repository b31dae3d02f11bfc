"""An export on the Hub of Hugging Face, or in a folder as it would lie there."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from metaug.lightning_modules.networks.backbone import first_line

EXPORTED = (
    "README.md",
    "config.json",
    "config.yaml",
    "model.onnx",
    "model.onnx.data",
    "model.pt2",
    "model.safetensors",
    "training_curves.png",
)


def push_to_hub(
    folder: str | Path,
    repository: str,
    *,
    files: Sequence[str] | None = None,
    dry_run: str | Path | None = None,
) -> str:
    """Upload the files of an export, or lay them into a folder instead.

    Args:
        folder: What `Export` or `export_backbone` wrote.
        repository: `USER/NAME`; it is made if there is none.
        files: Names of the files; all that an export writes if None.
        dry_run: Where to lay exactly the files that would be uploaded; nothing is sent then.

    Returns:
        The address of the repository, or the folder.

    Raises:
        ValueError: If the name is none of a repository, or the folder holds other files.
        OSError: If there is no token, or the upload fails.

    Examples:
        >>> import tempfile, timm
        >>> from metaug.callbacks import export_backbone, push_to_hub
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     backbone = timm.create_model("test_resnet", num_classes=0)
        ...     weights = export_backbone(backbone, f"{folder}/export")
        ...     laid = push_to_hub(f"{folder}/export", "me/photos", dry_run=f"{folder}/hub")
        ...     sorted(path.name for path in Path(laid).iterdir())
        ['README.md', 'config.json', 'model.safetensors']
    """
    import huggingface_hub
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
    except ValueError as error:
        raise ValueError(f"push_to_hub takes USER/NAME ({first_line(error)})") from error
    if "/" not in repository:
        raise ValueError(f"push_to_hub takes USER/NAME, got {repository!r}")
    folder = Path(folder)
    names = exported_files(folder) if files is None else list(files)
    if not (folder / "README.md").is_file():
        raise FileNotFoundError(f"{folder} has no README.md, so it is no export")
    if dry_run is not None:
        return str(_lay(folder, names, Path(dry_run)))
    if huggingface_hub.get_token() is None:
        raise OSError(
            f"there is no token of the Hub to upload {repository} with: log in by `hf auth login`, "
            "or set HF_TOKEN to one that may write. --dry_run FOLDER shows what would be uploaded"
        )
    try:
        address = huggingface_hub.create_repo(repository, exist_ok=True)
        huggingface_hub.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=names,
            commit_message="Backbone exported by MetAug",
        )
    except Exception as error:  # of the HTTP library that huggingface_hub uses
        raise OSError(
            f"the upload to {repository} failed ({type(error).__name__}: {first_line(error)}); the "
            f"export is whole in {folder}, to be uploaded where there is internet: "
            f"hf upload {repository} {folder}"
        ) from error
    return str(address)


def exported_files(folder: str | Path) -> list[str]:
    """Names of the files of an export that a folder holds, in order.

    Args:
        folder: The folder.
    """
    return [name for name in EXPORTED if (Path(folder) / name).is_file()]


def _lay(folder: Path, names: Sequence[str], target: Path) -> Path:
    if target.is_dir() and any(target.iterdir()):
        raise ValueError(f"{target} is not empty; give dry_run a new folder")
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(folder / name, target / name)
    return target
