import warnings

import pytest
from metaug.datamodules.loading.resume import EpochPosition

ORDER = {"seed": 0, "global_batch_size": 8}


class Trainer:
    """Has done seven batches of its epoch."""

    class fit_loop:
        class epoch_loop:
            class batch_progress:
                class current:
                    ready = 7


def test_only_the_first_epoch_after_a_resume_skips():
    position = EpochPosition()
    assert position.batches_to_skip(Trainer) == 0
    position.restore(ORDER, ORDER)
    assert [position.batches_to_skip(Trainer) for _ in range(2)] == [7, 0]


def test_a_checkpoint_may_hold_more_or_less():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EpochPosition().restore({**ORDER, "epoch": 3, "batches": 5}, ORDER)
        EpochPosition().restore({}, ORDER)


def test_another_order_warns():
    with pytest.warns(UserWarning, match="global_batch_size=8, this run has global_batch_size=4"):
        EpochPosition().restore(ORDER, {**ORDER, "global_batch_size": 4})
