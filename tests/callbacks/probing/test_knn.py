import numpy as np
import pytest
import torch
from metaug.callbacks import Features, knn_predict
from metaug.callbacks.probing.knn import vote
from metaug.callbacks.probing.neighbors import Neighbors, nearest


def random_features(count, classes=5, width=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Features(
        torch.randn(count, width, generator=generator),
        torch.randint(classes, (count,), generator=generator),
        torch.arange(count),
    )


def brute_force(queries, bank, classes, k, temperature, metric):
    q, b = queries.double().numpy(), bank.value.double().numpy()
    if metric == "cosine":
        q /= np.linalg.norm(q, axis=1, keepdims=True)
        b /= np.linalg.norm(b, axis=1, keepdims=True)
        closeness = q @ b.T
    else:
        closeness = -np.sqrt(((q[:, None] - b[None]) ** 2).sum(-1))
    predictions = []
    for row in closeness.round(12):
        order = np.lexsort((bank.index.numpy(), -row))[:k]
        votes = np.zeros(classes)
        for j in order:
            weight = np.exp(row[j] / temperature) if metric == "cosine" else 1 / (1e-6 - row[j])
            votes[bank.target[j]] += weight
        predictions.append(votes.argmax())
    return torch.tensor(np.array(predictions))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 5, 60, 200])
def test_equals_brute_force(metric, k):
    bank, queries = random_features(60), random_features(50, seed=1).value
    expected = brute_force(queries, bank, 5, k, 0.1, metric)
    found = knn_predict(queries, bank, 5, k=k, metric=metric, query_chunk=7, bank_chunk=11)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("bank_chunk", [1, 3, 8, 100])
def test_ties_go_to_the_smallest_index_in_any_chunking(bank_chunk):
    generator = torch.Generator().manual_seed(0)
    few = torch.randn(3, 6, generator=generator)
    copies = torch.arange(30) % 3  # each image ten times
    index = torch.randperm(30, generator=generator)
    bank = Features(few[copies], torch.zeros(30, dtype=torch.long), index)
    found = nearest(few, bank, 4, "cosine", bank_chunk)
    for query in range(3):
        expected = index[copies == query].sort().values[:4]
        assert torch.equal(found.index[query], expected)


def test_tied_votes_go_to_the_smallest_class():
    neighbors = Neighbors(torch.ones(1, 4), torch.tensor([[3, 1, 1, 3]]), torch.arange(4)[None])
    assert vote(neighbors, 5, 0.1).item() == 1


def test_temperature_decides_between_near_and_many():
    near_one_far_two = Neighbors(
        torch.tensor([[0.9, 0.5, 0.5]]), torch.tensor([[0, 1, 1]]), torch.arange(3)[None]
    )
    assert vote(near_one_far_two, 2, 0.1).item() == 0
    assert vote(near_one_far_two, 2, 10.0).item() == 1


@pytest.mark.parametrize(
    ("k", "temperature", "named"), [(0, 0.1, "k=0"), (1, 0.0, "temperature=0")]
)
def test_bad_settings_are_named(k, temperature, named):
    bank = random_features(5)
    with pytest.raises(ValueError, match=named):
        knn_predict(bank.value, bank, 5, k=k, temperature=temperature)


def test_unknown_metric_is_named():
    bank = random_features(5)
    with pytest.raises(ValueError, match="manhattan"):
        knn_predict(bank.value, bank, 5, metric="manhattan")
