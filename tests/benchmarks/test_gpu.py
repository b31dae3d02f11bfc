"""The GPU benchmark: every part runs on a CPU, and the driver goes on after what hangs or fails."""

import argparse
import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import torch
from metaug.lightning_modules import MetaStep
from PIL import Image

pytest.importorskip("lightly", reason="what is compared with: pip install '.[benchmark]'")

from benchmarks.gpu import (
    __main__ as main,
    images,
    recipe as recipe_module,
    records,
    worker,
)
from benchmarks.gpu.context import Context, median_seconds, relative_error
from benchmarks.gpu.driver import Driver
from benchmarks.gpu.parts import settings, step
from benchmarks.gpu.plan import PARTS, ROOT, SMOKE_TASKS, Part
from benchmarks.gpu.processes import Budget, Log
from benchmarks.gpu.recipe import recipe
from benchmarks.gpu.report import bars
from benchmarks.gpu.worker import run
from benchmarks.ports import free_port

pytestmark = pytest.mark.filterwarnings("default")  # a user's run, whose warnings are not errors


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_part_runs_on_a_cpu(tmp_path):
    """Started by torchrun, whose second process leaves everything to the first."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--master-port={free_port()}", "-m", "benchmarks.gpu", "--smoke"]
    command += ["--minutes", "14", "--out", str(out), "--scratch", str(tmp_path / "scratch")]
    env = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    written = records.read(out)
    failed = [record for record in written if not record.get("ok", True)]
    assert not failed, (failed, (out / "run.log").read_text()[-3000:])
    assert done.returncode == 0, done.stderr[-3000:]
    ran = {(record["part"], record["task"]) for record in written}
    for part, plan in PARTS.items():
        assert {(part, task) for task in SMOKE_TASKS.get(part, plan.tasks)} <= ran
    by_task = {record["task"]: record for record in written}
    assert not [name for name in by_task if "not applicable" in by_task[name]]
    # on a CPU both sides of these comparisons are the same computation
    assert set(by_task["steps"]["relative error after three steps"].values()) == {0.0}
    assert set(by_task["compiled"]["relative error to compile: false"].values()) == {0.0}
    replays = by_task["replay"]["passes"].values()
    assert all(each["replay to first"] == 0 and each["buffers untouched"] for each in replays)
    assert max(by_task["head"]["relative error"].values()) < 1e-6
    for weights in ("untrained", "trained"):
        (rows,) = by_task["precision"][weights].values()
        assert rows["exact float32"]["to itself"] < rows["exact bf16"]["to itself"] < 2
    names = ("exact-recipe", "lookahead-recipe")
    exact, lookahead = (by_task[f"bf16,256 {name}"] for name in names)
    assert exact["processor_ms"] > lookahead["processor_ms"]  # ratios by the clock are of chance
    base = by_task["bf16,256 lightly-cl"]["ms"]
    assert lookahead["ratio"] == pytest.approx(lookahead["ms"] / base, rel=1e-4)
    assert len(by_task["command_line:shipped"]["epochs"]) == 3
    assert all(row["ms"] > 0 for row in by_task["steps:lookahead,256"]["steps"].values())
    assert by_task["processes"]["relative error to one process"]["exact"] < 1e-12
    assert by_task["processes"]["steps"]["lookahead-recipe"]["messages"] > 10
    assert by_task["metaug result"]["epochs"] == 2
    assert "step bf16,256 exact-recipe: ms " in done.stdout
    check_report(out, by_task)


def check_report(out: Path, by_task: dict[str, dict]) -> None:
    """The report of the trial: every bar is not measured, every part is in it."""
    (report,) = out.glob("*-cpu.md")
    text = report.read_text()
    assert text.startswith("# MetAug on cpu, ")
    assert text.count("| not measured |") == 12
    assert "reached |" not in text
    assert "FAULT" not in text
    assert "Not measured." not in text
    step = by_task["bf16,256 recipe"]
    assert f"| `recipe` | {step['ms']:.2f} | {step['ratio']:.2f} |" in text
    assert f"commit: {by_task['facts']['commit']}" in text
    assert "<svg" in report.with_suffix(".svg").read_text()


def test_torchrun_is_left_by_all_but_the_first(monkeypatch):
    around = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4", "TORCHELASTIC_RUN_ID": "x"}
    for rank in ("0", "3"):
        for name, value in (around | {"RANK": rank, "MASTER_PORT": "1"}).items():
            monkeypatch.setenv(name, value)
        arguments = argparse.Namespace(processes=0)
        assert main.leave_torchrun(arguments) == (rank == "0")
        assert arguments.processes == 4
        assert not set(os.environ) & {*around, "RANK", "MASTER_PORT"}
    for name, value in (around | {"WORLD_SIZE": "8", "RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="one machine"):
        main.leave_torchrun(arguments)


WORKER = """
import sys, time
for task in sys.argv[2:]:
    if task.startswith("--"):
        break
    print("@start", task, flush=True)
    if task == "hangs":
        time.sleep(60)
    if task == "dies":
        sys.exit(3)
    print("@end", task, flush=True)
