import numpy as np
import pytest
from metaug.callbacks.plotting.projection import draw_map, project
from sklearn.decomposition import PCA


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


def test_a_map_names_classes_and_leaves_the_unlabeled_out():
    figure = draw_map(
        np.random.rand(6, 2), np.array([0, 2, 2, -1, 0, 2]), "t", ["cat", "dog", "owl"]
    )
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["cat", "owl"]
