"""The notebook is its script, which runs, and its page shows it."""

import json
import re
import runpy

import pytest
import pytorch_lightning as pl

from docs.notebook_page import NOTEBOOK, SCRIPT, cells, page

pytest.importorskip("IPython", reason="pip install '.[notebook]'")
# an example is other people's code: their warnings are not ours
pytestmark = pytest.mark.filterwarnings("default")


def committed() -> dict:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))


def test_script_runs(monkeypatch, capsys):
    few = {"max_epochs": 1, "limit_train_batches": 2, "accelerator": "cpu"}
    monkeypatch.setattr(pl, "Trainer", lambda whole=pl.Trainer, **given: whole(**(given | few)))
    names = runpy.run_path(str(SCRIPT))
    assert names["nearest"].shape == (6, 6)
    assert names["nearest"][:, 0].tolist() == names["queries"].tolist()  # each is its own nearest
    assert "'input_size': [3, 48, 48]" in capsys.readouterr().out


def test_cells_are_the_scripts():
    notebook = committed()
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    assert found == cells(SCRIPT.read_text(encoding="utf-8")), "run python docs/notebook_page.py"


def test_outputs_are_small_whole_and_of_no_machine():
    notebook = committed()
    assert NOTEBOOK.stat().st_size < 400_000
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    assert "val/knn_top1" in printed
    assert not re.search(r"/(home|root|opt|tmp|usr)/", printed)


def test_page_shows_every_cell_and_figure():
    notebook = committed()
    text, figures = page(notebook)
    for cell in notebook["cells"]:
        assert "".join(cell["source"]) in text
    assert len(figures) == 5
    assert all(png.startswith(b"\x89PNG") for png in figures.values())
    assert all(f"(figures/{name})" in text for name in figures)
