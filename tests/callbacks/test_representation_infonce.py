import warnings

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from metaug.callbacks import (
    KNNProbe,
    Representation,
    RepresentationInfoNCE,
    TrainingCurves,
    two_view_infonce,
)
from metaug.datamodules import (
    ColorSpaceViews,
    DatasetDataModule,
    DigitsDataModule,
    DigitViews,
    ImageFolderDataModule,
    InMemorySource,
    LabelledDataModule,
    MultiViewDataModule,
    SimCLRViews,
    Splits,
)
from metaug.datamodules.transforms.seeding import sample_seeds
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from .probing.test_probe import TRAIN, VALIDATION, fit
from .test_with_metaug import NoisyBackbone, fit as fit_metaug, small_metaug
from .tiny import TinyModule, ValidatedModule, digits, loader, quiet_trainer, tiny_module

NAME = "val/representation_infonce"
VIEWS = DigitViews(size=8, mean=(0.3,), std=(0.4,))
IMAGES = InMemorySource((VALIDATION.tensors[0] * 255).byte())


@pytest.fixture(autouse=True)
def _modules_without_a_loop():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*have no `val_dataloader`")
        yield


def expected(module, source, views, chosen, temperature=0.05, seed=0):
    index = torch.tensor(chosen)
    pair = views(source.read(chosen), sample_seeds(seed, 0, index))
    with torch.no_grad():
        first, second = (module.eval()(view) for view in pair[:2])
    return two_view_infonce(first, second, temperature).item()


def test_it_is_that_of_the_final_representation_of_validation_images(tmp_path):
    score = RepresentationInfoNCE(temperature=0.1, max_images=50)
    trainer, module = fit_metaug(tmp_path, [score])
    data = trainer.datamodule
    source = data.splits.val
    chosen = [row * len(source) // 50 for row in range(50)]
    value = expected(module, source, data.views, chosen, temperature=0.1)
    assert trainer.callback_metrics[NAME].item() == pytest.approx(value, rel=1e-5)
    assert score.scores == {NAME: pytest.approx(value, rel=1e-5)}


def test_training_is_bit_identical_and_a_checkpoint_can_follow_it(tmp_path):
    best = ModelCheckpoint(tmp_path / "best", monitor=NAME, mode="min")
    trainer, watched = fit_metaug(
        tmp_path,
        [RepresentationInfoNCE(), best],
        epochs=3,
        backbone=NoisyBackbone,
        enable_checkpointing=True,
    )
    state = torch.get_rng_state()
    _, bare = fit_metaug(tmp_path / "bare", [], epochs=3, backbone=NoisyBackbone)
    assert torch.equal(state, torch.get_rng_state())
    for name, value in bare.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    assert best.best_model_score <= trainer.callback_metrics[NAME]


def test_training_without_a_validation_loop_is_bit_identical(tmp_path):
    score = RepresentationInfoNCE(images=IMAGES, views=VIEWS)
    _, watched = fit(tmp_path, [score], kind=TinyModule)
    state = torch.get_rng_state()
    _, bare = fit(tmp_path, [], kind=TinyModule)
    assert torch.equal(state, torch.get_rng_state())
    for name, value in bare.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


def test_views_are_the_same_in_every_epoch_and_run(tmp_path):
    class Still(TinyModule):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.0)

    seen = []

    class Recorded(RepresentationInfoNCE):
        def evaluate(self, trainer, pl_module):
            super().evaluate(trainer, pl_module)
            seen.append(self.scores[NAME])

    def run(train_seed, **options):
        torch.manual_seed(train_seed)
        score = Recorded(images=IMAGES, views=VIEWS, **options)
        trainer = quiet_trainer(tmp_path, callbacks=[score], max_epochs=2)
        module = tiny_module(Still)
        module.backbone[1].momentum = 0.0
        trainer.fit(module, loader(TRAIN, shuffle=True))

    run(0)
    run(1)
    assert len(seen) == 4
    assert len(set(seen)) == 1
    run(0, seed=1)
    assert seen[-1] != seen[0]


