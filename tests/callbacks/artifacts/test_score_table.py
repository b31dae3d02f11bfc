from metaug.callbacks.artifacts.score_table import RAW, TRAINED, rich_table, score_table
from rich.console import Console


def test_missing_scores_are_dashes():
    scores = {RAW: {"val/knn_top1": 0.5}, TRAINED: {"val/knn_top1": 0.75, "val/linear_top1": 1.0}}
    head, rows = score_table(scores, ["val/knn_top1", "val/linear_top1"])
    assert head == ["representation", "kNN", "linear"]
    assert rows == [[RAW, "50.00", "–"], [TRAINED, "75.00", "100.00"]]


def test_the_table_fits_with_many_probes():
    names = [f"val/knn_k{k}_top1" for k in (1, 5, 20)]
    console = Console(width=80)
    with console.capture() as captured:
        console.print(rich_table({RAW: dict.fromkeys(names, 0.5)}, names))
    assert "knn_k20" in captured.get()
