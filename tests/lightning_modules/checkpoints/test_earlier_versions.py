"""Checkpoints and an export of commit b7ebaea (version 0.1.0) load and give what they gave then.

`tests/fixtures/b7ebaea/tiny.yaml` made `metaug.ckpt` and `export` at that commit; the two
evaluations are of that checkpoint, and `expected.safetensors` holds what all gave for one image.
"""

from pathlib import Path

import pytest
import torch
from metaug.lightning_modules import FineTuner, LinearEvaluator, MetAug, ResidualGenerator
from metaug.lightning_modules.evaluation.pretrained_encoder import PretrainedEncoder
from safetensors.torch import load_file

HERE = Path(__file__).parents[2] / "fixtures" / "b7ebaea"
EXPECTED = load_file(HERE / "expected.safetensors")
IMAGE = EXPECTED["image"]


def close(found: torch.Tensor, name: str) -> None:
    torch.testing.assert_close(found.detach(), EXPECTED[name], rtol=1e-5, atol=1e-6)


def test_metaug():
    model = MetAug.load_from_checkpoint(HERE / "metaug.ckpt", weights_only=True).eval()
    close(model(IMAGE), "metaug.representation")
    features = model.features([IMAGE, IMAGE.flip(3)])
    close(features, "metaug.features")
    close(model.augment(features), "metaug.augmented")
    assert isinstance(model.generator, ResidualGenerator)
    assert model.generator.radius == 0.5
    assert model.generator.centered
    assert model.meta.inner_lr == 0.02
    assert model.objective.composition == "anchored"
    assert model.objective.contrast.margin == 0.25
    assert model.memory_bank.entries.shape == (1438, 2, 8)


@pytest.mark.parametrize(("kind", "name"), [(LinearEvaluator, "linear"), (FineTuner, "fine_tuned")])
def test_evaluations(kind, name):
    evaluated = kind.load_from_checkpoint(HERE / f"{name}.ckpt", weights_only=True).eval()
    close(evaluated.classify(IMAGE), f"{name}.scores")


@pytest.mark.parametrize("source", ["metaug.ckpt", "export", "linear.ckpt"])
def test_the_encoder_alone(source):
    encoder = PretrainedEncoder(HERE / source).freeze()
    name = "export.representation" if source == "export" else "metaug.representation"
    close(encoder(IMAGE), name)
