"""The augmentation generator a_omega: meta feature augmentation in latent space.

Letters: `N` instances, `V` views, `D` feature size.
"""

import torch
from torch import Tensor, nn

from ..arguments.ranges import check_count
from ..checkpoints.rebuildable import Rebuildable
from .encoder import projection_head
from .unit_norm import unit_norm


class AugmentationGenerator(Rebuildable):
    """Maps each feature to a new, augmented one: one MLP per view, or one shared by all.

    Args:
        feature_dim: D, size of a feature; that of the encoder.
        num_views: V, number of views; that of the data.
        hidden_dim: Hidden size of an MLP, >= 1.
        num_layers: Linear layers of an MLP, >= 1.
        shared: One MLP for all views instead of one per view.
        norm: Whether an MLP has BatchNorm (over the global batch).

    Examples:
        >>> generator = AugmentationGenerator(feature_dim=8, num_views=2)
        >>> generator(torch.randn(4, 2, 8)).shape
        torch.Size([4, 2, 8])
    """

    def __init__(
        self,
        feature_dim: int = 128,
        num_views: int = 2,
        hidden_dim: int = 256,
        num_layers: int = 2,
        shared: bool = False,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.feature_dim = feature_dim
        self.num_views = num_views
        self.networks = ViewNetworks(feature_dim, num_views, hidden_dim, num_layers, shared, norm)

    def forward(self, features: Tensor) -> Tensor:
        """Augmented features, `[N, V, D] -> [N, V, D]`, unit norm.

        Raises:
            ValueError: If V or D is not what the generator was built for.
        """
        return unit_norm(self.networks(features))


class ViewNetworks(nn.ModuleList):
    """One MLP per view, or one for all, `[N, V, D] -> [N, V, D]`; what generators are made of.

    Args:
        feature_dim: D.
        num_views: V, >= 2.
        hidden_dim: Hidden size.
        num_layers: Linear layers, >= 1.
        shared: One MLP for all views.
        norm: Whether BatchNorm stands before each ReLU.

    Raises:
        ValueError: If a number is too small.
    """

    def __init__(
        self,
        feature_dim: int,
        num_views: int,
        hidden_dim: int,
        num_layers: int,
        shared: bool,
        norm: bool,
    ) -> None:
        check_count("feature_dim", feature_dim)
        hint = "set it to the number of views of the data"
        check_count("the generator's num_views", num_views, at_least=2, hint=hint)
        check_count("hidden_dim", hidden_dim)
        check_count("num_layers", num_layers)
        super().__init__(
            projection_head(
                feature_dim, feature_dim, hidden=hidden_dim, layers=num_layers, norm=norm
            )
            for _ in range(1 if shared else num_views)
        )
        self.shape = (num_views, feature_dim)

    def forward(self, features: Tensor) -> Tensor:
        """What the MLPs make of features, not normalized."""
        views, size = self.shape
        if features.ndim != 3 or features.shape[1:] != self.shape:
            raise ValueError(
                f"the generator was built for features [N, {views} views, {size}], got "
                f"{list(features.shape)}; set its num_views to the number of views of the data "
                "and its feature_dim to the encoder's projection_dim"
            )
        outputs = [self[view % len(self)](features[:, view]) for view in range(views)]
        return torch.stack(outputs, dim=1)
