import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from metaug.datamodules import DigitsDataModule, LabelledDataModule, SmallMotion
from metaug.lightning_modules import Encoder, LinearEvaluator, PretrainedEncoder
from metaug.lightning_modules.evaluation.labeled import Labeled
from metaug.lightning_modules.evaluation.linear_heads import held_out_mask
from metaug.lightning_modules.evaluation.loaders import FeatureLoader
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from .tiny import tiny_encoder

# Lightning's doubt whether a frozen encoder is meant to be in evaluation mode
pytestmark = pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start of training")


def random_encoder(seed: int) -> Encoder:
    torch.manual_seed(seed)
    shape = {"layers": [1, 1, 1, 1], "channels": [16, 32, 64, 128]}
    return Encoder(
        "resnet18", small_images=True, image_channels=1, projection_dim=16, backbone_args=shape
    )


def run(module, data, epochs: int = 2, **settings) -> pl.Trainer:
    defaults = {
        "accelerator": "cpu",
        "max_epochs": epochs,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    trainer = pl.Trainer(**(defaults | settings))
    trainer.fit(module, datamodule=data)
    return trainer


def features(data, module):
    """Labeled training and validation images, encoded by a plain loop."""
    encoded = []
    for loader in (data.bank_dataloader(), data.val_dataloader()):
        with torch.no_grad():
            batches = [
                Labeled(module.encoder(batch.image), batch.target, batch.index) for batch in loader
            ]
        encoded.append(Labeled(*(torch.cat(column) for column in zip(*batches, strict=True))))
    return [part.take(part.target >= 0) for part in encoded]


@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_logistic_regression(seed):
    data = DigitsDataModule(batch_size=256)
    images = data.num_instances
    module = LinearEvaluator(
        random_encoder(seed), learning_rates=[0.3, 1.0], weight_decay=1 / images
    )
    trainer = run(module, data, epochs=80, check_val_every_n_epoch=80)
    train, val = features(data, module)
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=3000))
    reference.fit(train.value.double().numpy(), train.target.numpy())
    expected = 100 * reference.score(val.value.double().numpy(), val.target.numpy())
    assert expected > 75
    assert abs(100 * float(trainer.callback_metrics["val/linear_top1"]) - expected) <= 0.5
    top5 = torch.from_numpy(reference.predict_proba(val.value.double().numpy())).topk(5).indices
    hits = (top5 == val.target[:, None]).any(1).double().mean()
    assert float(trainer.callback_metrics["val/linear_top5"]) == pytest.approx(
        float(hits), abs=0.01
    )


def test_every_head_is_trained_as_if_alone():
    """Each pair against a plain loop: own SGD, own schedule, held-out images in one of them."""
    data = DigitsDataModule(batch_size=128, labels_per_class=40)
    rates, decay, epochs = [0.05, 0.5], 0.01, 3
    module = LinearEvaluator(
        tiny_encoder(), learning_rates=rates, weight_decay=decay, held_out=0.3, seed=5
    )
    run(module, data, epochs)
    train, _ = features(data, module)
    mean, deviation = train.value.mean(0), train.value.std(0, correction=0)
    at = [0]
    batches = FeatureLoader(train, 128, epoch=lambda: at[0], seed=5)
    total = epochs * len(batches)
    for row, rate in enumerate(rates):
        for held_out_head in (0, 1):
            weight = torch.zeros(10, train.value.shape[1], requires_grad=True)
            bias = torch.zeros(10, requires_grad=True)
            speed = [torch.zeros_like(weight), torch.zeros_like(bias)]
            step = 0
            for epoch in range(epochs):
                at[0] = epoch
                for batch in batches:
                    keep = ~held_out_mask(batch.index, 0.3) if held_out_head else batch.index >= 0
                    x = (batch.value[keep] - mean) / deviation
                    scores, target = x @ weight.T + bias, batch.target[keep]
                    loss = functional.cross_entropy(scores, target, reduction="sum")
                    loss = loss / (128 * (0.7 if held_out_head else 1.0))
                    grads = list(torch.autograd.grad(loss, [weight, bias]))
                    grads[0] = grads[0] + decay * weight.detach()
                    lr = rate * 0.5 * (1 + math.cos(math.pi * step / total))
                    with torch.no_grad():
                        for value, grad, v in zip([weight, bias], grads, speed, strict=True):
                            v.mul_(0.9).add_(grad)
                            value -= lr * v
                    step += 1
            got = module.heads.weight[row][held_out_head], module.heads.bias[row][held_out_head]
            torch.testing.assert_close(got[0], weight, atol=2e-4, rtol=1e-3)
            torch.testing.assert_close(got[1], bias, atol=2e-4, rtol=1e-3)
    assert not torch.equal(module.heads.weight[0][0], module.heads.weight[0][1])


