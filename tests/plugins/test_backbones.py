"""Backbones of other people: a torchvision ResNet, an MLP, a timm model, a Sequential."""

import pytest
import timm
import torch
from metaug.callbacks import Export, KNNProbe
from metaug.lightning_modules import (
    OUCL,
    AugmentationGenerator,
    Encoder,
    MetAug,
    MetAugObjective,
    OptimizerSettings,
)
from metaug.lightning_modules.meta_gradient import meta_gradient
from metaug.lightning_modules.networks.functional_encoder import FunctionalEncoder
from safetensors.torch import load_file
from torch import nn
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock

from ..lightning_modules.tiny import fit, tiny_metaug, whole_and_resumed

SIZE = 16


def torchvision_resnet() -> nn.Module:
    network = ResNet(BasicBlock, [1, 1, 1, 1])
    network.fc = nn.Identity()
    return network


def mlp() -> nn.Module:
    pixels = 3 * SIZE * SIZE
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 32), nn.ReLU(), nn.Linear(32, 16))


def timm_model() -> nn.Module:
    return timm.create_model("test_resnet", num_classes=0)


def sequential() -> nn.Module:
    convolution = nn.Conv2d(3, 8, 3, stride=2, bias=False)
    pool = nn.AdaptiveAvgPool2d(2)
    return nn.Sequential(convolution, nn.BatchNorm2d(8), nn.ReLU(inplace=True), pool, nn.Flatten())


BACKBONES = [torchvision_resnet, mlp, timm_model, sequential]
each_backbone = pytest.mark.parametrize("backbone", BACKBONES)


def encoder_of(backbone) -> Encoder:
    torch.manual_seed(0)
    return Encoder(backbone(), projection_dim=8, image_size=SIZE)


def views(count: int, dtype=torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return list(torch.rand(2, count, 3, SIZE, SIZE, generator=generator, dtype=dtype))


@each_backbone
def test_exact_equals_double_backward(backbone):
    network = encoder_of(backbone).double()
    generator = AugmentationGenerator(8, 2, 16).double()
    batch, alpha = views(4, torch.float64), 0.05
    names = [name for name, _ in network.named_parameters()]
    theta, omega = list(network.parameters()), list(generator.parameters())
    objective = MetAugObjective(contrast=OUCL(), augmented_weight=1.0)

    def loss(params):
        buffers = {name: value.clone() for name, value in network.named_buffers()}
        tensors = dict(zip(names, params, strict=True)) | buffers
        return objective(functional_call(network, tensors, (batch,)), generator).inner

    slopes = torch.autograd.grad(loss(theta), theta, create_graph=True)
    moved = [value - alpha * slope for value, slope in zip(theta, slopes, strict=True)]
    expected = torch.autograd.grad(loss(moved), omega)

    found = meta_gradient(
        FunctionalEncoder(network, names, batch),
        theta,
        lambda features: objective(features, generator).inner,
        omega,
        alpha,
        engine="exact",
    )
    for mine, by_hand in zip(found.generator, expected, strict=True):
        torch.testing.assert_close(mine, by_hand, rtol=1e-9, atol=1e-14)
    for mine, slope in zip(found.encoder, slopes, strict=True):
        torch.testing.assert_close(mine, slope.detach(), rtol=1e-9, atol=1e-14)


def metaug_of(backbone) -> MetAug:
    return MetAug(
        encoder_of(backbone),
        generator=AugmentationGenerator(8, 2, 16),
        encoder_optimizer=OptimizerSettings(schedule="constant"),
    )


def batches() -> DataLoader:
    first, second = views(16)
    samples = [(index, [first[index], second[index]], index % 4) for index in range(16)]
    return DataLoader(samples, batch_size=8, generator=torch.Generator())


@each_backbone
def test_fit_probe_export_and_reload(backbone, tmp_path):
    bank = DataLoader(TensorDataset(views(16)[0], torch.arange(16) % 4), batch_size=8)
    # the model of timm is written as timm's, the others' weights alone
    callbacks = [KNNProbe(k=3, bank=bank, queries=bank), Export()]
    model = metaug_of(backbone)
    trainer = fit(model, batches(), callbacks=callbacks, default_root_dir=tmp_path)
    assert "val/knn_top1" in trainer.callback_metrics
    exported = load_file(tmp_path / "export" / "model.safetensors")
    fresh = backbone()
    fresh.load_state_dict(exported)
    image = views(4)[0]
    with torch.no_grad():
        expected = model.eval()(image)
        assert torch.equal(fresh.eval()(image), expected)

    path = tmp_path / "model.ckpt"
    trainer.save_checkpoint(path)
    kind = type(backbone()).__name__
    words = rf"does not hold encoder \({kind} in Encoder\).*load_from_checkpoint\(path, encoder="
    with pytest.raises(ValueError, match=words):
        MetAug.load_from_checkpoint(path)
    loaded = MetAug.load_from_checkpoint(path, encoder=encoder_of(backbone))
    with torch.no_grad():
        assert torch.equal(loaded.eval()(image), expected)
    assert loaded.encoder_optimizer.schedule == "constant"


def test_resumed_equals_never_stopped(tmp_path):
    def make() -> MetAug:
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Dropout(0.2))
        encoder = Encoder(layers, image_channels=1, projection_dim=8, image_size=8)
        return tiny_metaug(encoder=encoder)

    whole, resumed, trainer = whole_and_resumed(make, tmp_path / "first.ckpt")
    assert trainer.global_step == 8
    state = resumed.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in whole.state_dict().items())


def test_an_mlp_of_another_size_says_so():
    with pytest.raises(ValueError, match=r"\[2, 3, 32, 32\] .* say the data's .* image_size"):
        Encoder(mlp())
    with pytest.raises(TypeError, match=r"becomes an encoder by Encoder\(backbone\)"):
        MetAug(torchvision_resnet())
