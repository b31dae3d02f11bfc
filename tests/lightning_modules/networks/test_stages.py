"""The order of layers as timm has it, and stages that do not train."""

import pytest
import timm
import torch
from metaug.lightning_modules import Encoder, FineTuner, MemoryBank, MetAug, PerViewEncoder
from metaug.lightning_modules.networks.stages import freeze, heights
from torch import nn

from ..tiny import CONSTANT, fit, loader, tiny_metaug, whole_and_resumed

pytestmark = pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start of training")
SMALL = {"small_images": True, "image_channels": 1, "projection_dim": 8}
RESNET = SMALL | {"backbone_args": {"layers": [1, 1, 1, 1], "channels": [4, 4, 4, 4]}}


def encoder(stages: int | list[str] = 2) -> Encoder:
    torch.manual_seed(0)
    return Encoder("resnet18", **RESNET, frozen_stages=stages)


def frozen_names(module: nn.Module) -> set[str]:
    return {n.split(".")[0] for n, p in module.named_parameters() if not p.requires_grad}


def test_heights_count_from_the_head():
    numbered = heights(Encoder("resnet18", **SMALL))
    assert numbered["projection.3.weight"] == numbered["projection.0.weight"] == 0
    assert numbered["backbone.layer4.1.conv2.weight"] == 1
    assert numbered["backbone.layer4.0.conv2.weight"] == 2
    assert numbered["backbone.layer1.0.bn1.bias"] == 8
    assert numbered["backbone.conv1.weight"] == numbered["backbone.bn1.bias"] == 9


def test_each_backbone_of_several_has_its_own():
    both = PerViewEncoder([encoder(0), Encoder("resnet18", **SMALL)])
    numbered = heights(both)
    assert numbered["encoders.0.backbone.conv1.weight"] == 5
    assert numbered["encoders.1.backbone.conv1.weight"] == 9
    assert numbered["encoders.1.projection.0.weight"] == 0


def test_the_order_of_a_module_of_ones_own():
    class Own(nn.Sequential):
        def group_matcher(self, coarse: bool = False) -> dict[str, str]:
            return {"stem": r"^0", "blocks": r"^(1|2)"}

    own = Own(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    assert list(heights(own).values()) == [3, 3, 2, 2, 1, 1]
    with pytest.raises(ValueError, match=r"layers of Sequential is not known: .* group_matcher"):
        heights(nn.Sequential(nn.Linear(2, 2)))


@pytest.mark.parametrize(
    ("name", "stages", "frozen"),
    [
        ("resnet18", 1, ["conv1", "bn1", "layer1"]),
        ("resnet18", ["conv1", "layer2.0.bn1"], ["conv1", "layer2.0.bn1"]),
        ("vit_tiny_patch16_224", 1, ["patch_embed", "blocks.0"]),
        ("vit_tiny_patch16_224", ["pos_embed"], []),
        ("convnext_atto", 2, ["stem", "stages.0", "stages.1"]),
        ("resnet18", 4, [""]),
    ],
)
def test_what_freezes(name, stages, frozen):
    backbone = timm.create_model(name, num_classes=0)
    assert freeze(backbone, stages) == frozen
    trained = {n for n, p in backbone.named_parameters() if p.requires_grad}
    below = [n for n in trained for part in frozen if n == part or n.startswith(f"{part}.")]
    assert not below
    if name.startswith("vit"):
        assert "pos_embed" not in trained
        assert ("cls_token" in trained) == (stages == ["pos_embed"])


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        (5, "frozen_stages must be from 0 to 4, the stages of ResNet above its stem, got 5"),
        (-1, "must be at least 0, got -1"),
        (["layer5"], r"'layer5', but ResNet has no such part .* it has conv1, bn1, layer1, "),
        (["maxpool"], "no such part with parameters"),
    ],
)
def test_what_is_not_there_is_named(stages, words):
    with pytest.raises(ValueError, match=words):
        encoder(stages)


def test_parts_of_a_module_of_ones_own_by_name():
    backbone = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten())
    with pytest.raises(ValueError, match=r"counts stages, .* name its parts: 0, 1"):
        Encoder(backbone, image_channels=1, image_size=8, frozen_stages=1)
    frozen = Encoder(backbone, image_channels=1, image_size=8, frozen_stages=["1"]).train()
    assert [part.training for part in frozen.backbone] == [True, False, True]


def test_none_is_the_default():
    made = Encoder("resnet18", **RESNET)
    assert not frozen_names(made)
    assert all(part.training for part in made.modules())


def test_modes():
    made = encoder()
    for _ in range(2):
        modes = {name: part.training for name, part in made.backbone.named_children()}
        assert not any(modes[name] for name in ("conv1", "bn1", "layer1", "layer2"))
        assert all(modes[name] for name in ("layer3", "layer4"))
        assert not made.backbone.layer1[0].bn1.training
        made.train()
    assert not any(part.training for part in made.eval().modules())


def test_training_leaves_them_as_they_are():
    model = tiny_metaug(encoder=encoder())
    start = {name: value.clone() for name, value in model.encoder.backbone.state_dict().items()}
    trainer = fit(model, loader(8), max_epochs=2)
    end = model.encoder.backbone.state_dict()
    changed = {name.split(".")[0] for name, value in start.items() if (end[name] != value).any()}
    assert changed == {"layer3", "layer4"}
    stepped = {id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]}
    trained = {id(p) for p in model.encoder.parameters() if p.requires_grad}
    assert stepped == trained


def test_resumed_equals_never_stopped(tmp_path):
    layered = type(CONSTANT)("momentum", lr=0.05, schedule="constant", layer_decay=0.5)

    def make():
        bank = MemoryBank(4, num_instances=16)
        return tiny_metaug(encoder=encoder(1), memory_bank=bank, encoder_optimizer=layered)

    whole, second, trainer = whole_and_resumed(make, tmp_path / "first.ckpt")
    assert trainer.global_step == 8
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name
    start = encoder(1).state_dict()
    assert torch.equal(second.encoder.backbone.conv1.weight, start["backbone.conv1.weight"])
    assert not torch.equal(
        second.encoder.backbone.layer2[0].conv1.weight, start["backbone.layer2.0.conv1.weight"]
    )


def test_a_checkpoint_keeps_them_frozen_and_fine_tuning_does_not(tmp_path):
    path = tmp_path / "model.ckpt"
    fit(tiny_metaug(encoder=encoder()), loader(4)).save_checkpoint(path)
    loaded = MetAug.load_from_checkpoint(path)
    assert frozen_names(loaded.encoder.backbone) == {"conv1", "bn1", "layer1", "layer2"}
    tuned = FineTuner(str(path)).encoder.network
    assert not frozen_names(tuned.backbone)
    assert all(part.training for part in tuned.train().backbone.modules())