def test_images_are_encoded_once_and_the_encoder_stays():
    data = DigitsDataModule(batch_size=128)
    encoder = tiny_encoder(norm=True)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    module = LinearEvaluator(encoder, learning_rates=[0.1])
    seen = []
    module.encoder.register_forward_hook(lambda *a: seen.append(len(a[2])))
    trainer = run(module, data, epochs=3)
    images = data.num_instances + len(data.splits.val)
    assert sum(seen) == images + 2  # two blank images that tell F
    assert trainer.global_step == 3 * (data.num_instances // 128)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert len(next(iter(data.train_dataloader())).views) == 2  # images again


def test_augmented_images_are_encoded_in_every_epoch():
    data = LabelledDataModule(
        DigitsDataModule(), labels_per_class=20, augmentation=SmallMotion(), batch_size=100
    )
    module = LinearEvaluator(tiny_encoder(), learning_rates=[0.1], augment=True)
    seen = []
    module.encoder.register_forward_hook(lambda *a: seen.append(len(a[2])))
    trainer = run(module, data, epochs=2)
    assert sum(seen) == 2 * (200 + len(data.splits.val)) + 2
    assert trainer.callback_metrics["val/linear_top1"] > 0.2


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_features_are_cached_in_the_precision_of_the_trainer(precision):
    data = DigitsDataModule(batch_size=256)
    module = LinearEvaluator(tiny_encoder(), learning_rates=[0.3])
    seen = []
    module.encoder.register_forward_hook(lambda *a: seen.append(a[2].dtype))
    trainer = run(module, data, epochs=4, precision=precision)
    assert seen[-1] == {"64-true": torch.float64, "bf16-mixed": torch.bfloat16}[precision]
    assert trainer.callback_metrics["val/linear_top1"] > 0.5


def test_rate_is_chosen_on_held_out_training_images():
    data = DigitsDataModule(batch_size=256)
    module = LinearEvaluator(tiny_encoder(), learning_rates=[1e-6, 0.5], held_out=0.3)
    trainer = run(module, data, epochs=8)
    metrics = trainer.callback_metrics
    assert float(metrics["val/linear_rate"]) == 0.5
    assert metrics["val/linear_top1"] == metrics["val/linear_top1_rate0.5"]
    assert metrics["val/linear_top1_rate0.5"] > metrics["val/linear_top1_rate1e-06"]


def test_held_out_part_is_fixed_and_of_the_wanted_size():
    index = torch.arange(20000)
    mask = held_out_mask(index, 0.2)
    assert abs(float(mask.double().mean()) - 0.2) < 0.01
    assert torch.equal(held_out_mask(index.flip(0), 0.2).flip(0), mask)
    assert not held_out_mask(torch.full((100,), -1), 0.9).any()
    for step in (2, 10, 100):  # no pattern in the order of a data set
        assert abs(float(mask[::step].double().mean()) - 0.2) < 0.07


def test_checkpoint_rebuilds_the_evaluator(tmp_path):
    data = DigitsDataModule(batch_size=256)
    module = LinearEvaluator(random_encoder(3), learning_rates=[0.01, 0.5], held_out=0.0)
    trainer = run(module, data)
    trainer.save_checkpoint(tmp_path / "linear.ckpt")
    expected = float(trainer.callback_metrics["val/linear_top1"])
    again = LinearEvaluator.load_from_checkpoint(tmp_path / "linear.ckpt").eval()
    image = next(iter(data.val_dataloader())).image
    assert again.learning_rates == [0.01, 0.5]
    with torch.no_grad():
        torch.testing.assert_close(again.classify(image), module.eval().classify(image))
    (tested,) = trainer.test(again, datamodule=data, verbose=False)
    assert tested["test/linear_top1"] == pytest.approx(expected)  # digits: both splits are one


def test_warm_up_of_a_run_of_steps():
    module = LinearEvaluator(tiny_encoder(), warmup_epochs=1)
    trainer = run(module, DigitsDataModule(), epochs=-1, max_steps=1)
    assert trainer.global_step == 1


def test_mistakes_name_value_and_cure(tmp_path):
    with pytest.raises(ValueError, match="learning_rates is empty; give one or more"):
        LinearEvaluator(tiny_encoder(), learning_rates=[])
    with pytest.raises(ValueError, match=r"held_out must be .* less than 1, got 1.0"):
        LinearEvaluator(tiny_encoder(), held_out=1.0)
    too_long = LinearEvaluator(tiny_encoder(), learning_rates=[0.1, 3.0], warmup_epochs=9)
    with pytest.raises(ValueError, match=r"would never reach 3;"):
        run(too_long, DigitsDataModule())
    with pytest.raises(FileNotFoundError, match=r"no checkpoint or exported folder 'none.ckpt'"):
        LinearEvaluator("none.ckpt")
    three_channels = Encoder("resnet18", small_images=True)
    with pytest.raises(ValueError, match=r"does not take the data's images \[1, 16, 16\]"):
        run(LinearEvaluator(three_channels), DigitsDataModule())
    with pytest.raises(ValueError, match=r"num_classes=3, but the data have 10 classes"):
        run(LinearEvaluator(tiny_encoder(), num_classes=3), DigitsDataModule())
    loader = DigitsDataModule().bank_dataloader()
    trainer = pl.Trainer(accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False)
    with pytest.raises(ValueError, match="number of classes is not known"):
        trainer.fit(LinearEvaluator(tiny_encoder()), loader, loader)


def test_pretrained_encoder_leaves_a_shared_module_usable():
    encoder = tiny_encoder(norm=True)
    frozen = PretrainedEncoder(encoder).freeze()
    assert not frozen.train().training
    assert not any(module.training for module in frozen.modules())


@pytest.mark.long
def test_two_processes_equal_one(tmp_path):
    """Features of both, no image twice (719 and 718 to train on, 180 and 179 to score)."""
    found = []
    for processes in (1, 2):
        output = tmp_path / f"{processes}.pt"
        script = Path(__file__).with_name("evaluate_on_processes.py")
        command = [sys.executable, str(script), str(processes), str(output)]
        subprocess.run(command, check=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1"})
        found.append(torch.load(output))
    assert found[0]["scores"] == pytest.approx(found[1]["scores"], abs=1e-6)
    for one, two in zip(found[0]["heads"], found[1]["heads"], strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