@pytest.mark.parametrize("kind", [TinyModule, ValidatedModule])
def test_any_module_takes_images_and_views(kind, tmp_path):
    no_classes = torch.rand(len(IMAGES), 3)
    images = TensorDataset(VALIDATION.tensors[0], no_classes)  # a user's own
    score = RepresentationInfoNCE(images=images, views=VIEWS)
    trainer, module = fit(tmp_path, [score], kind=kind)
    value = expected(module, IMAGES, VIEWS, list(range(len(IMAGES))))
    assert trainer.callback_metrics[NAME].item() == pytest.approx(value, rel=1e-3)


def test_every_n_epochs_and_the_last(tmp_path, capsys):
    score = RepresentationInfoNCE(images=IMAGES, views=VIEWS, every_n_epochs=2)
    fit(tmp_path, [score], max_epochs=5)
    printed = [line for line in capsys.readouterr().out.splitlines() if "infonce" in line]
    assert [line.split(":")[0] for line in printed] == ["epoch 1", "epoch 3", "epoch 4"]
    assert all(line.endswith("(T=0.05, 120 images)") for line in printed)


class Unlabeled(MultiViewDataModule):
    """Images without labels, some of them to validate on."""

    def __init__(self, validation=40, **options):
        super().__init__(
            image_size=8,
            image_channels=1,
            batch_size=32,
            num_workers=0,
            views=options.pop("views", DigitViews()),
            **options,
        )
        self.validation = validation

    def load(self):
        val = InMemorySource(IMAGES.images[: self.validation]) if self.validation else None
        return Splits(train=InMemorySource((TRAIN.tensors[0] * 255).byte()), val=val)


def test_unlabeled_images_are_scored(tmp_path):
    trainer = quiet_trainer(tmp_path, callbacks=[RepresentationInfoNCE()], max_epochs=1)
    trainer.fit(small_metaug(), datamodule=Unlabeled())
    assert torch.isfinite(trainer.callback_metrics[NAME])


def test_data_without_validation_images_says_what_is_needed(tmp_path):
    score = RepresentationInfoNCE()
    trainer = quiet_trainer(tmp_path, callbacks=[score])
    with pytest.warns(UserWarning, match=r"no validation images.*without labels.*images=") as seen:
        trainer.fit(small_metaug(), datamodule=Unlabeled(validation=0))
    assert len([w for w in seen if "will not run" in str(w.message)]) == 1
    assert NAME not in trainer.callback_metrics


def test_images_given_stand_in_for_a_validation_split(tmp_path):
    score = RepresentationInfoNCE(images=IMAGES, views=DigitViews(num_views=3))
    trainer = quiet_trainer(tmp_path, callbacks=[score], max_epochs=1)
    trainer.fit(module := small_metaug(), datamodule=Unlabeled(validation=0))
    views = DigitViews(num_views=3).bind(
        size=8, mean=trainer.datamodule.views.mean, std=trainer.datamodule.views.std
    )
    value = expected(module, IMAGES, views, list(range(len(IMAGES))))
    assert trainer.callback_metrics[NAME].item() == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("options", [{}, {"images": IMAGES}])
def test_data_that_tells_no_images_or_views_says_so(options, tmp_path):
    with pytest.warns(UserWarning, match="loaders do not tell images and views; give images="):
        fit(tmp_path, [RepresentationInfoNCE(**options)])


@pytest.mark.parametrize(
    ("views", "problem"),
    [
        (ColorSpaceViews(), r"first two views of ColorSpaceViews differ in shape, \[1, 8, 8\]"),
        (ColorSpaceViews(channels=[[0], [0]]), "have 1 channels.* representation is of 3"),
    ],
)
def test_views_that_have_no_representation_are_named(views, problem, tmp_path):
    images = InMemorySource(IMAGES.images.expand(-1, 3, -1, -1).contiguous())
    data = DatasetDataModule(
        TensorDataset(images.images),
        TensorDataset(images.images),
        views=views,
        image_size=8,
        batch_size=32,
    )
    trainer = quiet_trainer(tmp_path, callbacks=[RepresentationInfoNCE()], max_epochs=1)
    with pytest.warns(UserWarning, match=f"{problem}.*Give views="):
        trainer.validate(tiny_module(), datamodule=data, verbose=False)


def test_one_view_of_each_image_is_too_few(tmp_path):
    data = LabelledDataModule(DigitsDataModule(num_workers=0), num_workers=0)
    trainer = quiet_trainer(tmp_path, callbacks=[RepresentationInfoNCE()])
    with pytest.warns(UserWarning, match="OneView makes one view of each image"):
        trainer.validate(tiny_module(), datamodule=data, verbose=False)


