"""A generator that moves features instead of replacing them."""

from torch import Tensor, nn

from ..arguments.ranges import check_number
from ..checkpoints.rebuildable import Rebuildable
from .generator import ViewNetworks
from .unit_norm import unit_norm


class ResidualGenerator(Rebuildable):
    """Adds an MLP's output to each feature, `u + r(u)`; not in the paper.

    Args:
        feature_dim: D, size of a feature; that of the encoder.
        num_views: V, number of views; that of the data.
        hidden_dim: Hidden size of an MLP, >= 1.
        num_layers: Linear layers of an MLP, >= 1.
        shared: One MLP for all views instead of one per view.
        norm: Whether an MLP has BatchNorm (over the global batch).
        radius: Greatest length of what is added, > 0, so that augmented features stay within an
            angle of arcsin(radius); null for no limit.
        identity: Start from the identity, by a last layer of zeros.
        centered: Take the mean over all instances and views away from what is added, so that the
            augmented features have no shift in common. An adversarial generator that finds such a
            shift draws the encoder into a cone (docs/study.md).

    Examples:
        >>> import torch
        >>> generator = ResidualGenerator(feature_dim=8, num_views=2, identity=True)
        >>> features = unit_norm(torch.randn(4, 2, 8))
        >>> bool(torch.allclose(generator(features), features))
        True
    """

    def __init__(
        self,
        feature_dim: int = 128,
        num_views: int = 2,
        hidden_dim: int = 256,
        num_layers: int = 2,
        shared: bool = False,
        norm: bool = False,
        radius: float | None = None,
        identity: bool = False,
        centered: bool = False,
    ) -> None:
        super().__init__()
        if radius is not None:
            check_number("radius", radius, above=0, hint="null for no limit")
        self.feature_dim = feature_dim
        self.num_views = num_views
        self.radius = radius
        self.centered = centered
        self.networks = ViewNetworks(feature_dim, num_views, hidden_dim, num_layers, shared, norm)
        if identity:
            for network in self.networks:
                nn.init.zeros_(network[-1].weight)  # type: ignore[index]
                nn.init.zeros_(network[-1].bias)  # type: ignore[index]

    def forward(self, features: Tensor) -> Tensor:
        """Augmented features, `[N, V, D] -> [N, V, D]`, unit norm.

        Raises:
            ValueError: If V or D is not what the generator was built for.
        """
        added = self.networks(features)
        if self.centered:
            added = added - added.mean(dim=(0, 1), keepdim=True)
        if self.radius is not None:  # |added| = r becomes radius * r / sqrt(1 + r^2)
            added = self.radius * added * (1 + added.square().sum(-1, keepdim=True)).rsqrt()
        return unit_norm(features + added)
