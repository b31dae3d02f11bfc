import pytest

from metaug.shipped_configs import shipped_configs
from metaug.sweeps.fit_command import check_options, fit_options
from metaug.sweeps.sweep_file import check_sweep, read_sweep

from .conftest import content

SHIPPED = [name for name in shipped_configs() if name.startswith("sweeps/")]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_sweeps_run_without_the_server(name):
    sweep = check_sweep(read_sweep(shipped_configs()[name]))
    assert sweep.options[0] == "--config"
    assert not any("wandb" in word or "${" in word for word in sweep.options)
    assert sweep.early_terminate["type"] == "hyperband"
    assert sweep.grid_size == (3 * 3 * 2 * 3 if name == "sweeps/digits_grid.yaml" else None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "custom"}, "method 'custom' is not supported; supported are random, grid"),
        ({"paramters": {}}, "paramters is unknown to a local sweep; did you mean parameters"),
        ({"scheduler": {}}, "scheduler is unknown to a local sweep; known are"),
        ({"metric": {"name": "a", "goal": "max"}}, "metric.goal must be maximize or minimize"),
        ({"metric": {"name": "a"}}, "metric.goal must be"),
        ({"metric": {"name": "a", "goal": "minimize", "target": 1}}, "metric.target is unknown"),
        ({"metric": None}, "metric must name a logged score"),
        ({"parameters": {}}, "parameters must name at least one"),
        ({"parameters": {"x": 3}}, "parameters.x must be a mapping"),
        ({"parameters": {"x": {"value": 3}}}, "nothing to search"),
        ({"method": "grid"}, "a grid has values"),
        ({"run_cap": 0}, "run_cap must be"),
        ({"early_terminate": {"type": "envelope"}}, "'envelope' is not supported"),
        ({"early_terminate": {"type": "hyperband"}}, "needs min_iter, or max_iter and s"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 1.5}}, "eta must be a wh"),
        ({"early_terminate": {"type": "median", "eta": 2}}, "early_terminate.eta is unknown"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "strict": False}}, "strict: fal"),
        ({"command": "metaug fit"}, "command must be a list"),
        ({"command": ["python", "train.py", "${args}"]}, "command must run `metaug fit`"),
        ({"command": ["metaug", "fit", "${args_json}"]}, r"\$\{args_json\} is not supported"),
    ],
)
def test_what_is_wrong_is_named(changes, message, sweep_file):
    path = sweep_file(**changes)
    with pytest.raises(ValueError, match=rf"mine\.yaml: .*{message}"):
        read_sweep(path)


def test_a_config_of_a_run_is_no_sweep():
    with pytest.raises(ValueError, match=r"digits\.yaml: this is no sweep file.*sweeps/"):
        read_sweep(shipped_configs()["digits.yaml"])


def test_the_overlay_of_wandb_is_left_out_however_it_is_written():
    words = ["--config", "digits", "--config=wandb.yaml", "--config", "overlays/wandb.yaml", "--a"]
    assert fit_options(["metaug", "fit", *words, "${args}"]) == ["--config", "digits", "--a"]
    program = ["${env}", "${interpreter}", "${program}", "fit", "--b=1"]
    assert fit_options(program, "metaug") == ["--b=1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.lr", "3"], "--model.lr 3: the sweep file has it"),
        (["--model.init_args.lr=3"], "--model.init_args.lr 3: the sweep file has it"),
        (["--ckpt_path=last"], "are taken up by themselves"),
        (["--trainer.default_root_dir", "x"], "--folder FOLDER moves"),
    ],
)
def test_what_the_sweep_sets_is_not_given_twice(options, message):
    with pytest.raises(ValueError, match=message):
        check_options(options, ["model.init_args.lr"])


def test_constants_and_early_stopping_are_read():
    entries = {"x": {"min": 0.0, "max": 1.0}, "seed_everything": {"value": 3}}
    stop = {"type": "hyperband", "max_iter": 27, "s": 2, "eta": 3}
    sweep = check_sweep(content(parameters=entries, early_terminate=stop))
    assert sweep.constants == {"seed_everything": 3}
    assert [parameter.name for parameter in sweep.parameters] == ["x"]
    assert sweep.setting({"x": 0.5}) == {"x": 0.5}
