import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from metaug.datamodules import (
    DigitsDataModule,
    LabelledBatch,
    MultiViewBatch,
    SimCLRViews,
    Splits,
    TransformViews,
)
from metaug.datamodules.sources.image_source import InMemorySource


def test_what_the_loaders_yield(toy):
    datamodule = toy(batch_size=8, views=SimCLRViews(num_views=3))
    datamodule.setup("fit")
    batch = next(iter(datamodule.train_dataloader()))
    assert isinstance(batch, MultiViewBatch)
    assert [view.shape for view in batch.views] == [(8, 3, 12, 12)] * 3
    assert batch.target.dtype == batch.index.dtype == torch.int64
    assert torch.equal(batch.target, batch.index % 4)
    for loader in (
        datamodule.val_dataloader(),
        datamodule.test_dataloader(),
        datamodule.predict_dataloader(),
        datamodule.bank_dataloader(),
    ):
        batch = next(iter(loader))
        assert isinstance(batch, LabelledBatch)
        assert batch.image.shape == (64, 3, 12, 12)
        assert torch.equal(batch.target, batch.index % 4)
    assert datamodule.num_views == 3
    assert datamodule.num_classes == 4
    assert datamodule.class_names == list("abcd")
    assert datamodule.num_instances == 64


def test_few_labels_in_the_bank(toy):
    datamodule = toy(labels_per_class=3, seed=0)
    bank = next(iter(datamodule.bank_dataloader()))
    assert torch.bincount(bank.target).tolist() == [3, 3, 3, 3]
    assert torch.equal(bank.target, bank.index % 4)
    images = next(iter(toy().bank_dataloader()))
    assert torch.equal(bank.image, images.image[bank.index])
    again = next(iter(toy(labels_per_class=3, seed=0).bank_dataloader()))
    assert torch.equal(again.index, bank.index)
    other = next(iter(toy(labels_per_class=3, seed=1).bank_dataloader()))
    assert not torch.equal(other.index, bank.index)
    everything = next(iter(toy(labels_per_class=1000).bank_dataloader()))
    assert len(everything.index) == 64


def test_bank_and_validation_do_not_depend_on_the_views(toy):
    mild = next(iter(toy().bank_dataloader()))
    strong = next(iter(toy(views=SimCLRViews(strength=2.0)).bank_dataloader()))
    assert torch.equal(mild.image, strong.image)


def test_digits():
    datamodule = DigitsDataModule(labels_per_class=10)
    datamodule.setup("fit")
    assert datamodule.num_instances == 1438
    assert datamodule.image_channels == 1
    bank = next(iter(datamodule.bank_dataloader()))
    val = torch.cat([batch.target for batch in datamodule.val_dataloader()])
    assert torch.bincount(bank.target).tolist() == [10] * 10
    assert len(val) == 359
    everything = datamodule.splits.train.read(range(1438)).float() / 255
    assert everything.mean().item() == pytest.approx(datamodule.gray_mean, abs=0.01)
    assert everything.std().item() == pytest.approx(datamodule.gray_std, abs=0.01)
    other = DigitsDataModule(seed=5)
    assert torch.equal(other.splits.val.indices, datamodule.splits.val.indices)


def test_unlabeled_data_have_an_empty_bank(toy):
    class Unlabeled(toy):
        def load(self):
            return Splits(train=InMemorySource(super().load().train.images))

    datamodule = Unlabeled(batch_size=16)
    assert datamodule.bank_dataloader() == []
    assert datamodule.val_dataloader() == []
    assert datamodule.num_classes == 0
    assert next(iter(datamodule.train_dataloader())).target.unique().tolist() == [-1]
    assert len(next(iter(datamodule.predict_dataloader())).image) == 64


@pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero")
def test_unlabeled_data_train_without_a_validation_loader(toy, tmp_path):
    class Unlabeled(toy):
        def load(self):
            return Splits(train=InMemorySource(super().load().train.images))

    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def training_step(self, batch, batch_idx):
            return self.weight.sum()

        def validation_step(self, batch, batch_idx):
            raise AssertionError("there is nothing to validate on")

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(Model(), datamodule=Unlabeled(batch_size=32))
    assert trainer.global_step == 2


