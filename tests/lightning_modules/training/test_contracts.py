"""Encoders, generators and objectives of one's own: trained, refused, loaded."""

from types import SimpleNamespace

import pytest
import torch
from metaug.lightning_modules import Encoder, MemoryBank, MetAug
from metaug.lightning_modules.objectives import Terms
from metaug.lightning_modules.training.contracts import check_images
from torch import nn
from torch.nn import functional

from ..tiny import CONSTANT, Trace, backbone, fit, loader, tiny_encoder, tiny_metaug


class OwnEncoder(nn.Module):
    """Plain, of 8 x 8 gray images."""

    def __init__(self, size: int = 8) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 12)
        self.head = nn.Linear(12, size)

    def represent(self, image):
        return self.linear(image.flatten(1)).tanh()

    def forward(self, views):
        features = torch.stack([self.head(self.represent(view)) for view in views], dim=1)
        return functional.normalize(features, dim=-1)


class OwnGenerator(nn.Module):
    def __init__(self, out: int = 8) -> None:
        super().__init__()
        self.linear = nn.Linear(8, out)

    def forward(self, features):
        return functional.normalize(self.linear(features), dim=-1)


class OwnObjective(nn.Module):
    """Views of an instance alike, augmented features too; instances apart."""

    def forward(self, features, augment):
        augmented = features if augment is None else augment(features)
        alike = (augmented[:, 0] * features[:, 1]).sum(-1).mean()
        return (features[:, 0] @ features[:, 1].T).logsumexp(1).mean() - alike


def own(**parts) -> MetAug:
    defaults = {"encoder": OwnEncoder(), "generator": OwnGenerator(), "objective": OwnObjective()}
    settings = {"encoder_optimizer": CONSTANT, "generator_optimizer": CONSTANT}
    return MetAug(**{**defaults, **settings, **parts})


@pytest.mark.parametrize("engine", ["lookahead", "exact", "higher"])
def test_all_parts_of_ones_own_are_trained(engine, tmp_path):
    from metaug.lightning_modules import MetaStep

    model, trace = own(meta=MetaStep(engine=engine)), Trace()
    before = {name: param.clone() for name, param in model.named_parameters()}
    expected = model.objective(model.features(first()), model.generator)
    trainer = fit(model, loader(4), callbacks=[trace])
    assert trace.logged[0]["train/loss"] == pytest.approx(float(expected.detach()), rel=1e-5)
    assert trace.logged[0]["train/contrastive"] == trace.logged[0]["train/loss"]
    moved = [name for name, param in model.named_parameters() if not param.equal(before[name])]
    assert any(name.startswith("encoder") for name in moved)
    assert any(name.startswith("generator") for name in moved)

    path = tmp_path / "own.ckpt"
    trainer.save_checkpoint(path)
    with pytest.raises(
        ValueError, match=r"encoder \(OwnEncoder\), .*load_from_checkpoint\(path, enc"
    ):
        MetAug.load_from_checkpoint(path)
    given = {"encoder": OwnEncoder(), "generator": OwnGenerator(), "objective": OwnObjective()}
    loaded = MetAug.load_from_checkpoint(path, **given, weights_only=True)
    for name, value in loaded.state_dict().items():
        assert value.equal(model.state_dict()[name])
    assert loaded.meta == model.meta


def first():
    from ..tiny import examples

    return [torch.stack(each) for each in zip(*(row[1] for row in examples(4)), strict=True)]


def test_an_objective_may_give_its_terms():
    class WithTerms(OwnObjective):
        def forward(self, features, augment):
            loss = super().forward(features, augment)
            return Terms(loss, 2 * loss, inner=loss, outer=loss)

    trace = Trace()
    fit(own(objective=WithTerms()), loader(4), callbacks=[trace])
    logged = trace.logged[0]
    assert logged["train/margin"] == pytest.approx(2 * logged["train/contrastive"])


def test_a_backbone_is_not_an_encoder():
    words = r"no represent\(image\)\. .* by Encoder\(backbone\); (.|\n)*def forward"
    with pytest.raises(TypeError, match=words):
        MetAug(backbone())


@pytest.mark.parametrize("output", [lambda z: z[:, 0], lambda z: z[:1], lambda z: (z, z)])
def test_features_of_another_shape(output):
    class Wrong(OwnEncoder):
        def forward(self, views):
            return output(super().forward(views))

    with pytest.raises(ValueError, match=r"must map 2 views of 4 images to features \[4, 2, D\]"):
        fit(own(encoder=Wrong()))


def test_augmented_features_of_another_shape():
    with pytest.raises(ValueError, match=r"of the same shape, got \[4, 2, 9\]"):
        fit(tiny_metaug(generator=OwnGenerator(9)))


def test_what_a_memory_bank_asks_for():
    with pytest.raises(TypeError, match=r"(.|\n)*self.feature_dim = \.\.\."):
        own(memory_bank=MemoryBank(4))
    with pytest.raises(TypeError, match=r"OwnObjective .*(.|\n)*\*, negatives=None, index=None"):
        own(encoder=tiny_encoder(), memory_bank=MemoryBank(4))


def test_an_objective_that_takes_no_generator():
    class OneArgument(nn.Module):
        def forward(self, features):
            return features.sum()

    with pytest.raises(TypeError, match=r"def forward\(self, features, augment\): \.\.\."):
        own(objective=OneArgument())


class Images(SimpleNamespace):
    """What a data module tells of its images."""


def test_images_of_the_data_are_tried_without_a_trace():
    encoder = Encoder("resnet10t", small_images=True, image_channels=1)
    state = torch.get_rng_state()
    check_images(encoder, Images(image_channels=1, image_size=16))
    assert torch.equal(state, torch.get_rng_state())
    assert all(module.training for module in encoder.modules())
    with pytest.raises(ValueError, match=r"images of 3 channel.* build it with image_channels=3"):
        check_images(encoder, Images(image_channels=3, image_size=16))
    vit = Encoder("vit_tiny_patch16_224", backbone_args={"depth": 1, "embed_dim": 24})
    with pytest.raises(ValueError, match=r"32 x 32 pixels .*image_size=32"):
        check_images(vit, Images(image_channels=3, image_size=32))
    maps = Encoder("resnet10t", backbone_args={"global_pool": ""})
    with pytest.raises(ValueError, match=r"must map .* to representations \[N, F\], got \[2, 512"):
        check_images(maps, Images(image_channels=3, image_size=32))
    check_images(vit, Images())  # says nothing of its images
