import re

import pytest
from metaug.callbacks import FeatureMap, Report, Summary, TrainingCurves

from .probing.test_probe import fit, probes
from .test_with_metaug import fit as fit_metaug
from .tiny import quiet_trainer


def test_the_page_is_whole_and_needs_nothing_else(tmp_path):
    callbacks = [*probes(), TrainingCurves(), FeatureMap(), Summary(), Report()]
    trainer, _ = fit(tmp_path, callbacks)
    page = (tmp_path / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == 2
    assert re.search(r"trained encoder</td><td class=\"number\">\d", page)
    assert "raw pixels" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    value = trainer.callback_metrics["val/knn_top1"].item()
    assert f'<td>val/knn_top1</td><td class="number">{value:.5g}</td>' in page


def test_a_config_is_shown(tmp_path):
    folder = tmp_path / "lightning_logs" / "version_0"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("model: <MetAug & more>\n")
    fit_metaug(tmp_path / "other", [Report()])
    page = (tmp_path / "other" / "lightning_logs" / "version_0" / "report.html").read_text()
    assert "encoder_optimizer" in page  # hyper-parameters stand in where there is no config


@pytest.mark.parametrize("trial", [True, False])
def test_a_trial_leaves_no_page(tmp_path, trial):
    fit(tmp_path, [*probes(), Report()], fast_dev_run=trial)
    assert (tmp_path / "report.html").exists() != trial


def test_validation_on_its_own_writes_a_page(tmp_path):
    from .probing.test_probe import VALIDATION
    from .tiny import loader, tiny_module

    trainer = quiet_trainer(tmp_path, callbacks=[*probes(), Report(title="just looking")])
    trainer.validate(tiny_module(), loader(VALIDATION), verbose=False)
    page = (tmp_path / "report.html").read_text()
    assert "just looking" in page
    assert "val/linear_top1" in page
