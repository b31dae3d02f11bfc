import pytest

from metaug.cli import main
from metaug.settings.config_layers import gives_seed, read_config, read_layers, stale_backbone_args

BACKBONE, ARGS = "model.encoder.backbone", "model.encoder.backbone_args"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "key 'a' stands in line 1 and in line 3"),
        ("t:\n  k: 1\n  k: 1\n", "key 'k' stands in line 2 and in line 3"),
        ("- a\n- b\n", "must hold settings"),
        ("", "must hold settings"),
        ("a: [1,\nb", "line 2"),
        ("\t: x", "is not valid YAML"),
        ("a: \x00", "is not valid YAML"),
        ("model: &a\n  x: *a\n", "Circular reference"),
    ],
)
def test_broken_configs(text, message, tmp_path, capsys):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_config(file)
    assert main(["fit", "--config", str(file)]) == 2
    assert message in capsys.readouterr().err


def test_merged_keys_are_no_duplicates(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("a: &a {k: 1}\nb: {<<: *a, k: 2}\nc: {<<: *a, j: 2}\n")
    assert read_config(file)["b"] == {"k": 2}


def test_layers_are_flat_and_short(tmp_path):
    (tmp_path / "low.yaml").write_text(
        "model: {class_path: M, init_args: {encoder: {init_args: {backbone: a}}}}"
    )
    layers = read_layers(
        [
            *("--config", str(tmp_path / "low.yaml"), "--model.init_args.encoder.init_args.n=3"),
            *("--config", '{"data": {"init_args": {"views": null}}}', "--data.root", "x"),
        ]
    )
    assert layers == [
        {"model.class_path": "M", BACKBONE: "a"},
        {"model.encoder.n": "3", "data.views": None, "data.root": "x"},
    ]


@pytest.mark.parametrize(
    ("layers", "stale"),
    [
        ([{BACKBONE: "a", f"{ARGS}.layers": 1}, {BACKBONE: "b"}], ("a", {"layers": 1})),
        ([{f"{ARGS}.layers": 1}, {BACKBONE: "b"}], (None, {"layers": 1})),
        ([{BACKBONE: "a", f"{ARGS}.layers": 1}, {BACKBONE: "a"}], None),
        ([{BACKBONE: "a", f"{ARGS}.layers": 1}, {BACKBONE: "b", f"{ARGS}.layers": 2}], None),
        ([{BACKBONE: "a", f"{ARGS}.layers": 1}, {BACKBONE: "b", ARGS: "null"}], None),
        ([{BACKBONE: "a", f"{ARGS}.layers": 1}, {ARGS: None}, {BACKBONE: "b"}], None),
        ([{BACKBONE: "a"}, {BACKBONE: "b"}], None),
        ([{BACKBONE: "a", f"{ARGS}.n": 1}, {BACKBONE: "b"}, {BACKBONE: "a"}], None),
    ],
)
def test_arguments_made_for_another_backbone(layers, stale):
    assert stale_backbone_args(layers) == stale


def test_a_seed_that_follows_seed_everything_is_not_given():
    assert not gives_seed([{"seed_everything": 0, "data.seed": 0}, {}], "data.seed")
    assert gives_seed([{"seed_everything": 0, "data.seed": 3}, {}], "data.seed")
    assert gives_seed([{"seed_everything": 0}, {"data.seed": "3"}], "data.seed")
