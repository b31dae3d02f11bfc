import numpy as np
import pytest
import torch
from metaug.callbacks import GeneratorMonitor
from metaug.callbacks.plotting.generator import similarities
from metaug.lightning_modules.objectives.pairs import form_pairs

from ..probing.test_probe import fit
from ..test_with_metaug import fit as fit_metaug, small_metaug


def test_similarities_are_those_of_the_loop():
    features = torch.nn.functional.normalize(torch.randn(4, 2, 3, dtype=torch.double), dim=-1)
    positive, negative = similarities(form_pairs(features))
    value = (1 + torch.einsum("ivd,jwd->ijvw", features, features)) / 2
    pairs = [(0, 1), (1, 0)]
    expected = [value[i, i, v, w].item() for i in range(4) for v, w in pairs]
    np.testing.assert_allclose(np.sort(positive), np.sort(expected))
    others = [
        value[i, j, v, w].item() for i in range(4) for j in range(4) if i != j for v, w in pairs
    ]
    np.testing.assert_allclose(np.sort(negative), np.sort(others))


def test_generator_is_drawn_logged_and_remembered(tmp_path):
    monitor = GeneratorMonitor(every_n_epochs=1)
    trainer, watched = fit_metaug(tmp_path, [monitor])
    assert [path.name for path in monitor.written] == ["generator.png"]
    assert -1 <= trainer.callback_metrics["generator/cosine"] <= 1
    steps, _ = monitor.history.points("cosine")
    assert steps == [trainer.global_step // 2, trainer.global_step]
    assert len(monitor.history.points("meta_gap")[0]) == trainer.global_step
    loaded = GeneratorMonitor()
    loaded.load_state_dict(monitor.state_dict())
    assert loaded.history.points("cosine") == monitor.history.points("cosine")
    _, bare = fit_metaug(tmp_path / "bare", [])
    for name, value in bare.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


def test_cosine_is_that_of_features_and_augmentation(tmp_path):
    monitor, module = GeneratorMonitor(), small_metaug()
    views = [torch.rand(8, 1, 8, 8) for _ in range(2)]
    logged = {}
    module.log = lambda name, value, **_: logged.update({name: value})
    from ..tiny import quiet_trainer

    trainer = quiet_trainer(tmp_path)
    trainer.strategy.connect(module)
    monitor.measure_and_plot(trainer, module, views)
    with torch.no_grad():
        features = module.eval().features(views)
        expected = (features * module.augment(features)).sum(-1).mean()
    assert logged["generator/cosine"].item() == pytest.approx(expected.item())


def test_modules_without_a_generator_are_left_alone(tmp_path):
    monitor = GeneratorMonitor()
    fit(tmp_path, [monitor])
    assert monitor.written == []


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="max_images=1"):
        GeneratorMonitor(max_images=1)
    with pytest.raises(ValueError, match="every_n_epochs=0"):
        GeneratorMonitor(every_n_epochs=0)
