"""MetAug, the LightningModule: contrastive learning via meta feature augmentation."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .arguments.ranges import check_count, check_number
from .arguments.settings import read_settings
from .checkpoints.rebuildable import RebuildableLightningModule
from .checkpoints.same_model import check_same_model
from .distributed.agreement import check_batch_sizes
from .distributed.batch_norm import synchronize_batch_norm
from .distributed.collectives import gather_to_first
from .evaluation.labeled import read_batch
from .meta_gradient import MetaGradient, MetaStep
from .objectives import MemoryBank, MetAugObjective
from .training.accumulation import Accumulation, count_steps
from .training.batch_formats import read_training_batch
from .training.checks import (
    check_finite,
    check_precision,
    check_settings,
    check_views,
    check_warm_up,
    check_whole,
    find_cause,
)
from .training.contracts import check_agreement, check_encoder, check_images, check_objective
from .training.graphed_step import GraphedStep
from .training.logged_steps import is_logged
from .training.optimization import OptimizerSettings, has_trained_parameters, set_gradients
from .training.random_state import collect_random_state, restore_random_state
from .training.step_gradients import StepComputation, StepGradients
from .training.throughput import ImagesPerSecond
from .training.undo import undone_on_error

_IN_THE_BAR = ("train/loss", "train/meta_gap", "train/images_per_second")


class MetAug(RebuildableLightningModule):
    """Trains an encoder by contrast and a generator by how well the encoder does after its step.

    Every training step computes the encoder's gradient at theta and the generator's meta-gradient
    through the look-ahead, then both optimizers step (MetAug, ICML 2022, section 3.4). Without a
    generator it is the ablation "OUCL only", and with `InfoNCE` plain SimCLR.

    Args:
        encoder: f_theta, such as `Encoder` or `PerViewEncoder`, or your own (`EncoderContract`).
        objective: The objective; null for OUCL with the defaults of `MetAugObjective`, or your own
            (`ObjectiveContract`).
        generator: a_omega, the augmentation generator, your own (`GeneratorContract`), or null for
            none. One without trained parameters takes no meta step and no optimizer.
        meta: Settings of the meta step.
        encoder_optimizer: The encoder's optimizer and schedule.
        generator_optimizer: The generator's optimizer and schedule.
        memory_bank: A memory bank whose entries replace in-batch negatives, or null.
        accumulate: Number of loader batches that form one contrastive batch (they are encoded one
            by one, then share their negatives), >= 1.
        micro_batch_size: Encode a batch in micro-batches of at most this many instances, so that
            batches larger than memory fit; null encodes it whole.
        clip_norm: Greatest norm of the encoder's gradient and of the generator's; null for none.
        compile: Record the gradients of a step as a CUDA graph and replay it, the same numbers at
            next to no time of the host: worth it where a GPU waits for Python. Networks and latent
            augmentations that draw random numbers, a memory bank, several processes and
            micro-batches are computed as usual, with a message.

    Examples:
        >>> import torch
        >>> from metaug.lightning_modules import AugmentationGenerator, Encoder
        >>> encoder = Encoder("resnet10t", small_images=True, projection_dim=64)
        >>> model = MetAug(encoder, generator=AugmentationGenerator(feature_dim=64))
        >>> model(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 512])
    """

    def __init__(
        self,
        encoder: nn.Module,
        objective: nn.Module | None = None,
        generator: nn.Module | None = None,
        meta: MetaStep = MetaStep(),  # noqa: B008 - frozen
        encoder_optimizer: OptimizerSettings = OptimizerSettings(),  # noqa: B008 - frozen
        generator_optimizer: OptimizerSettings = OptimizerSettings(  # noqa: B008 - frozen
            name="adamw", lr=1e-3, weight_decay=1e-4
        ),
        memory_bank: MemoryBank | None = None,
        accumulate: int = 1,
        micro_batch_size: int | None = None,
        clip_norm: float | None = None,
        compile: bool = False,
    ) -> None:
        super().__init__()
        if micro_batch_size is not None:
            check_count("micro_batch_size", micro_batch_size, hint="null encodes a batch whole")
        if clip_norm is not None:
            check_number("clip_norm", clip_norm, above=0, hint="null for no limit")
        check_encoder(encoder, memory_bank)
        check_agreement(encoder, generator)
        self.keep_constructor_config()
        self.automatic_optimization = False
        self.encoder: Any = encoder
        self.objective: Any = MetAugObjective() if objective is None else objective
        check_objective(self.objective, memory_bank)
        self.generator = generator
        self.memory_bank = memory_bank
        self.meta = read_settings("meta", meta, MetaStep)
        kind = OptimizerSettings
        self.encoder_optimizer = read_settings("encoder_optimizer", encoder_optimizer, kind)
        self.generator_optimizer = read_settings("generator_optimizer", generator_optimizer, kind)
        self.micro_batch_size = micro_batch_size
        self.clip_norm = clip_norm
        self.accumulate = accumulate
        self.accumulation = Accumulation(accumulate)
        self._ddp_params_and_buffers_to_ignore = ["memory_bank.entries"]
        self._saved_random_state: dict[str, Any] | None = None
        self._half_done = False  # of the batch in progress
        self._loss = torch.tensor(torch.nan)
        self._rate = ImagesPerSecond()
        self._graphed = GraphedStep() if compile else None
        self._renew_computation()

    # What other pipelines use

    def forward(self, image: Tensor) -> Tensor:
        """The representation that probes use, `[N, C, H, W] -> [N, F]`."""
        return self.encoder.represent(image)

    def features(self, views: list[Tensor]) -> Tensor:
        """Unit-norm features of V views, `V x [N, C, H, W] -> [N, V, D]`."""
        return self.encoder(views)

    def augment(self, features: Tensor) -> Tensor:
        """Augmented features, `[N, V, D] -> [N, V, D]`.

        Raises:
            ValueError: If there is no generator.
        """
        if self.generator is None:
            raise ValueError("generator is null, so there are no augmented features")
        return self.generator(features)

    # Lightning's hooks

    def configure_callbacks(self) -> list[Any]:
        """No callbacks: here settings of the trainer can be checked before Lightning does."""
        check_settings(self.trainer)
        return []

    def setup(self, stage: str) -> None:
        """Check the run's settings, size the memory bank, synchronize BatchNorm over processes."""
        check_precision(self.trainer)
        datamodule = getattr(self.trainer, "datamodule", None)
        views = getattr(datamodule, "num_views", None)
        check_views(views, "data have", self.encoder, self.generator)
        check_images(self.encoder, datamodule)
        if stage != "fit":
            return
        self.accumulation.restore([])
        if self.memory_bank is not None:
            size = self.encoder.feature_dim
            self.memory_bank.allocate_for(datamodule, size, self.generator, self.encoder)
        if self.trainer.world_size > 1:
            first_order = (
                not has_trained_parameters(self.generator) or self.meta.needs_first_derivatives_only
            )
            on_gpu = self.trainer.strategy.root_device.type == "cuda"
            synchronize_batch_norm(self.encoder, native=first_order and on_gpu)

    def configure_optimizers(self) -> Any:
        """The encoder's optimizer and the generator's, with their schedules."""
        check_warm_up(self.trainer, self.encoder_optimizer, self.generator_optimizer)
        epoch, total = count_steps(self.trainer, self.accumulate)
        parts: list[tuple[nn.Module, OptimizerSettings]] = [(self.encoder, self.encoder_optimizer)]
        if self.generator is not None and has_trained_parameters(self.generator):
            parts.append((self.generator, self.generator_optimizer))
        optimizers = [settings.build(module) for module, settings in parts]
        schedules = [
            settings.build_schedule(optimizer, epoch, total)
            for optimizer, (_, settings) in zip(optimizers, parts, strict=True)
        ]
        return optimizers, schedules

    def on_train_epoch_start(self) -> None:
        """Start the clock of the throughput; see which parameters there are."""
        self._rate.restart()
        self._renew_computation()

    def on_validation_end(self) -> None:
        """Leave a validation out of the throughput."""
        self._rate.restart()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """After a resume: go on with the random state of the checkpoint."""
        self._half_done = False
        if self._saved_random_state is not None:
            restore_random_state(self._saved_random_state)
            self._saved_random_state = None

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """One step of both networks; with `accumulate`, once enough batches are there.

        Returns:
            The latest loss, for callbacks; NaN before the first step.
        """
        latest = read_training_batch(batch)
        check_batch_sizes(len(latest.views[0]))
        batches = self.accumulation.add(latest, is_last=self.trainer.is_last_batch)
        if not batches:
            return {"loss": self._loss}
        batches = [each.to(self.device) for each in batches]
        networks = [self.encoder] if self.generator is None else [self.encoder, self.generator]
        is_read = is_logged(self.trainer, self.accumulate) or self.meta.audits(self.global_step)
        with undone_on_error(networks, self.accumulation, batches):
            computed = (self._graphed or self._networks)(
                batches, self.global_step, plain_generator=is_read
            )
            result = computed.gradients
            if is_read or self.device.type == "cpu":
                cause = partial(find_cause, self, batches, computed.index)
                gradients = [*result.encoder, *result.generator]
                check_finite(self.trainer, result.loss, computed.terms, gradients, cause)
        self._rate.add(len(result.features))
        if is_read:
            self._log(computed)
        self._half_done = True
        self._step(result)
        if self.memory_bank is not None and computed.index is not None:
            self.memory_bank.update(result.features, computed.index)
        self._loss = result.loss.detach()
        return {"loss": self._loss}

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing of its own: probes (callbacks) evaluate the representation."""

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing of its own: probes (callbacks) evaluate the representation."""

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The representation of a batch of images, `[N, F]`."""
        return self(read_batch(batch).value)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the random state of every process and batches that wait for accumulation."""
        batches: Any = self.trainer.fit_loop.epoch_loop.batch_progress.current
        in_progress = batches.started > batches.processed
        check_whole(self, half_done=self._half_done and in_progress)
        random_state = self._saved_random_state or collect_random_state()
        processes = gather_to_first((random_state, self.accumulation.state()))
        checkpoint["metaug_random_states"] = [state for state, _ in processes]
        checkpoint["metaug_pending_batches"] = [pending for _, pending in processes]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what `on_save_checkpoint` kept."""
        states = checkpoint.get("metaug_random_states", [])
        rank = self.global_rank if self._trainer is not None else 0
        if self._trainer is not None:
            check_same_model(self, checkpoint)
        self._saved_random_state = states[rank] if rank < len(states) else None
        pending = checkpoint.get("metaug_pending_batches", [checkpoint.get("metaug_pending", [])])
        self.accumulation.restore(pending[rank] if rank < len(pending) else [])

    # The step

    def _renew_computation(self) -> None:
        """Look for the networks' tensors, once an epoch: callbacks may exchange parts."""
        parts = (self.encoder, self.generator, self.objective, self.memory_bank)
        self._networks = StepComputation(*parts, self.meta, self.micro_batch_size)
        if self._graphed is not None:
            self._graphed.renew(self._networks)

    def _step(self, result: MetaGradient) -> None:
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        if result.generator and self._networks.generator_slots is not None:
            omega = self._networks.generator_slots.trained.values()
            set_gradients(omega, result.generator, self.clip_norm)
            # not through Lightning: exactly one optimizer may advance trainer.global_step
            optimizers[1].optimizer.step()
            optimizers[1].optimizer.zero_grad(set_to_none=True)
        theta = self._networks.encoder_slots.trained.values()
        set_gradients(theta, result.encoder, self.clip_norm)
        optimizers[0].step()
        optimizers[0].zero_grad(set_to_none=True)
        schedules: Any = self.lr_schedulers()
        for schedule in schedules if isinstance(schedules, list) else [schedules]:
            schedule.step()

    def _log(self, computed: StepGradients) -> None:
        # read at once, and logged as the host's: of a GPU's the bar would wait for it in each step
        values = computed.values
        read = dict(zip(values, torch.stack(list(values.values())).cpu(), strict=True))
        rate = self._rate.read()
        if self.global_step:  # the first step is slow
            read["train/images_per_second"] = torch.tensor(rate)
        for name, value in read.items():
            self.log(name, value, prog_bar=name in _IN_THE_BAR)
