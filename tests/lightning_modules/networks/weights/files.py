"""Small networks and the files that libraries write of them."""

from pathlib import Path

import timm
import torch
from metaug.lightning_modules import Encoder
from torch import Tensor, nn
from torchvision.models import ResNet, VisionTransformer
from torchvision.models.resnet import BasicBlock

LAYERS = [1, 1, 1, 1]
RESNET = {"layers": LAYERS}
TRANSFORMER = {"depth": 2, "embed_dim": 24, "num_heads": 2}


def timm_resnet(**arguments) -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("resnet18", **RESNET, **arguments).eval()


def torchvision_resnet() -> nn.Module:
    """Of the same form as `timm_resnet`."""
    torch.manual_seed(1)
    return ResNet(BasicBlock, LAYERS).eval()


def torchvision_transformer(size: int = 32) -> nn.Module:
    """Of the form of `vit_tiny_patch16_224` with `TRANSFORMER`."""
    torch.manual_seed(2)
    network = VisionTransformer(
        image_size=size, patch_size=16, num_layers=2, num_heads=2, hidden_dim=24, mlp_dim=96
    ).eval()
    for parameter in network.parameters():  # class token and others begin at zero
        nn.init.normal_(parameter, std=0.1)
    return network


def prefixed(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in network.state_dict().items()}


def write(content: object, folder: Path, name: str = "weights.pth") -> str:
    torch.save(content, folder / name)
    return str(folder / name)


def resnet_encoder(path: str | bool, **arguments) -> Encoder:
    arguments = {"backbone_args": RESNET, "projection_dim": 4, **arguments}
    return Encoder("resnet18", pretrained=path, **arguments).eval()


def transformer_encoder(path: str | bool, **arguments) -> Encoder:
    arguments = {"backbone_args": TRANSFORMER, "projection_dim": 4, "image_size": 32, **arguments}
    return Encoder("vit_tiny_patch16_224", pretrained=path, **arguments).eval()


def images(size: int = 32, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(3))
