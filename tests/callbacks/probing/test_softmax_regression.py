import numpy as np
import pytest
import torch
from metaug.callbacks import SoftmaxRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..tiny import digits, tiny_module


def digit_features():
    image, target = digits().tensors
    with torch.no_grad():
        return tiny_module().eval()(image), target


@pytest.fixture(scope="module")
def features():
    return digit_features()


@pytest.mark.parametrize("per_class", [10, None])
def test_finds_scikit_learns_minimum(features, per_class):
    value, target = features
    train, held_out = (value[:1300], target[:1300]), (value[1300:], target[1300:])
    if per_class:
        keep = torch.cat([(train[1] == c).nonzero()[:per_class, 0] for c in range(10)])
        train = train[0][keep], train[1][keep]
    ours = SoftmaxRegression()
    ours.fit(*train, num_classes=10)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8, max_iter=5000))
    theirs.fit(train[0].double().numpy(), train[1].numpy())
    coefficients = theirs[-1].coef_
    assert np.abs(ours.weight.numpy() - coefficients).max() < 1e-3 * np.abs(coefficients).max()
    predicted = ours.logits(held_out[0]).argmax(1).numpy()
    expected = theirs.predict(held_out[0].double().numpy())
    assert (predicted != expected).mean() < 0.002


def test_gradients_are_those_of_autograd(features):
    value, target = features[0][:50].double(), features[1][:50]
    head = SoftmaxRegression(penalty=0.3)
    head.fit(value, target, 10)
    generator = torch.Generator().manual_seed(0)
    head.weight = torch.randn(head.weight.shape, generator=generator, dtype=torch.double)
    weight, bias = head.weight.clone().requires_grad_(), head.bias.clone().requires_grad_()
    standardized = head._standardized(value)
    loss = torch.nn.functional.cross_entropy(standardized @ weight.T + bias, target)
    loss = loss + 0.3 / 50 / 2 * weight.square().sum()
    loss.backward()
    pieces = [(standardized[:20], target[:20]), (standardized[20:], target[20:])]
    found = head._gradients(pieces, torch.tensor(50.0, dtype=torch.double))
    for ours, theirs in zip(found, (loss, weight.grad, bias.grad), strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-10, atol=1e-12)


def test_blocks_do_not_change_the_head(features):
    whole, blocked = SoftmaxRegression(), SoftmaxRegression(block=77)
    whole.fit(*features, 10)
    blocked.fit(*features, 10)
    torch.testing.assert_close(whole.weight, blocked.weight, rtol=1e-5, atol=1e-6)


def test_constant_features_and_absent_classes_are_harmless(features):
    value = torch.cat([features[0], torch.full((len(features[0]), 1), 3.0)], dim=1)
    head = SoftmaxRegression()
    head.fit(value, features[1], 12)
    predicted = head.logits(value).argmax(1)
    assert head.logits(value).isfinite().all()
    assert predicted.max() < 10
    assert (predicted == features[1]).float().mean() > 0.8


def test_warm_start_is_nearly_free(features):
    head = SoftmaxRegression()
    head.fit(*features, 10)
    first = head.iterations
    head.fit(*features, 10)
    assert head.iterations - first < first / 4


def test_works_inside_inference_mode(features):
    with torch.inference_mode():
        head = SoftmaxRegression()
        head.fit(features[0] * 1, features[1], 10)
    assert not head.weight.is_inference()


def test_no_labels_is_an_error():
    with pytest.raises(ValueError, match="no labeled image"):
        SoftmaxRegression().fit(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), 2)


def test_negative_penalty_is_named():
    with pytest.raises(ValueError, match="penalty=-1"):
        SoftmaxRegression(penalty=-1)
