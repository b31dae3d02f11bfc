import torch


def test_example_views_are_pictures(toy):
    datamodule = toy(batch_size=16)
    originals, views = datamodule.example_views(5)
    assert len(originals) == len(views) == 5
    assert all(len(row) == 2 for row in views)
    for picture in [*originals, *(view for row in views for view in row)]:
        assert picture.shape == (3, 12, 12)
        assert picture.min() >= 0
        assert picture.max() <= 1
    for batch in datamodule.train_dataloader():
        for row in (batch.index == 0).nonzero()[:, 0].tolist():
            shown = datamodule.views.show(batch.views[0][row])
            torch.testing.assert_close(views[0][0], shown)
    whole = datamodule.splits.train.read([0])[0] / 255
    torch.testing.assert_close(originals[0], whole)
