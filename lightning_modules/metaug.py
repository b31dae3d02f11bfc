"""MetAug, the LightningModule: contrastive learning via meta feature augmentation."""

from typing import Any

from torch import Tensor, nn

from .checkpoints.rebuildable import RebuildableLightningModule
from .distributed.batch_norm import synchronize_batch_norm
from .distributed.processes import Processes, current_processes
from .meta_gradient import (
    MetaGradient,
    MetaStep,
    encoder_gradient,
    meta_gradient,
    relative_distance,
)
from .networks.functional_encoder import FunctionalEncoder
from .objectives import MetAugObjective
from .objectives.memory_bank import MemoryBank
from .objectives.row_blocks import BatchObjective
from .training.batch_formats import Batch, join, read_batch
from .training.checks import check_finite, check_precision, check_sizes, check_views
from .training.optimization import OptimizerSettings, clip_by_norm
from .training.random_state import collect_random_states, restore_random_state
from .training.steps import count_steps
from .training.throughput import Throughput


class MetAug(RebuildableLightningModule):
    """Trains an encoder by contrast and a generator by how well the encoder does after its step.

    Every training step computes the encoder's gradient at theta and the generator's meta-gradient
    through the look-ahead, then both optimizers step (MetAug, ICML 2022, section 3.4). Without a
    generator it is the ablation "OUCL only", and with ``InfoNCE`` plain SimCLR.

    Args:
        encoder: f_theta, such as ``Encoder`` or ``PerViewEncoder``.
        objective: The objective; null for OUCL with the defaults of ``MetAugObjective``.
        generator: a_omega, the augmentation generator, or null for none.
        meta: Settings of the meta step.
        encoder_optimizer: The encoder's optimizer and schedule.
        generator_optimizer: The generator's optimizer and schedule.
        memory_bank: A memory bank whose entries replace in-batch negatives, or null.
        accumulate: Number of loader batches that form one contrastive batch (they are encoded one
            by one, then share their negatives), >= 1.
        micro_batch_size: Encode a batch in pieces of at most this many instances, so that batches
            larger than memory fit; null encodes it whole.
        clip_norm: Greatest norm of the encoder's gradient and of the generator's; null for none.
    """

    def __init__(
        self,
        encoder: nn.Module,
        objective: MetAugObjective | None = None,
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
    ) -> None:
        super().__init__()
        for name, value in (("accumulate", accumulate), ("micro_batch_size", micro_batch_size)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if clip_norm is not None and not clip_norm > 0:
            raise ValueError(
                f"clip_norm must be greater than 0, got {clip_norm}; null for no limit"
            )
        self.keep_constructor_config()
        self.automatic_optimization = False
        self.encoder: Any = encoder
        self.objective = MetAugObjective() if objective is None else objective
        self.generator = generator
        self.memory_bank = memory_bank
        self.meta = meta
        self.encoder_optimizer = encoder_optimizer
        self.generator_optimizer = generator_optimizer
        self.accumulate = accumulate
        self.micro_batch_size = micro_batch_size
        self.clip_norm = clip_norm
        check_sizes(encoder, generator)
        self._ddp_params_and_buffers_to_ignore = ["memory_bank.entries"]
        self._pending: list[Batch] = []
        self._saved_random_state: dict[str, Any] | None = None
        self._throughput = Throughput()

    # What other pipelines use

    def forward(self, image: Tensor) -> Tensor:
        """The representation that probes use, ``[N, C, H, W] -> [N, F]``."""
        return self.encoder.represent(image)

    def features(self, views: list[Tensor]) -> Tensor:
        """Unit-norm features of V views, ``V x [N, C, H, W] -> [N, V, D]``."""
        return self.encoder(views)

    def augment(self, features: Tensor) -> Tensor:
        """Augmented features, ``[N, V, D] -> [N, V, D]``.

        Raises:
            ValueError: If there is no generator.
        """
        if self.generator is None:
            raise ValueError("generator is null, so there are no augmented features")
        return self.generator(features)

    # Lightning's hooks

    def setup(self, stage: str) -> None:
        """Check the run's settings, size the memory bank, join BatchNorm over processes."""
        check_precision(self.trainer)
        views = getattr(getattr(self.trainer, "datamodule", None), "num_views", None)
        check_views(views, "data have", self.encoder, self.generator)
        if stage != "fit":
            return
        self._pending = []
        if self.memory_bank is not None:
            self._size_memory_bank(self.memory_bank)
        if self.trainer.world_size > 1:
            first_order = self.generator is None or self.meta.engine in ("lookahead", "first_order")
            first_order = first_order and not self.meta.audit_every
            on_gpu = self.trainer.strategy.root_device.type == "cuda"
            synchronize_batch_norm(self.encoder, first_order=first_order and on_gpu)

    def configure_optimizers(self) -> Any:
        """The encoder's optimizer and the generator's, with their schedules."""
        epoch, total = count_steps(self.trainer, self.accumulate)
        parts: list[tuple[nn.Module, OptimizerSettings]] = [(self.encoder, self.encoder_optimizer)]
        if self.generator is not None:
            parts.append((self.generator, self.generator_optimizer))
        optimizers, schedules = [], []
        for module, settings in parts:
            optimizer = settings.build(module)
            schedule = settings.build_schedule(optimizer, epoch, total)
            optimizers.append(optimizer)
            schedules.append(schedule)
        return optimizers, schedules

    def on_train_start(self) -> None:
        """Start the clock of the throughput."""
        self._throughput.restart()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """After a resume: go on with the random state of the checkpoint."""
        if self._saved_random_state is not None:
            restore_random_state(self._saved_random_state)
            self._saved_random_state = None

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """One step of both networks; with ``accumulate``, once enough batches are there."""
        self._pending.append(read_batch(batch))
        if len(self._pending) < self.accumulate and not self.trainer.is_last_batch:
            return
        batches = [batch.to(self.device) for batch in self._pending]
        self._pending = []
        whole = batches[0] if len(batches) == 1 else join(batches)
        check_views(len(whole.views), "batch has", self.encoder, self.generator)
        processes = current_processes()
        index = self._global_index(whole, processes)
        negatives = None
        if self.memory_bank is not None:
            negatives = self.memory_bank.draw(self.global_step)
        count = whole.views[0].shape[0] * processes.count
        if count < 2 and negatives is None:
            raise ValueError(
                "a batch of 1 instance has no negatives; use a batch of 2 or more (drop_last=True "
                "in the loader leaves out a short last batch), or a memory bank"
            )
        objective = BatchObjective(
            self.objective, self.generator, count, len(whole.views), negatives, index
        )
        result = self._gradients(self._pieces(batches), objective, processes)
        terms = {
            "contrastive loss": objective.contrast,
            "margin regularisation": objective.margin,
            "features": result.features.sum(),
        }
        check_finite(self.trainer, result.loss, terms, [*result.encoder, *result.generator])
        self._log(objective, result, count)  # before clipping changes the gradients
        self._step(result)
        if self.memory_bank is not None and index is not None:
            self.memory_bank.update(result.features, index)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing of its own: probes (callbacks) evaluate the representation."""

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing of its own: probes (callbacks) evaluate the representation."""

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The representation of a batch of images, ``[N, F]``."""
        return self(batch if isinstance(batch, Tensor) else batch[0])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the random state of every process and batches that wait for accumulation."""
        states = collect_random_states(self.trainer.world_size)
        checkpoint["metaug_random_states"] = states
        checkpoint["metaug_pending"] = [(batch.views, batch.index) for batch in self._pending]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what :meth:`on_save_checkpoint` kept."""
        states = checkpoint.get("metaug_random_states", [])
        rank = self.global_rank if self._trainer is not None else 0
        self._saved_random_state = states[rank] if rank < len(states) else None
        self._pending = [
            Batch(views, index) for views, index in checkpoint.get("metaug_pending", [])
        ]

    # The step

    def _pieces(self, batches: list[Batch]) -> list[FunctionalEncoder]:
        names = [name for name, _ in self._encoder_params()]
        pieces = []
        for batch in batches:
            size = self.micro_batch_size or batch.views[0].shape[0]
            for views in zip(*(view.split(size) for view in batch.views), strict=True):
                pieces.append(FunctionalEncoder(self.encoder, names, views))
        return pieces

    def _gradients(
        self, pieces: list[FunctionalEncoder], objective: BatchObjective, processes: Processes
    ) -> MetaGradient:
        params = [param for _, param in self._encoder_params()]
        if self.generator is None or self.global_step % self.meta.every:
            return encoder_gradient(pieces, params, objective.inner, processes=processes)
        generator_params = [each for each in self.generator.parameters() if each.requires_grad]
        shared = (pieces, params, objective.inner, generator_params, self.meta.inner_lr)
        result = meta_gradient(
            *shared,
            engine=self.meta.engine,
            outer_objective=objective.outer,
            inner_steps=self.meta.inner_steps,
            inner_optimizer=self.meta.inner_optimizer,
            inner_momentum=self.meta.inner_momentum,
            processes=processes,
        )
        audit = self.meta.audit_every * self.meta.every
        if audit and self.meta.engine == "lookahead" and self.global_step % audit == 0:
            reference = meta_gradient(
                *shared, engine="exact", outer_objective=objective.outer, processes=processes
            )
            error = relative_distance(result.generator, reference.generator)
            self.log("train/lookahead_error", error)
        return result.for_ascent() if self.objective.adversarial else result

    def _step(self, result: MetaGradient) -> None:
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        if result.generator and self.generator is not None:
            params = [param for param in self.generator.parameters() if param.requires_grad]
            self._set_grads(params, result.generator)
            # Not through Lightning: exactly one optimizer may advance trainer.global_step.
            optimizers[1].optimizer.step()
            optimizers[1].optimizer.zero_grad(set_to_none=True)
        self._set_grads([param for _, param in self._encoder_params()], result.encoder)
        optimizers[0].step()
        optimizers[0].zero_grad(set_to_none=True)
        schedules: Any = self.lr_schedulers()
        for schedule in schedules if isinstance(schedules, list) else [schedules]:
            schedule.step()

    def _set_grads(self, params: list[nn.Parameter], grads: list[Tensor]) -> None:
        if self.clip_norm is not None:
            clip_by_norm(grads, self.clip_norm)
        for param, grad in zip(params, grads, strict=True):
            param.grad = grad.to(param.dtype)

    def _encoder_params(self) -> list[tuple[str, nn.Parameter]]:
        return [(n, p) for n, p in self.encoder.named_parameters() if p.requires_grad]

    def _global_index(self, batch: Batch, processes: Processes) -> Tensor | None:
        if self.memory_bank is None:
            return None
        if batch.index is None:
            raise ValueError(
                "a memory bank needs the dataset index of each instance, but the batch has none; "
                "yield MultiViewBatch(views, target, index) or (index, views, target)"
            )
        return processes.gather(batch.index)

    def _log(self, objective: BatchObjective, result: MetaGradient, count: int) -> None:
        self.log("train/loss", result.loss, prog_bar=True)
        self.log("train/oucl", objective.contrast)
        self.log("train/margin", objective.margin)
        if result.generator:
            self.log("train/meta_gap", result.gap, prog_bar=True)
        rate = self._throughput.add(count)
        self.log("train/images_per_second", rate, prog_bar=True)

    def _size_memory_bank(self, bank: MemoryBank) -> None:
        datamodule = getattr(self.trainer, "datamodule", None)
        instances = bank.num_instances or getattr(datamodule, "num_instances", None)
        parts = (self.generator, self.encoder, datamodule)
        views = next(filter(None, (getattr(part, "num_views", None) for part in parts)), None)
        if not instances or not views:
            raise ValueError(
                "the memory bank must know the number of training images and of views; set its "
                "num_instances, and use a generator, encoder or data module that tells num_views"
            )
        bank.allocate(instances, views, self.encoder.feature_dim)
