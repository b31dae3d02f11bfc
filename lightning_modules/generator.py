"""The augmentation generator a_omega: meta feature augmentation in latent space."""

import torch
from torch import Tensor, nn

from .encoder import projection_head, unit_norm
from .recipe import Rebuildable


class AugmentationGenerator(Rebuildable):
    """Maps each feature to a new, augmented one: one MLP per view, or one shared by all.

    Args:
        feature_dim: D, size of a feature; that of the encoder.
        num_views: V, number of views; that of the data.
        hidden_dim: Hidden size of an MLP.
        num_layers: Linear layers of an MLP, >= 1.
        shared: One MLP for all views instead of one per view.
        norm: Whether an MLP has BatchNorm (over the global batch).
        residual: Add the MLP's output to the feature before normalising.
        radius: Greatest length of what ``residual`` adds, so that augmented features stay within
            an angle of arcsin(radius); null for no limit.
        identity: Start from the identity, by a last layer of zeros; needs ``residual``.
        centred: Take the mean over all instances and views away from what ``residual`` adds, so
            that the augmented features have no shift in common. An adversarial generator that
            finds such a shift draws the encoder into a cone (docs/study.md).
    """

    def __init__(
        self,
        feature_dim: int = 128,
        num_views: int = 2,
        hidden_dim: int = 256,
        num_layers: int = 2,
        shared: bool = False,
        norm: bool = False,
        residual: bool = False,
        radius: float | None = None,
        identity: bool = False,
        centred: bool = False,
    ) -> None:
        super().__init__()
        if num_views < 2:
            raise ValueError(
                f"the generator needs at least 2 views, got num_views={num_views}; "
                "set it to the number of views of the data"
            )
        if not residual and (identity or centred or radius is not None):
            raise ValueError(
                f"identity={identity}, centred={centred} and radius={radius} say what is added to "
                "a feature; set residual to true, or leave them out"
            )
        if radius is not None and not radius > 0:
            raise ValueError(f"radius must be greater than 0, got {radius}; null for no limit")
        self.feature_dim = feature_dim
        self.num_views = num_views
        self.residual = residual
        self.radius = radius
        self.centred = centred
        self.networks = nn.ModuleList(
            projection_head(
                feature_dim, feature_dim, hidden=hidden_dim, layers=num_layers, norm=norm
            )
            for _ in range(1 if shared else num_views)
        )
        if identity:
            for network in self.networks:
                nn.init.zeros_(network[-1].weight)  # type: ignore[index]
                nn.init.zeros_(network[-1].bias)  # type: ignore[index]

    def forward(self, features: Tensor) -> Tensor:
        """Augmented features, ``[N, V, D] -> [N, V, D]``, unit norm.

        Raises:
            ValueError: If V or D is not what the generator was built for.
        """
        if features.ndim != 3 or features.shape[1:] != (self.num_views, self.feature_dim):
            raise ValueError(
                f"the generator was built for features [N, {self.num_views} views, "
                f"{self.feature_dim}], got {list(features.shape)}; set its num_views to the number "
                "of views of the data and its feature_dim to the encoder's projection_dim"
            )
        output = torch.stack(
            [
                self.networks[view % len(self.networks)](features[:, view])
                for view in range(self.num_views)
            ],
            dim=1,
        )
        if self.centred:
            output = output - output.mean(dim=(0, 1), keepdim=True)
        if self.radius is not None:  # |output| = r becomes radius * r / sqrt(1 + r^2)
            output = self.radius * output * (1 + output.square().sum(-1, keepdim=True)).rsqrt()
        return unit_norm(features + output if self.residual else output)
