"""The trained encoder's row stands out where it is the best, and nowhere else."""

import pytest
from metaug.callbacks.artifacts.html_page import render
from metaug.callbacks.artifacts.score_table import RAW, TRAINED, rich_table, score_table

NAMES = ["val/knn_top1", "val/linear_top1"]


def scores(trained: tuple[float, float | None]) -> dict:
    values = {"val/knn_top1": trained[0]}
    if trained[1] is not None:
        values["val/linear_top1"] = trained[1]
    return {RAW: dict(zip(NAMES, (0.9, 0.8), strict=True)), TRAINED: values}


@pytest.mark.parametrize(
    ("trained", "best"), [((0.95, 0.9), True), ((0.95, 0.7), False), ((0.95, None), False)]
)
def test_the_best_row_alone_is_bold(trained, best):
    table = rich_table(scores(trained), NAMES)
    assert [row.style for row in table.rows] == ["", "bold" if best else ""]
    page = render(
        "title", "lead", scores=score_table(scores(trained), NAMES), metrics={}, figures=[],
        config="", command="", versions={},
    )  # fmt: skip
    assert ('class="best"' in page) == best


def test_no_row_stands_out_without_the_trained_encoder():
    untrained = {RAW: scores((0.9, 0.9))[RAW]}
    assert [row.style for row in rich_table(untrained, NAMES).rows] == [""]
    page = render(
        "title", "lead", scores=score_table(untrained, NAMES), metrics={}, figures=[],
        config="", command="", versions={},
    )  # fmt: skip
    assert 'class="best"' not in page
