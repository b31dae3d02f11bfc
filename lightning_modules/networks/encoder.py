"""Encoders: a backbone with a projection head, one for all views or one per view.

Letters: `N` instances, `V` views, `D` feature size, `F` representation size.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..arguments.ranges import check_count
from ..checkpoints.plain_data import plain_data
from ..checkpoints.rebuildable import Rebuildable
from ..checkpoints.weights_to_come import are_to_come
from .backbone import check_backbone_args, feature_size, timm_backbone
from .stages import freeze
from .unit_norm import unit_norm
from .weights.start import start_from


def projection_head(
    in_features: int, out_features: int, *, hidden: int, layers: int, norm: bool
) -> nn.Sequential:
    """A multi-layer perceptron with ReLU between its layers.

    Args:
        in_features: Input size.
        out_features: Output size.
        hidden: Hidden size.
        layers: Number of linear layers, >= 1.
        norm: Whether BatchNorm stands before each ReLU.
    """
    modules: list[nn.Module] = []
    width = in_features
    for _ in range(layers - 1):
        modules.append(nn.Linear(width, hidden, bias=not norm))
        if norm:
            modules.append(nn.BatchNorm1d(hidden))
        modules.append(nn.ReLU(inplace=True))
        width = hidden
    modules.append(nn.Linear(width, out_features))
    return nn.Sequential(*modules)


class Encoder(Rebuildable):
    """f_theta: backbone and projection head, one network for all views.

    Args:
        backbone: The name of a timm model, or a module `[N, C, H, W] -> [N, F]`.
        small_images: Keep the resolution of images of about 32 pixels (timm models only).
        image_channels: C, channels of an image; null for 3. The command line fills in those of the
            data.
        projection_dim: D, size of a feature.
        projection_hidden: Hidden size of the projection head; 0 for F.
        projection_layers: Linear layers of the projection head, >= 1.
        projection_norm: Whether the projection head has BatchNorm.
        pretrained: Start from timm's pretrained weights (true; needs internet or its cache), or
            from a file: of timm, torchvision, lightly, solo-learn or MoCo, a checkpoint of this
            project, or the folder of an export. A checkpoint of what was trained does not need it.
        backbone_args: Further arguments of `timm.create_model`.
        channels_last: Keep images, weights and what backbones of convolutions make of them in
            channels-last memory format: less time on a CPU, and on a GPU with bf16 or TF32. On a
            CPU in float32 torch then sums BatchNorm's statistics less precisely (gradients to 1e-4
            instead of 1e-5), so choose it for speed, not to compare numbers.
        image_size: H and W, for timm models that are built for one size (transformers); null for
            the model's own. The command line fills in that of the data.
        frozen_stages: What does not train: the backbone's stem and that many stages above it, 0 for
            none, or the names of parts (`[conv1, bn1, layer1]`). They stay in evaluation mode.

    Examples:
        >>> encoder = Encoder("resnet10t", small_images=True, projection_dim=64)
        >>> views = [torch.zeros(2, 3, 32, 32), torch.ones(2, 3, 32, 32)]
        >>> encoder(views).shape, encoder.represent(views[0]).shape
        (torch.Size([2, 2, 64]), torch.Size([2, 512]))
    """

    def __init__(
        self,
        backbone: str | nn.Module = "resnet18",
        small_images: bool = False,
        image_channels: int | None = None,
        projection_dim: int = 128,
        projection_hidden: int = 0,
        projection_layers: int = 2,
        projection_norm: bool = True,
        pretrained: bool | str = False,
        backbone_args: dict[str, Any] | None = None,
        channels_last: bool = False,
        image_size: int | None = None,
        frozen_stages: int | list[str] = 0,
    ) -> None:
        super().__init__()
        image_channels = 3 if image_channels is None else image_channels
        check_count("image_channels", image_channels)
        if image_size is not None:
            check_count("image_size", image_size)
        check_count("projection_dim", projection_dim)
        check_count("projection_hidden", projection_hidden, at_least=0)
        check_count("projection_layers", projection_layers)
        is_file = isinstance(pretrained, str | PathLike)
        backbone_args, frozen_stages = plain_data(backbone_args), plain_data(frozen_stages)
        if isinstance(backbone, str):
            check_backbone_args(backbone_args or {})
            backbone = timm_backbone(
                backbone,
                small_images=small_images,
                image_channels=image_channels,
                image_size=image_size,
                pretrained=bool(pretrained) and not is_file and not are_to_come(),
                **(backbone_args or {}),
            )
        elif pretrained and not is_file:
            raise ValueError(
                "pretrained=true stands for timm's weights of a backbone that is given by name, "
                f"got the module {type(backbone).__name__}; give the path of a file of weights"
            )
        if is_file and not are_to_come():
            start_from(backbone, str(pretrained))
        self.backbone = backbone
        self.pretrained = bool(pretrained)
        self.num_features = feature_size(backbone, image_channels, image_size or 32)
        self.feature_dim = projection_dim
        self.channels_last = channels_last
        self.num_views: int | None = None
        self.projection = projection_head(
            self.num_features,
            projection_dim,
            hidden=projection_hidden or self.num_features,
            layers=projection_layers,
            norm=projection_norm,
        )
        if channels_last:  # weights too: a GPU would lay them out anew in each pass
            self.to(memory_format=torch.channels_last)
        self.frozen_stages = frozen_stages
        self._frozen = freeze(backbone, frozen_stages)
        self._keep_frozen()

    def train(self, mode: bool = True) -> Self:
        """Change the mode; frozen stages stay in evaluation mode."""
        super().train(mode)
        self._keep_frozen()
        return self

    def unfreeze(self) -> None:
        """Let frozen stages train with the rest, as in fine-tuning."""
        if self.frozen_stages:
            self.frozen_stages, self._frozen = 0, []
            self.requires_grad_(True)
            self.train(self.training)

    def _keep_frozen(self) -> None:
        for name in self._frozen:
            self.backbone.get_submodule(name).eval()

    def represent(self, image: Tensor) -> Tensor:
        """The representation of images, `[N, C, H, W] -> [N, F]`."""
        if self.channels_last and image.ndim == 4:
            image = image.contiguous(memory_format=torch.channels_last)
        return self.backbone(image)

    def project(self, image: Tensor) -> Tensor:
        """Unit-norm features of images, `[N, C, H, W] -> [N, D]`, in float32 or better."""
        return unit_norm(self.projection(self.represent(image)))

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Features of all views, `V x [N, C, H, W] -> [N, V, D]`; one pass per image size."""
        features: dict[int, Tensor] = {}
        sizes = [view.shape[1:] for view in views]
        for size in dict.fromkeys(sizes):
            same_size = [view for view, other in enumerate(sizes) if other == size]
            batch = torch.cat([views[view] for view in same_size])
            parts = self.project(batch).chunk(len(same_size))
            features.update(zip(same_size, parts, strict=True))
        return torch.stack([features[view] for view in range(len(views))], dim=1)


