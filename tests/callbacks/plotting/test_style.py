import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from metaug.callbacks import FeatureMap, TrainingCurves, ViewsGrid, run_directory
from metaug.callbacks.feature_map import draw_map, project
from metaug.callbacks.plotting.style import class_colours, publish, style
from metaug.callbacks.training_curves import smooth
from metaug.callbacks.views_grid import draw_views, picture
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from sklearn.decomposition import PCA

from ..probing.test_probe import fit, probes
from ..tiny import quiet_trainer


def test_pca_equals_scikit_learn_up_to_sign():
    value = np.random.default_rng(0).normal(size=(40, 6)) * [5, 4, 3, 2, 1, 1]
    ours, theirs = project(value, "pca"), PCA(2).fit_transform(value)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 5), (4, 1)])
def test_pca_of_almost_nothing(shape):
    assert project(np.ones(shape), "pca").shape == (shape[0], 2)


def test_tsne_separates_clusters_and_repeats_itself():
    value = np.random.default_rng(0).normal(size=(40, 6))
    value[20:] += 30
    plane = project(value, "tsne")
    np.testing.assert_array_equal(plane, project(value, "tsne"))
    gap = np.linalg.norm(plane[:20].mean(0) - plane[20:].mean(0))
    assert gap > 2 * plane[:20].std()


def test_umap_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(ModuleNotFoundError, match="pip install umap-learn"):
        project(np.ones((5, 3)), "umap")


def test_every_class_has_a_colour_of_its_own():
    for count in (2, 10, 37):
        assert len(set(class_colours(count))) == count


def test_a_map_names_classes_and_leaves_the_unlabelled_out():
    figure = draw_map(
        np.random.rand(6, 2), np.array([0, 2, 2, -1, 0, 2]), "t", ["cat", "dog", "owl"]
    )
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["cat", "owl"]


def test_smoothing_keeps_length_and_constants():
    assert smooth([3.0] * 200).tolist() == pytest.approx([3.0] * 200)
    assert len(smooth([1.0])) == 1


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_pictures_are_rgb_in_range(channels):
    shown = picture(torch.randn(channels, 5, 4))
    assert shown.shape == (5, 4, 3)
    assert 0 <= shown.min() <= shown.max() <= 1


def test_pictures_in_range_are_shown_as_they_are():
    image = torch.rand(3, 4, 4) * 0.5
    assert torch.equal(torch.tensor(picture(image)), image.permute(1, 2, 0))


def test_views_have_a_row_each_below_the_image():
    views = [[torch.rand(1, 4, 4) for _ in range(3)] for _ in range(5)]
    assert len(draw_views(views).axes) == 15
    assert len(draw_views(views, [torch.rand(1, 4, 4)] * 5).axes) == 20


def test_the_users_matplotlib_settings_come_back():
    before = matplotlib.rcParams["axes.grid"], matplotlib.get_backend()
    with style():
        assert matplotlib.rcParams["axes.grid"]
    assert before == (matplotlib.rcParams["axes.grid"], matplotlib.get_backend())


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
        path = publish(trainer, figure, "some")
        assert path == folders[kind] / "figures" / "some.png"
        assert path.stat().st_size > 1000
    if kind == "tensorboard":
        trainer.logger.finalize("success")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folders[kind]))
        events.Reload()
        assert events.Tags()["images"] == ["some"]


def test_nothing_is_drawn_in_a_trial(tmp_path):
    callbacks = [*probes(), ViewsGrid(), FeatureMap(), TrainingCurves()]
    fit(tmp_path, callbacks[:2] + callbacks[3:], fast_dev_run=True)
    assert list(tmp_path.rglob("*.png")) == []


def test_curves_of_a_resumed_run_are_whole(tmp_path):
    straight = TrainingCurves()
    fit(tmp_path, [*probes(), straight])
    steps = straight.history.points("train/loss")[0]
    assert steps == list(range(1, 11))
    assert straight.history.points("val/knn_top1")[0] == [5, 10]
    loaded = TrainingCurves()
    loaded.load_state_dict(straight.state_dict())
    assert loaded.history.points("train/loss") == straight.history.points("train/loss")


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: FeatureMap(method="mds"), "mds"),
        (lambda: FeatureMap(max_points=1), "max_points=1"),
        (lambda: ViewsGrid(images=0), "images=0"),
        (lambda: TrainingCurves(every_n_epochs=0), "every_n_epochs=0"),
    ],
)
def test_bad_arguments_are_named(make, named):
    with pytest.raises(ValueError, match=named):
        make()
