"""A pretrained encoder as evaluation uses it: from a checkpoint, an export, or Python."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..checkpoints.rebuildable import Rebuildable, rebuild
from ..networks.backbone import first_line, representation_of_zeros
from ..networks.exported_backbone import read_exported

REPRESENTATION, PROJECTION = "representation", "projection"
_EVALUATED = "encoder.network."  # where an evaluator keeps what it evaluates


class PretrainedEncoder(nn.Module):
    """The features of one layer of a pretrained network, `[N, C, H, W] -> [N, F]`.

    Args:
        source: A checkpoint of MetAug (a file), the folder of an exported backbone, or a module
            that maps images to `[N, F]` (by `represent` if it has that, else by its forward).
        layer: `representation`; `projection`, the unit-norm features that contrast compares;
            or the dotted name of a part of the backbone, such as `layer3`, whose output is
            averaged over space (`[N, F, H, W]`) or tokens (`[N, T, F]`).

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If the file is no checkpoint of MetAug, or there is no such layer.

    Examples:
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten())
        >>> PretrainedEncoder(network, layer="1")(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 4])
    """

    def __init__(self, source: str | Path | nn.Module, layer: str = REPRESENTATION) -> None:
        super().__init__()
        network = source if isinstance(source, nn.Module) else read_network(source)
        self.network: Any = network
        self.layer = layer
        self.frozen = False
        self._seen: list[Tensor] = []
        self._path = None if isinstance(source, nn.Module) else str(source)
        if layer not in (REPRESENTATION, PROJECTION):
            self._watched().register_forward_hook(self._keep)
        elif layer == PROJECTION and not hasattr(network, "project"):
            raise ValueError(
                f"layer 'projection' needs an encoder with a projection head, and "
                f"{type(network).__name__} has none (an export is a backbone alone); give a "
                "checkpoint, or use layer: representation"
            )

    @property
    def source(self) -> nn.Module | str:
        """What a checkpoint keeps of it: how the network was built, else where it was read."""
        if isinstance(self.network, Rebuildable) or self._path is None:
            return self.network
        return self._path

    @property
    def backbone(self) -> nn.Module:
        """The network below the projection head."""
        return getattr(self.network, "backbone", self.network)

    def freeze(self) -> Self:
        """Train nothing of it, and keep it in evaluation mode from now on."""
        self.frozen = True
        self.requires_grad_(False)
        return self.eval()

    def train(self, mode: bool = True) -> Self:
        """Change the mode, unless frozen."""
        return super().train(mode and not self.frozen)

    def forward(self, image: Tensor) -> Tensor:
        """Features of the layer, `[N, C, H, W] -> [N, F]`."""
        if self.layer == PROJECTION:
            return self.network.project(image)
        represent = getattr(self.network, "represent", self.network)
        if self.layer == REPRESENTATION:
            return represent(image).flatten(1)
        self._seen.clear()
        represent(image)
        if len(self._seen) != 1:
            raise ValueError(
                f"layer {self.layer!r} ran {len(self._seen)} times in one pass of the backbone, so "
                "it has no single output; name a part that runs once"
            )
        output = self._seen.pop()
        return output.mean(1) if output.ndim == 3 else output.flatten(2).mean(2)

    def width(self, channels: int, height: int, width: int) -> int:
        """F, found by a pass of blank images.

        Args:
            channels: C.
            height: H.
            width: W.

        Raises:
            ValueError: If the network does not take such images.
        """
        try:
            return representation_of_zeros(self, channels, (height, width)).shape[1]
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"the backbone does not take the data's images [{channels}, {height}, {width}] "
                f"({first_line(error)}); evaluate it on data with its number of channels "
                "and image size (image_channels, image_size)"
            ) from error

    def _watched(self) -> nn.Module:
        try:
            return self.backbone.get_submodule(self.layer)
        except AttributeError as error:
            names = ", ".join(name for name, _ in self.backbone.named_children())
            raise ValueError(
                f"there is no layer {self.layer!r}; use representation, projection, or a part of "
                f"the backbone: {names}"
            ) from error

    def _keep(self, module: nn.Module, arguments: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim not in (2, 3, 4):
            raise ValueError(
                f"layer {self.layer!r} gives {type(output).__name__}, not a tensor [N, F], "
                "[N, T, F] or [N, F, H, W]; name another part of the backbone"
            )
        self._seen.append(output[:, :, None] if output.ndim == 2 else output)


def read_network(source: str | Path) -> nn.Module:
    """The encoder of a checkpoint of MetAug or of an evaluation, or an exported backbone.

    Args:
        source: A checkpoint file (of MetAug, `FineTuner` or `LinearEvaluator`), or the folder
            of an export.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If the file is no checkpoint of MetAug that can be rebuilt.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return read_exported(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no checkpoint or exported folder {str(source)!r}; train one with "
            "`metaug fit --config digits.yaml` and give runs/digits/version_0/checkpoints/last.ckpt"
        )
    try:
        return _load(path)
    except (KeyError, TypeError, ValueError, RuntimeError, UnpicklingError, EOFError) as error:
        raise ValueError(
            f"{path} cannot be rebuilt as MetAug ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}); give a checkpoint of MetAug "
            "whose encoder is Rebuildable, of an evaluation of one, the folder of an export, or "
            "build the module in Python and pass it as backbone"
        ) from error


def _load(path: Path) -> nn.Module:
    """The network that a checkpoint trained or evaluated, with the weights that it ended with."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    config = checkpoint["hyper_parameters"]
    name, prefix = ("encoder", "encoder.") if "encoder" in config else ("backbone", _EVALUATED)
    network = rebuild(config[name])
    if isinstance(network, str):  # an export, which was evaluated
        network = read_network(network)
    state = checkpoint["state_dict"].items()
    network.load_state_dict(
        {key.removeprefix(prefix): value for key, value in state if key.startswith(prefix)}
    )
    return network