"""


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A driver of a package whose worker is this small program."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "worker.py").write_text(WORKER)
    monkeypatch.setattr("benchmarks.gpu.processes.ROOT", tmp_path)
    monkeypatch.setattr("benchmarks.gpu.driver.PACKAGE", "package")
    monkeypatch.setattr("benchmarks.gpu.driver.CPU_FACTOR", 1)
    arguments = argparse.Namespace(
        smoke=True,
        device="cpu",
        out=tmp_path,
        scratch=tmp_path,
        images=None,
        parts=["env"],
        tasks=None,
        processes=0,
    )
    made = Driver(arguments, Budget(time.time(), 60))
    yield made
    made.log.file.close()


def test_a_task_that_hangs_or_dies_does_not_stop_the_others(driver, monkeypatch, tmp_path):
    tasks = {"first": 9.0, "hangs": 1.0, "second": 9.0, "dies": 9.0, "third": 9.0}
    monkeypatch.setitem(PARTS, "env", Part(40, tasks))
    driver.run_part("env", time.time() + 40)
    failed = {record["task"]: record["error"] for record in records.read(tmp_path)}
    assert failed == {"hangs": "out of its time", "dies": "its process ended (3)"}
    log = (tmp_path / "run.log").read_text()
    assert all(f"env {name}: " in log for name in ("first", "second", "third"))


def test_a_part_ends_with_its_time_and_says_what_it_left_out(driver, monkeypatch, tmp_path):
    monkeypatch.setitem(PARTS, "env", Part(6, {"hangs": 50.0, "never": 9.0}))
    start = time.time()
    driver.run_part("env", start + 6)
    assert time.time() - start < 15
    hung, left_out = records.read(tmp_path)
    assert (hung["task"], hung["error"]) == ("hangs", "the part's time is over")
    assert left_out["left out"] == ["never"]


def test_parts_run_by_importance_and_share_the_time(driver, monkeypatch):
    ends = {}
    monkeypatch.setattr(driver, "run_part", lambda name, end: ends.update({name: end}))
    monkeypatch.setattr(driver, "note_facts", lambda names: None)
    driver.arguments.parts = ["settings", "step", "env"]
    driver.run()
    # a share too small to start in is made longer, at the cost of what is less important
    first, *_, last = ends.values()
    assert first - driver.budget.started == pytest.approx(45, abs=2)
    assert last == driver.budget.end
    monkeypatch.setattr("benchmarks.gpu.driver.LEAST_SECONDS", 0)
    driver.log = Log(driver.out / "run.log", time.time())
    driver.run()
    shares = [PARTS[name].share for name in ("env", "step", "settings")]
    spent = [(end - driver.budget.started) / 60 for end in ends.values()]
    assert list(ends) == ["env", "step", "settings"]
    assert spent == pytest.approx([sum(shares[:n]) / sum(shares) for n in (1, 2, 3)])
    assert sum(part.share for part in PARTS.values()) == pytest.approx(1)


def test_what_a_report_must_say_is_noted_whatever_the_parts(driver, monkeypatch, tmp_path):
    monkeypatch.setitem(PARTS, "env", Part(1, {"first": 9.0}))
    driver.arguments.parts, driver.arguments.tasks = ["several"], ["none"]
    driver.run()
    assert "env facts: " in (tmp_path / "run.log").read_text()


def test_the_recipe_is_the_shipped_config(tmp_path):
    context = Context(torch.device("cpu"), True, tmp_path, tmp_path / "images.pt")
    module = recipe(context, "exact", 0.03)
    shipped = recipe_module.shipped()["model"]["init_args"]
    assert shipped["generator"] is None
    assert module.generator.radius == 1.0
    assert vars(module.meta) == shipped["meta"] | vars(MetaStep("exact", 0.03))
    assert module.objective.adversarial
    assert module.objective.contrast.attraction_weight == 1
    assert module.objective.contrast.gamma == 16
    plain = recipe(context, method="attraction")
    assert (plain.generator, plain.objective.contrast.attraction_weight) == (None, 0.6)
    assert module.encoder.feature_dim == 128
    assert module.encoder_optimizer.schedule == "constant"
    assert module.encoder_optimizer.weight_decay == shipped["encoder_optimizer"]["weight_decay"]
    of_trainer = recipe_module.shipped()["trainer"]
    assert recipe_module.trainer_settings().items() <= of_trainer.items()
    assert recipe_module.trainer_settings()["log_every_n_steps"] == 20
    setting = settings.Setting(model={"nonsense": 1})
    row = settings.under(context, "lookahead", setting, 8)
    assert row == {"not applicable": "no argument nonsense"}
    failing = settings.Setting(trainer={"gradient_clip_val": 1.0})
    assert "gradient_clip_val" in settings.under(context, "lookahead", failing, 8)["error"]


def test_every_step_that_a_gpu_would_time_can_be_built(tmp_path):
    context = Context(torch.device("cpu"), True, tmp_path, tmp_path / "images.pt")
    for name in {*step.FIRST, *step.EAGER, *step.OTHERS, *step.SMOKE, settings.LIGHTLY}:
        assert step.build_module(context, name).training, name
    assert {bars.LIGHTLY, bars.LOOKAHEAD, bars.EXACT, bars.OUCL} <= set(step.FIRST)


def test_a_failing_task_leaves_its_error(tmp_path):
    context = Context(torch.device("cpu"), True, tmp_path, tmp_path / "images.pt")

    def broken(context, argument):
        raise ValueError(f"no {argument}")

    run("env", "broken:luck", {"broken": broken}, context)
    run("env", "fine", {"fine": lambda context: {"ms": float("nan"), "ratio": 1.23456789}}, context)
    failed, fine = records.read(tmp_path)
    assert failed["error"] == "ValueError: no luck"
    assert not failed["ok"]
    assert (fine["ms"], fine["ratio"]) == ("nan", 1.23457)
    assert records.table([failed]).startswith("FAILED env broken:luck: ")


def test_every_planned_task_exists():
    for part, plan in PARTS.items():
        if part == "learn":
            continue
        tasks = worker.importlib.import_module(f"benchmarks.gpu.parts.{part}").TASKS
        assert {name.partition(":")[0] for name in plan.tasks} == set(tasks)
        assert set(SMOKE_TASKS.get(part, {})) <= set(plan.tasks)


def archive_of(path: Path, pixels: dict[str, int]) -> Path:
    """A tar file of one-colored PNGs by name."""
    with tarfile.open(path, "w") as tar:
        for name, value in pixels.items():
            content = io.BytesIO()
            Image.new("RGB", (32, 32), (value, value, value)).save(content, "PNG")
            member = tarfile.TarInfo(name)
            member.size = content.tell()
            content.seek(0)
            tar.addfile(member, content)
    return path


def test_images_of_an_archive(tmp_path):
    names = {"./train/cat/0.png": 7, "./train/truck/1.png": 8, "./test/ship/0.png": 9}
    archive = archive_of(tmp_path / "images.tar", names)
    assert images.prepare(tmp_path / "images.pt", archive) == "images.tar"
    splits = images.PreparedImages(str(tmp_path / "images.pt")).load()
    assert splits.train.targets.tolist() == [3, 9]
    assert splits.test.targets.tolist() == [8]
    assert [int(image.max()) for image in splits.train.read([0, 1])] == [7, 8]


def test_images_are_generated_where_there_are_none(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "ROOT", tmp_path)
    assert images.prepare(tmp_path / "images.pt", tmp_path / "missing.tar", 50) == "generated"
    splits = images.PreparedImages(str(tmp_path / "images.pt")).load()
    assert (len(splits.train), len(splits.test)) == (50, 64)


def test_relative_error_is_over_all_tensors():
    error = relative_error(
        [torch.tensor([3.0]), torch.tensor([0.0])], [torch.tensor([0.0]), torch.tensor([4.0])]
    )
    assert error == pytest.approx(5 / 4)
    assert relative_error([], []) == 0
    assert median_seconds(torch.device("cpu"), lambda: None) >= 0


@pytest.mark.long
def test_the_folder_for_a_bare_machine(tmp_path):
    """`run.sh` unpacks what `prepare.sh` packed and runs it; wheels are those that are there."""
    folder = tmp_path / ".gpubench"
    (folder / "wheels").mkdir(parents=True)
    for package in ("higher", "jsonargparse", "docstring_parser", "typeshed_client", "kornia"):
        (folder / "wheels" / f"{package}-0.whl").touch()
    for package in ("kornia_rs", "lightly"):
        (folder / "wheels" / f"{package}-0.whl").touch()
    archive = archive_of(tmp_path / "some.tar", {"train/cat/0.png": 1, "test/cat/0.png": 1})
    prepare = ROOT / "benchmarks" / "gpu" / "prepare.sh"
    if not (ROOT / ".git").exists():
        pytest.skip("packs what git holds")
    subprocess.run(["bash", prepare, tmp_path, archive], check=True, capture_output=True)
    assert (folder / "images.tar").stat().st_size == archive.stat().st_size
    scratch = tmp_path / "scratch"
    (scratch / "packages").mkdir(parents=True)  # as if the wheels were installed
    env = os.environ | {"OUT": str(tmp_path / "out"), "SCRATCH": str(scratch), "PARTS": "env"}
    env |= {"BUDGET": "200", "PYTHON": sys.executable}
    command = ["bash", folder / "run.sh", "--smoke", "--tasks", "facts"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (facts,) = (record for record in records.read(tmp_path / "out") if record["part"] == "env")
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True)
    assert facts["commit"].startswith(head.stdout.decode().strip())
