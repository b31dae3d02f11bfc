import re

import pytest
import torch
from metaug.callbacks import KNNGrid, KNNProbe, knn_predict_grid
from metaug.callbacks.probing import neighbors

from .probing.test_knn import brute_force, random_features
from .probing.test_probe import TRAIN, fit
from .tiny import TinyModule, digits, loader

VOTES = [(k, temperature) for k in (1, 5, 60, 200) for temperature in (0.07, 1.0)]


def with_ties(count, seed=0):
    """Each image three times, under other labels."""
    features = random_features(count, seed=seed)
    features.value[:] = features.value[torch.arange(count) // 3]
    return features


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("bank_chunk", [11, 1000])
def test_one_search_equals_brute_force_for_every_vote(metric, bank_chunk):
    bank, queries = with_ties(60), random_features(50, seed=1).value
    found = knn_predict_grid(
        queries, bank, 5, VOTES, metric=metric, query_chunk=7, bank_chunk=bank_chunk
    )
    for (k, temperature), predicted in zip(VOTES, found, strict=True):
        expected = brute_force(queries, bank, 5, k, temperature, metric)
        assert torch.equal(predicted, expected), (k, temperature)


def test_the_bank_is_searched_once_a_metric(monkeypatch):
    compared = []
    plain = neighbors.similarity

    def counted(queries, bank, metric):
        compared.append((metric, len(queries) * len(bank)))
        return plain(queries, bank, metric)

    monkeypatch.setattr(neighbors, "similarity", counted)
    bank, queries = random_features(60), random_features(50, seed=1)
    scores = KNNGrid(k=[1, 5, 20, 60]).measure(bank, queries, 5)
    assert len(scores) == 12
    assert compared == [("cosine", 3000), ("euclidean", 3000)]


def test_scores_are_those_of_probes(tmp_path):
    options = {"bank": loader(TRAIN), "queries": loader(digits(300, 420))}
    singles = [
        KNNProbe(k=3, temperature=0.07, name="a", **options),
        KNNProbe(k=20, temperature=0.07, name="b", **options),
        KNNProbe(k=20, metric="euclidean", name="c", **options),
    ]
    grid = KNNGrid(k=[3, 20], temperature=[0.07], **options)
    trainer, _ = fit(tmp_path, [*singles, grid], kind=TinyModule)
    names = ["k3_T0.07", "k20_T0.07", "k20_euclidean"]
    logged = [trainer.callback_metrics[f"val/knn_top1_{name}"] for name in names]
    assert logged == [trainer.callback_metrics[name] for name in "abc"]


def test_a_table_that_fits_a_terminal(tmp_path, capsys):
    grid = KNNGrid(k=[1, 5, 20, 200], bank=loader(TRAIN), queries=loader(digits(300, 420)))
    fit(tmp_path, [grid], kind=TinyModule, max_epochs=1)
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if "val/knn_top1 in %" in line)
    assert "bank 300, queries 120" in lines[start]
    assert lines[start + 1].split() == ["k=1", "k=5", "k=20", "k=200"]
    rows = {re.split(r"  +", line)[0]: line.split()[-4:] for line in lines[start + 2 : start + 5]}
    assert list(rows) == ["cosine T=0.07", "cosine T=0.1", "euclidean"]
    assert max(map(len, lines[start : start + 5])) <= 80
    assert rows["euclidean"][2] == f"{100 * grid.scores['val/knn_top1_k20_euclidean']:.2f}"


def test_a_small_bank_votes_as_a_whole_with_one_warning(tmp_path):
    grid = KNNGrid(k=[1, 200, 500], bank=loader(digits(0, 30)), queries=loader(digits(300, 420)))
    with pytest.warns(UserWarning, match=r"k=500 is larger than the bank; all 30") as caught:
        fit(tmp_path, [grid], kind=TinyModule)
    assert len([w for w in caught if "larger than the bank" in str(w.message)]) == 1
    assert grid.scores["val/knn_top1_k200_T0.1"] == grid.scores["val/knn_top1_k500_T0.1"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"k": [5, 0]}, "k=0"),
        ({"temperature": [0.1, -1.0]}, "temperature=-1.0"),
        ({"metric": ["manhattan"]}, "manhattan"),
        ({"k": []}, "empty grid"),
        ({"temperature": [], "metric": ["cosine"]}, "empty grid"),
    ],
)
def test_bad_arguments_are_named(wrong, named):
    with pytest.raises(ValueError, match=named):
        KNNGrid(**wrong)
