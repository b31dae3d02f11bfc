import warnings

import matplotlib.image
import pytest
import torch
from metaug.callbacks import AttractionMonitor
from metaug.callbacks.probing.attraction import attraction_and_repulsion
from metaug.lightning_modules import MemoryBank, MetAugObjective
from metaug.lightning_modules.training.batch_formats import Batch
from torch import nn

from ..probing.test_probe import fit
from ..test_with_metaug import NoisyBackbone, fit as fit_metaug, small_metaug
from ..tiny import quiet_trainer


def test_forces_are_logged_drawn_and_remembered_and_training_is_bit_identical(tmp_path):
    monitor = AttractionMonitor()
    trainer, watched = fit_metaug(tmp_path, [monitor], backbone=NoisyBackbone)
    found = {name: trainer.callback_metrics[name].item() for name in monitor.latest}
    assert found == pytest.approx(monitor.latest)
    attraction, repulsion = found["objective/attraction"], found["objective/repulsion"]
    assert found["objective/attraction_ratio"] == pytest.approx(attraction / repulsion)
    assert 0 < attraction
    assert [path.name for path in monitor.written] == ["attraction.png"]
    assert matplotlib.image.imread(monitor.written[0])[..., :3].std() > 0.05
    assert monitor.history.points("ratio")[0] == [1, 2]
    loaded = AttractionMonitor()
    loaded.load_state_dict(monitor.state_dict())
    assert loaded.history.points("repulsion") == monitor.history.points("repulsion")
    _, bare = fit_metaug(tmp_path / "bare", [], backbone=NoisyBackbone)
    for name, value in bare.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


def test_they_are_those_of_the_modules_objective_and_generator(tmp_path):
    module = small_metaug()
    module.objective = MetAugObjective(detach=True)
    views = [torch.rand(8, 1, 8, 8) for _ in range(2)]
    trainer = quiet_trainer(tmp_path)
    trainer.strategy.connect(module)
    module.micro_batch_size = 3
    found = AttractionMonitor.measure(trainer, module, Batch(views, None))
    with torch.no_grad():
        features = module.eval().features(views)
    expected = attraction_and_repulsion(module.objective, module.generator, features)
    assert [f.item() for f in found] == pytest.approx([f.item() for f in expected], rel=1e-4)
    assert found.attraction.item() != pytest.approx(found.repulsion.item(), rel=1e-3)


def test_negatives_come_from_the_memory_bank(tmp_path):
    module = small_metaug()
    module.objective, module.generator = MetAugObjective(), None
    module.memory_bank = MemoryBank(num_negatives=16)
    module.memory_bank.allocate(50, 2, 16)
    views = [torch.rand(8, 1, 8, 8) for _ in range(2)]
    trainer = quiet_trainer(tmp_path)
    trainer.strategy.connect(module)
    found = AttractionMonitor.measure(trainer, module, Batch(views, torch.arange(8)))
    assert (found.attraction / found.repulsion).item() == pytest.approx(2, rel=1e-5)


def test_what_cannot_be_split_is_said_once(tmp_path):
    with pytest.warns(UserWarning, match="measures nothing: ValidatedModule has no") as caught:
        fit(tmp_path, [AttractionMonitor()])
    assert len([w for w in caught if "measures nothing" in str(w.message)]) == 1


def test_a_last_batch_of_one_instance_is_left_out(tmp_path):
    monitor = AttractionMonitor()
    module = small_metaug()
    module.accumulation.size = module.accumulate = 2
    views = torch.utils.data.TensorDataset(torch.rand(5, 1, 8, 8))
    loader = torch.utils.data.DataLoader(
        views, 4, collate_fn=lambda rows: {"views": [torch.stack([r[0] for r in rows])] * 2}
    )
    trainer = quiet_trainer(tmp_path, callbacks=[monitor], max_epochs=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*have no `val_dataloader`")
        trainer.fit(module, loader)
    assert trainer.global_step == 1
    assert monitor.latest == {}


def test_an_objective_without_pairs_is_named(tmp_path):
    class Squares(nn.Module):
        def forward(self, features, augment):
            return features[..., 0].square().mean()

    monitor = AttractionMonitor()
    with pytest.warns(UserWarning, match="no part of Squares is a module .* PairSet") as caught:
        fit_metaug(tmp_path, [monitor], objective=Squares())
    assert len([w for w in caught if "measures nothing" in str(w.message)]) == 1
    assert monitor.written == []


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="every_n_epochs=0"):
        AttractionMonitor(every_n_epochs=0)
