"""What a module was built from, as plain data, and back."""

from pathlib import Path

import numpy as np
import pytest
import torch
from metaug.lightning_modules import (
    Encoder,
    MetaStep,
    MetAug,
    MetAugObjective,
    OptimizerSettings,
    PerViewEncoder,
    Rebuildable,
)
from metaug.lightning_modules.checkpoints.rebuildable import (
    constructor_config,
    public_path,
    read_arguments,
    rebuild,
)
from torch import nn


class Scale(Rebuildable):
    def __init__(self, factor: float = 2.0, *, parts: list | None = None, **more: int) -> None:
        super().__init__()
        self.factor, self.parts, self.more = factor, parts, more


class WithSettings(Rebuildable):
    def __init__(self, meta: MetaStep | None = None, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.meta, self.inner = meta, inner


def test_defaults_are_kept_so_that_later_ones_change_nothing():
    assert constructor_config(Scale())["init_args"] == {"factor": 2.0, "parts": None}
    assert constructor_config(Scale(3.0, more=1))["init_args"]["more"] == 1


def test_there_and_back():
    module = WithSettings(MetaStep(inner_lr=0.3), Scale(parts=[Scale(1.0), Scale(4.0)]))
    built = rebuild(constructor_config(module))
    assert built.meta == MetaStep(inner_lr=0.3)
    assert [part.factor for part in built.inner.parts] == [1.0, 4.0]
    assert constructor_config(built) == constructor_config(module)


def test_public_paths():
    assert public_path(Encoder) == "metaug.lightning_modules.Encoder"
    assert public_path(MetAugObjective) == "metaug.lightning_modules.MetAugObjective"
    assert public_path(Scale) == f"{__name__}.Scale"


def test_a_network_of_networks_gives_equal_outputs():
    torch.manual_seed(0)
    small = {"small_images": True, "backbone_args": {"layers": [1] * 4, "channels": [4] * 4}}
    network = PerViewEncoder(
        [Encoder(image_channels=channels, projection_dim=4, **small) for channels in (1, 2)],
        channels=[[0], [1, 2]],
    ).eval()
    built = rebuild(constructor_config(network)).eval()
    built.load_state_dict(network.state_dict())
    image = torch.randn(2, 3, 16, 16)
    assert torch.equal(built.represent(image), network.represent(image))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"class_path": "nowhere.Thing"}, "nowhere.Thing, which cannot be imported"),
        ({"class_path": "torch.nn.Identity"}, "torch.nn.Identity .* is not a Rebuildable"),
        ({"class_path": "os.system", "init_args": {}}, "os.system .* is not a Rebuildable"),
    ],
)
def test_what_is_not_built(config, words):
    with pytest.raises(ValueError, match=words):
        rebuild(config)


def test_a_plain_module_has_no_config():
    with pytest.raises(TypeError, match="Linear does not keep its constructor's arguments"):
        constructor_config(nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"does not hold encoder \(a module\)"):
        read_arguments(MetAug, {})


def test_numbers_of_numpy_and_containers_become_plain(tmp_path):
    """As Hydra without `_convert_: all` gives them: the checkpoint must load weights-only."""
    omegaconf = pytest.importorskip("omegaconf")
    settings = OptimizerSettings(lr=np.float32(0.25), milestones=omegaconf.ListConfig([1, 2]))
    given = {"numbers": omegaconf.DictConfig({"a": [1, {"b": 2}]}), "path": Path("x")}
    config = {"settings": constructor_config(settings), "given": constructor_config(given)}
    assert config["settings"]["lr"] == 0.25
    assert type(config["settings"]["lr"]) is float
    assert config["settings"]["milestones"] == [1, 2]
    assert config["given"] == {"numbers": {"a": [1, {"b": 2}]}, "path": "x"}
    torch.save(config, tmp_path / "config.ckpt")
    assert torch.load(tmp_path / "config.ckpt", weights_only=True) == config
