import pytest
from matplotlib.figure import Figure
from metaug.callbacks import run_directory
from metaug.callbacks.artifacts.run_files import publish
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger

from ..tiny import quiet_trainer


@pytest.mark.parametrize("kind", ["none", "csv", "tensorboard", "wandb"])
def test_figures_go_to_the_runs_own_folder(tmp_path, kind):
    makers = {
        "none": lambda: False,
        "csv": lambda: CSVLogger(tmp_path, name="a"),
        "tensorboard": lambda: TensorBoardLogger(tmp_path, name="a"),
        "wandb": lambda: WandbLogger(name="b", save_dir=tmp_path, offline=True, version="x1"),
    }
    folders = {
        "none": tmp_path,
        "csv": tmp_path / "a" / "version_0",
        "tensorboard": tmp_path / "a" / "version_0",
        "wandb": tmp_path / "lightning_logs" / "x1",
    }
    trainer = quiet_trainer(tmp_path, logger=makers[kind]())
    assert run_directory(trainer) == folders[kind]
    if kind != "wandb":  # would start a process of its own
        figure = Figure()
        figure.subplots().plot([1, 2])
        (path,) = publish(trainer, figure, "some")
        assert path == folders[kind] / "figures" / "some.png"
        assert path.stat().st_size > 1000
    if kind == "tensorboard":
        trainer.logger.finalize("success")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folders[kind]))
        events.Reload()
        assert events.Tags()["images"] == ["some"]