def test_a_test_scores_test_images(tmp_path):
    class Tested(Unlabeled):
        def load(self):
            splits = super().load()
            return Splits(train=splits.train, val=splits.val, test=IMAGES)

    trainer = quiet_trainer(tmp_path, callbacks=[RepresentationInfoNCE()])
    module, data = small_metaug(), Tested()
    (validated,) = trainer.validate(module, datamodule=data, verbose=False)
    (tested,) = trainer.test(module, datamodule=data, verbose=False)
    for found, name, source in (
        (validated, NAME, data.splits.val),
        (tested, "test/representation_infonce", IMAGES),
    ):
        value = expected(module, source, data.views, list(range(len(source))))
        assert found == {name: pytest.approx(value, rel=1e-5)}


def test_unreadable_images_are_left_out(tmp_path):
    folder = tmp_path / "val"
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        for number in range(8):
            pixels = np.random.default_rng(number).integers(0, 255, (8, 9 + number, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / split / f"{number}.png")
    (folder / "3.png").write_bytes(b"no image")
    data = ImageFolderDataModule(
        str(tmp_path), image_size=8, batch_size=4, num_workers=0, on_error="skip"
    )
    score = RepresentationInfoNCE()
    trainer = quiet_trainer(tmp_path, callbacks=[score])
    module = pl.LightningModule()
    module.forward = lambda image: image.flatten(1)
    module.validation_step = lambda batch, batch_idx: None
    with pytest.warns(UserWarning, match="Skipped 1 unreadable"):
        trainer.validate(module, datamodule=data, verbose=False)
    source = data.splits.val
    value = expected(module, source, data.views, [row for row in range(8) if row != 3])
    assert score.scores[NAME] == pytest.approx(value, rel=1e-5)


def test_a_layer_is_scored(tmp_path):
    with pytest.raises(ValueError, match="layer 'fc9' cannot be probed"):
        fit_metaug(tmp_path, [RepresentationInfoNCE(representation=Representation("fc9"))])


def test_what_is_not_finite_is_skipped_with_one_warning(tmp_path):
    class Broken(ValidatedModule):
        def forward(self, image):
            return super().forward(image) * torch.nan

    score = RepresentationInfoNCE(images=IMAGES, views=VIEWS)
    with pytest.warns(UserWarning, match="is skipped: 120 images, or not finite") as caught:
        fit(tmp_path, [score], kind=Broken)
    assert len([w for w in caught if "skipped" in str(w.message)]) == 1


def test_its_curve_is_recorded(tmp_path):
    curves = TrainingCurves()
    fit_metaug(tmp_path, [RepresentationInfoNCE(), curves])
    assert len(curves.history.points(NAME)[0]) == 2


def test_a_loop_over_an_iterable_is_no_obstacle(tmp_path):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(VALIDATION)

    score = RepresentationInfoNCE(images=IMAGES, views=VIEWS)
    probe = KNNProbe(k=5, bank=loader(digits(0, 64)))
    trainer = quiet_trainer(tmp_path, callbacks=[score, probe], max_epochs=1)
    trainer.fit(tiny_module(), loader(TRAIN), DataLoader(Stream(), 32))
    assert trainer.callback_metrics.keys() >= {NAME, "val/knn_top1"}


def test_arguments_come_from_yaml():
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--callbacks", type=list[pl.Callback])
    views = "{class_path: metaug.datamodules.SimCLRViews, init_args: {strength: 1.0}}"
    name = "metaug.callbacks.RepresentationInfoNCE"
    text = f"[{{class_path: {name}, init_args: {{max_images: 9, views: {views}}}}}]"
    (score,) = parser.instantiate(parser.parse_args([f"--callbacks={text}"])).callbacks
    assert (score.max_images, type(score.views), score.images) == (9, SimCLRViews, None)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="temperature=0"):
        RepresentationInfoNCE(temperature=0)
    with pytest.raises(ValueError, match="max_images=1"):
        RepresentationInfoNCE(max_images=1)
    with pytest.raises(ValueError, match="every_n_epochs=0"):
        RepresentationInfoNCE(every_n_epochs=0)
