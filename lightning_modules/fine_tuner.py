"""Fine-tuning: a pretrained encoder and a linear head trained together, with all labels or few."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from .arguments.ranges import check_count, check_number
from .arguments.settings import read_settings
from .checkpoints.rebuildable import RebuildableLightningModule
from .evaluation.classifier import image_shape, read_labeled, resolve_num_classes
from .evaluation.labeled import read_batch
from .evaluation.pretrained_encoder import PretrainedEncoder
from .evaluation.top_accuracy import TopAccuracy
from .networks.encoder import Encoder
from .training.accumulation import count_steps
from .training.checks import check_warm_up
from .training.optimization import OptimizerSettings


class FineTuner(RebuildableLightningModule):
    """Trains a pretrained encoder on labels; semi-supervised where the data keep few of them.

    Logs `train/loss`, and `val/finetune_top1` and `val/finetune_top5` of the present epoch
    (`test/` in a test).

    Args:
        backbone: A checkpoint of MetAug, the folder of an exported backbone, or a module
            `[N, C, H, W] -> [N, F]`.
        optimizer: Optimizer and schedule of the encoder.
        head_rate_factor: The head's learning rate as a multiple of the encoder's, > 0.
        freeze_batch_norm: Keep the statistics of pretraining in BatchNorm, for very few labels.
        label_smoothing: Part of the target that is spread over all classes, in [0, 1).
        num_classes: C; null takes what the data module says.

    Examples:
        >>> from metaug.lightning_modules import Encoder
        >>> encoder = Encoder("test_resnet", image_channels=1, projection_dim=8)
        >>> tuner = FineTuner(encoder, optimizer=OptimizerSettings(lr=0.003), num_classes=10)
        >>> sum(p.requires_grad for p in tuner.encoder.network.projection.parameters())
        0
    """

    def __init__(
        self,
        backbone: str | nn.Module,
        optimizer: OptimizerSettings = OptimizerSettings(lr=0.01, weight_decay=1e-4),  # noqa: B008 - frozen
        head_rate_factor: float = 10.0,
        freeze_batch_norm: bool = False,
        label_smoothing: float = 0.0,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        check_number("head_rate_factor", head_rate_factor, above=0)
        check_number("label_smoothing", label_smoothing, at_least=0, below=1)
        if num_classes is not None:
            check_count("num_classes", num_classes, at_least=2)
        self.encoder = PretrainedEncoder(backbone)
        self.optimizer_settings = read_settings("optimizer", optimizer, OptimizerSettings)
        self.head_rate_factor = head_rate_factor
        self.freeze_batch_norm = freeze_batch_norm
        self.label_smoothing = label_smoothing
        self.num_classes = num_classes
        self.head: nn.Linear | None = None
        self._last: dict[str, float] = {}
        for part in self.encoder.modules():
            if isinstance(part, Encoder):
                part.unfreeze()
        for name, parameter in self.encoder.named_parameters():
            if "projection" in name.split("."):  # the projection head is not used
                parameter.requires_grad = False
        self.keep_constructor_config(backbone=self.encoder.source)

    def forward(self, image: Tensor) -> Tensor:
        """Features below the head, `[N, C, H, W] -> [N, F]`."""
        return self.encoder(image)

    def classify(self, image: Tensor) -> Tensor:
        """Class scores, `[N, C, H, W] -> [N, C]`."""
        assert self.head is not None
        return self.head(self(image))

    def setup(self, stage: str) -> None:
        """Make the head."""
        classes = resolve_num_classes(self.trainer, self.num_classes)
        self._build(self.encoder.width(*image_shape(self.trainer)), classes)

    def _build(self, in_features: int, num_classes: int) -> None:
        if self.head is None:
            self.head = nn.Linear(in_features, num_classes)
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)
        self.score = TopAccuracy(1, num_classes)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make a head of the saved size, where nothing else told it."""
        weight = checkpoint["state_dict"].get("head.weight")
        if self.head is None and weight is not None:
            self._build(weight.shape[1], weight.shape[0])

    def configure_optimizers(self) -> Any:
        """One optimizer for both, with a larger learning rate for the head."""
        assert self.head is not None
        settings = self.optimizer_settings
        check_warm_up(self.trainer, settings)
        optimizer = settings.build(self.encoder)
        rate = settings.lr * self.head_rate_factor
        for parameter, decay in ((self.head.weight, settings.weight_decay), (self.head.bias, 0.0)):
            optimizer.add_param_group({"params": [parameter], "lr": rate, "weight_decay": decay})
        epoch, total = count_steps(self.trainer, self.trainer.accumulate_grad_batches)
        schedule = settings.build_schedule(optimizer, epoch, total)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def on_train_epoch_start(self) -> None:
        """Keep BatchNorm in evaluation mode, with `freeze_batch_norm`."""
        if self.freeze_batch_norm:
            for module in self.encoder.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Cross entropy of the labeled images of a batch."""
        images = read_labeled(batch)
        known = images.target >= 0
        scores = self.classify(images.value[known])
        if not bool(known.any()):
            return scores.sum()
        loss = functional.cross_entropy(
            scores, images.target[known], label_smoothing=self.label_smoothing
        )
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Score a batch."""
        images = read_labeled(batch)
        self.score.update(self.classify(images.value)[:, None], images.target)

    test_step = validation_step

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Class scores `[N, C]`."""
        return self.classify(read_batch(batch).value)

    def on_validation_epoch_end(self) -> None:
        """Log the scores."""
        self._report("val")

    def on_test_epoch_end(self) -> None:
        """Log the scores."""
        self._report("test")

    def _report(self, stage: str) -> None:
        scores = self.score.scores()
        self.score.reset()
        self._last = {name: float(scores[name][0]) for name in scores if name != "loss"}
        for name in ("top1", "top5"):
            if name in scores:
                score = scores[name][0]  # the same on all processes already
                self.log(f"{stage}/finetune_{name}", score, prog_bar=name == "top1", sync_dist=True)

    def on_fit_end(self) -> None:
        """Print the last epoch's scores."""
        if self._last:
            shown = ", ".join(f"{name} {100 * value:.2f} %" for name, value in self._last.items())
            labels = getattr(getattr(self.trainer, "datamodule", None), "num_instances", "all")
            self.print(f"fine-tuned on {labels} labeled images, after the last epoch: {shown}")