class PerViewEncoder(Rebuildable):
    """One encoder per view, as in CMC (Tian et al., ECCV 2020) and in the paper's own setting.

    Args:
        encoders: One encoder per view, in the order of the views.
        channels: The channels of a plain image that each view consists of (for example
            `[[0], [1, 2], [0, 1, 2]]` for L, ab and Lab), or null if every encoder takes the
            whole image. Used to represent plain images.

    Examples:
        >>> gray = Encoder("resnet10t", small_images=True, image_channels=1, projection_dim=8)
        >>> color = Encoder("resnet10t", small_images=True, image_channels=2, projection_dim=8)
        >>> encoder = PerViewEncoder([gray, color], channels=[[0], [1, 2]]).eval()
        >>> encoder.represent(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 1024])
    """

    def __init__(self, encoders: list[nn.Module], channels: list[list[int]] | None = None) -> None:
        super().__init__()
        channels = plain_data(channels)
        if channels is not None and len(channels) != len(encoders):
            raise ValueError(
                f"got channels for {len(channels)} views and {len(encoders)} encoders; "
                "give one list of channels per encoder"
            )
        self.encoders: Any = nn.ModuleList(encoders)
        self.channels = channels
        self.num_views: int | None = len(encoders)
        members: list[Any] = list(encoders)
        widths: list[int] = [each.num_features for each in members]
        self.num_features = sum(widths)
        self.feature_dim: int = members[0].feature_dim

    def represent(self, image: Tensor) -> Tensor:
        """Representations of all encoders side by side, `[N, C, H, W] -> [N, F]`."""
        parts = []
        for number, encoder in enumerate(self.encoders):
            part = image if self.channels is None else image[:, self.channels[number]]
            parts.append(encoder.represent(part))
        return torch.cat(parts, dim=1)

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Features of all views, `V x [N, C_v, H, W] -> [N, V, D]`."""
        pairs = zip(self.encoders, views, strict=True)
        return torch.stack([encoder.project(view) for encoder, view in pairs], dim=1)
