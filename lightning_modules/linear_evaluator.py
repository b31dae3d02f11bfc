"""Offline linear evaluation: linear heads on a frozen encoder, many learning rates in one pass."""

from typing import Any

import torch
from torch import Tensor, nn

from .arguments.ranges import check_count, check_number, check_seed
from .checkpoints.rebuildable import RebuildableLightningModule
from .evaluation.classifier import image_shape, read_labeled, resolve_num_classes
from .evaluation.feature_cache import FeatureCache
from .evaluation.labeled import read_batch
from .evaluation.linear_heads import LinearHeads, cross_entropies, held_out_mask
from .evaluation.pretrained_encoder import REPRESENTATION, PretrainedEncoder
from .evaluation.top_accuracy import TopAccuracy
from .training.accumulation import count_steps
from .training.checks import check_warm_up
from .training.optimization import OptimizerSettings, ScheduleName

LEARNING_RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


class LinearEvaluator(RebuildableLightningModule):
    """Linear classification of frozen features: SGD with momentum, cosine schedule, last epoch.

    All learning rates are trained at once on the same features, standardized and from heads of
    zeros. Which one is reported is chosen without the validation images: beside every head trains a
    held-out head, which does not see the held-out part of the training images, and the rate whose
    held-out head does best on them is taken. Logs `val/linear_top1` and `val/linear_top5` of that
    rate (`test/` in a test), `val/linear_rate`, and `val/linear_top1_rate<rate>` of each.

    Args:
        backbone: A checkpoint of MetAug, the folder of an exported backbone, or a module
            `[N, C, H, W] -> [N, F]`.
        layer: `representation`, `projection`, or the dotted name of a part of the backbone
            such as `layer3`, whose output is averaged over space.
        learning_rates: Peak learning rates of the heads.
        momentum: Momentum of SGD.
        weight_decay: Weight decay of the heads' weights, not of their biases.
        schedule: `cosine` to 0 at the end, or `constant`.
        warmup_epochs: Epochs of linear warm-up; fractions are allowed.
        augment: Train on the loader's random views (the first of each image), encoded anew in every
            epoch. False encodes the images under the evaluation transform once, and trains on
            these features.
        held_out: Part of the training images that chooses the learning rate, in [0, 1); with 0 the
            rate with the smallest training loss is taken.
        num_classes: C; null takes what the data module says.
        seed: Seed of the order of cached features.

    Examples:
        >>> from metaug.lightning_modules import Encoder
        >>> encoder = Encoder("test_resnet", image_channels=1, projection_dim=8)
        >>> evaluator = LinearEvaluator(encoder, learning_rates=[0.1, 1.0])
        >>> evaluator(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 96])
    """

    def __init__(
        self,
        backbone: str | nn.Module,
        layer: str = REPRESENTATION,
        learning_rates: list[float] = list(LEARNING_RATES),  # noqa: B006 - never changed
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        schedule: ScheduleName = "cosine",
        warmup_epochs: float = 0.0,
        augment: bool = False,
        held_out: float = 0.2,
        num_classes: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not learning_rates:
            raise ValueError("learning_rates is empty; give one or more, such as 0.1")
        for rate in learning_rates:
            check_number("learning_rates", rate, above=0)
        check_number("momentum", momentum, at_least=0, below=1)
        check_number("weight_decay", weight_decay, at_least=0)
        check_number("held_out", held_out, at_least=0, below=1, hint="such as 0.2")
        if num_classes is not None:
            check_count("num_classes", num_classes, at_least=2)
        check_seed(seed)
        self.settings = OptimizerSettings(
            name="momentum",
            lr=max(learning_rates),
            schedule=schedule,
            warmup_epochs=warmup_epochs,
        )
        self.encoder = PretrainedEncoder(backbone, layer).freeze()
        self.learning_rates = list(learning_rates)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.augment = augment
        self.held_out = held_out
        self.num_classes = num_classes
        self.seed = seed
        self.chosen: Tensor
        self.register_buffer("chosen", torch.zeros((), dtype=torch.int64))
        self.heads: LinearHeads | None = None
        self._cache: FeatureCache | None = None
        self._last: dict[float, float] = {}
        self.keep_constructor_config(backbone=self.encoder.source)

    def forward(self, image: Tensor) -> Tensor:
        """Frozen features of images `[N, C, H, W] -> [N, F]`; features are left as they are."""
        return image if image.ndim == 2 else self.encoder(image)

    def classify(self, image: Tensor) -> Tensor:
        """Class scores `[N, C]` of the chosen head."""
        assert self.heads is not None
        return self.heads(self(image))[:, int(self.chosen), 0]

    # Preparing

    def setup(self, stage: str) -> None:
        """Make the heads; encode the data once, unless they are augmented."""
        classes = resolve_num_classes(self.trainer, self.num_classes)
        channels, height, width = image_shape(self.trainer)
        self._build(self.encoder.width(channels, height, width), classes)
        if stage == "fit" and not self.augment:
            assert self.heads is not None
            self._cache = FeatureCache(self.trainer, self.encoder, seed=self.seed)
            self.heads.fix_normalization(self._cache.train.value)
            self._cache.serve()

    def _build(self, in_features: int, num_classes: int) -> None:
        if self.heads is None:
            self.heads = LinearHeads(len(self.learning_rates), in_features, num_classes)
        count = len(self.learning_rates)
        self.training_score = TopAccuracy(count, num_classes)
        self.held_out_score = TopAccuracy(count, num_classes)
        self.score = TopAccuracy(count, num_classes)

    def teardown(self, stage: str) -> None:
        """Give the data module its own loaders back."""
        if self._cache is not None:
            self._cache.withdraw()
        self._cache = None

    def configure_optimizers(self) -> Any:
        """SGD with one learning rate per head, all on one schedule."""
        assert self.heads is not None
        check_warm_up(self.trainer, self.settings)
        groups: list[dict[str, Any]] = []
        for weight, bias, rate in zip(
            self.heads.weight, self.heads.bias, self.learning_rates, strict=True
        ):
            groups.append({"params": [weight], "lr": rate, "weight_decay": self.weight_decay})
            groups.append({"params": [bias], "lr": rate})
        optimizer = torch.optim.SGD(groups, lr=1.0, momentum=self.momentum)
        epoch, total = count_steps(self.trainer, self.trainer.accumulate_grad_batches)
        schedule = self.settings.build_schedule(optimizer, epoch, total)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    # Training

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The sum of all heads' cross entropies; no head's gradient depends on another head."""
        images = read_labeled(batch).labeled()
        assert self.heads is not None
        scores = self.heads(self(images.value))  # [N, H, 2, C]: scored heads, held-out heads
        held_out = held_out_mask(images.index, self.held_out)
        losses = cross_entropies(scores[:, :, 0], images.target)
        held_out_losses = cross_entropies(
            scores[~held_out][:, :, 1], images.target[~held_out], (1 - self.held_out) * len(scores)
        )
        with torch.no_grad():
            self.training_score.update(scores[:, :, 0], images.target)
            self.held_out_score.update(scores[held_out][:, :, 1], images.target[held_out])
        self.log("train/loss", losses[self.chosen].detach(), prog_bar=True)
        return losses.sum() + held_out_losses.sum()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """At the end of an epoch, before validation: choose the learning rate."""
        if self.trainer.is_last_batch:
            self._choose()

    def _choose(self) -> None:
        held_out = self.held_out_score.scores() if self.held_out else {}
        top1 = held_out.get("top1")
        if top1 is None or not top1.isfinite().all():  # no image was held out
            self.chosen.copy_(self.training_score.scores()["loss"].argmin())
        else:
            best = top1 == top1.max()
            self.chosen.copy_(held_out["loss"].masked_fill(~best, torch.inf).argmin())
        self.training_score.reset()
        self.held_out_score.reset()

    # Scoring

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Score all heads."""
        images = read_labeled(batch)
        assert self.heads is not None
        self.score.update(self.heads(self(images.value))[:, :, 0], images.target)

    test_step = validation_step

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Class scores `[N, C]` of the chosen head."""
        return self.classify(read_batch(batch).value)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the chosen rate and of each."""
        self._report("val")

    def on_test_epoch_end(self) -> None:
        """Log the scores of the chosen rate and of each."""
        self._report("test")

    def _report(self, stage: str) -> None:
        scores = self.score.scores()
        self.score.reset()
        top1 = scores["top1"]
        logged: dict[str, Any] = {"linear_top1": top1[self.chosen]}
        if "top5" in scores:
            logged["linear_top5"] = scores["top5"][self.chosen]
        logged["linear_rate"] = self.learning_rates[int(self.chosen)]
        for rate, value in zip(self.learning_rates, top1, strict=True):
            logged[f"linear_top1_rate{rate:g}"] = value
        for name, value in logged.items():
            # the same on all processes already, which Lightning cannot know
            self.log(f"{stage}/{name}", value, prog_bar=name == "linear_top1", sync_dist=True)
        self._last = dict(zip(self.learning_rates, top1.tolist(), strict=True))

    def on_fit_end(self) -> None:
        """Print the last epoch's scores."""
        if not self._last:
            return
        shown = ", ".join(f"{rate:g}: {100 * value:.2f}" for rate, value in self._last.items())
        rate = self.learning_rates[int(self.chosen)]
        self.print(
            f"linear top-1 in % of layer {self.encoder.layer!r} after the last epoch, by learning "
            f"rate: {shown}; chosen on held-out training images: {rate:g}"
        )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make heads of the saved size, where nothing else told it."""
        weight = checkpoint["state_dict"].get("heads.weight.0")
        if self.heads is None and weight is not None:
            self._build(weight.shape[2], weight.shape[1])