def test_views_may_be_shared_between_data_modules(toy):
    views = SimCLRViews()
    small, large = toy(edge=8, views=views), toy(edge=16, views=views)
    assert views.size is None
    assert (small.views.size, large.views.size) == (8, 16)


def test_eight_bit_results_of_a_transform_are_normalized(toy):
    same = toy(batch_size=64, views=TransformViews(lambda image: image))
    batch = next(iter(same.train_dataloader()))
    clean = next(iter(same.bank_dataloader())).image[batch.index]
    torch.testing.assert_close(batch.views[0], clean)
    pil = toy(batch_size=64, views=TransformViews(lambda image: image, as_pil=True))
    batch = next(iter(pil.train_dataloader()))
    torch.testing.assert_close(batch.views[1], clean)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"batch_size": 1},
            "batch_size must be .* at least 2, got 1; a contrastive batch",
        ),
        ({"eval_batch_size": 0}, "eval_batch_size must be .* at least 1, got 0"),
        ({"labels_per_class": 0}, "labels_per_class must be .* at least 1, or null, got 0"),
        ({"val_fraction": 1.0}, "val_fraction must be .* at least 0 and below 1, got 1.0"),
        ({"augment_on": "moon"}, "augment_on must be .*, got 'moon'"),
        (
            {"augment_on": "device", "views": TransformViews(lambda image: image)},
            "TransformViews works on one image at a time",
        ),
    ],
)
def test_wrong_arguments(toy, arguments, message):
    with pytest.raises(ValueError, match=message):
        toy(**arguments)


def test_batch_larger_than_the_data_set(toy):
    with pytest.raises(ValueError, match=r"there are 64.* Lower batch_size to at most 64"):
        toy(batch_size=65).train_dataloader()


@pytest.mark.parametrize("count", [1, 0])
def test_fewer_than_two_views(count):
    with pytest.raises(ValueError, match=f"num_views must be .* at least 2, got {count}"):
        SimCLRViews(num_views=count)
    with pytest.raises(ValueError, match=f"num_views must be .*, got {count}"):
        TransformViews(lambda image: image, num_views=count)


def test_transform_that_returns_its_views_is_counted():
    views = TransformViews(lambda image: [image / 255] * 4, num_views=None)
    assert views.num_views == 4
    with pytest.raises(ValueError, match=r"num_views must be .*, got 1"):
        _ = TransformViews(lambda image: [image], num_views=None).num_views


def test_transforms_of_albumentations():
    albumentations = pytest.importorskip("albumentations")
    transform = albumentations.Compose(
        [albumentations.RandomCrop(8, 8), albumentations.HorizontalFlip()]
    )
    check_views_of_arrays(transform)


def check_views_of_arrays(transform):
    views = TransformViews(transform).bind(size=8, mean=(0.5,) * 3, std=(0.5,) * 3)
    images = torch.randint(0, 256, (4, 3, 12, 10), dtype=torch.uint8)
    seeds = torch.arange(4)
    first, again = views(images, seeds), views(images, seeds)
    assert [view.shape for view in first] == [(4, 3, 8, 8)] * 2
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], views(images, seeds + 4)[0])
    assert not torch.equal(first[0], first[1])
    alone = views(images[2:3], seeds[2:3])
    assert torch.equal(alone[0], first[0][2:3])  # whatever the batch


def test_views_that_are_arrays():
    def crop(image):
        top = np.random.randint(5)
        return image.permute(1, 2, 0).numpy()[top : top + 8, :8]

    check_views_of_arrays(crop)


@pytest.mark.parametrize(
    ("transform", "num_views", "message"),
    [
        (lambda image: image, None, "must return a list of views, got a Tensor"),
        (lambda image: {"image": image}, 2, "gives a dict, but a view is"),
        (lambda image: image[:, : 2 + np.random.randint(9)], 2, "views of different shapes"),
    ],
)
def test_what_is_no_view_is_refused(transform, num_views, message):
    views = TransformViews(transform, num_views)
    with pytest.raises(ValueError, match=message):
        views(torch.zeros(8, 3, 12, 12, dtype=torch.uint8), torch.arange(8))
