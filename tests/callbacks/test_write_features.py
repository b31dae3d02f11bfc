import numpy as np
import pytest
import torch
from metaug.callbacks import WriteFeatures
from metaug.datamodules import DigitsDataModule
from torch.utils.data import DataLoader

from .test_with_metaug import small_metaug
from .tiny import digits, quiet_trainer, tiny_module


def predicted(tmp_path, writer, module, **data):
    quiet_trainer(tmp_path, callbacks=[writer]).predict(module, return_predictions=False, **data)
    return writer.written[0]


def loaded(path):
    with np.load(path) as file:  # which stays open otherwise
        return dict(file)


@pytest.mark.parametrize("file_format", ["npz", "parquet"])
def test_features_have_indices_targets_and_names(tmp_path, file_format):
    if file_format == "parquet":
        pytest.importorskip("pyarrow.parquet", exc_type=ImportError)
    module, data = small_metaug(), DigitsDataModule(num_workers=0)
    path = predicted(tmp_path, WriteFeatures(file_format), module, datamodule=data)
    assert path == tmp_path / f"features.{file_format}"
    loader = data.predict_dataloader()
    batches = list(loader)
    image, target, index = (torch.cat(column) for column in zip(*batches, strict=True))
    with torch.no_grad():
        expected = module.eval()(image)
    if file_format == "npz":
        saved = loaded(path)
        features = saved["features"]
    else:
        import pyarrow.parquet as pq

        saved = pq.read_table(path).to_pydict()
        features = np.stack(saved["features"])
    np.testing.assert_allclose(features, expected.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(saved["index"], index)
    np.testing.assert_array_equal(saved["target"], target)
    assert saved["path"][3] == loader.dataset.source.name(3)


def test_a_foreign_modules_predictions_are_written(tmp_path):
    module = tiny_module()
    module.predict_step = lambda batch, batch_idx: module(batch[0])
    path = predicted(
        tmp_path,
        WriteFeatures(path=str(tmp_path / "x" / "f.npz")),
        module,
        dataloaders=DataLoader(digits(0, 50), 20),
    )
    saved = loaded(path)
    assert saved["features"].shape == (50, 16)
    assert saved["index"].tolist() == list(range(50))
    assert "path" not in saved


def test_other_predictions_are_an_error(tmp_path):
    module = tiny_module()
    module.predict_step = lambda batch, batch_idx: {"x": 1}
    with pytest.raises(TypeError, match="dict"):
        predicted(tmp_path, WriteFeatures(), module, dataloaders=DataLoader(digits(0, 50), 20))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="csv"):
        WriteFeatures("csv")
