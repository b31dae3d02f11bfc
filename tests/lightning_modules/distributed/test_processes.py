"""One process or many, the same numbers: every reduction is guarded by these runs."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.ports import free_port

SCRIPT = Path(__file__).with_name("train_on_processes.py")
FLOAT64 = [
    ",".join(case)
    for case in itertools.product(
        ("lookahead", "exact"), ("resnet", "vit"), ("batch", "bank"), ("64-true",)
    )
]
FLOAT64 += [
    f"{augmentation},vit,{negatives},64-true"
    for augmentation in ("mochi_noise", "transformation")
    for negatives in ("batch", "bank")
]
FLOAT32 = ["lookahead,smooth_resnet,batch,32-true", "exact,vit,bank,32-true"]
BROKEN = [
    "lookahead,vit,batch,64-true,features",
    "lookahead,vit,bank,64-true,index",
    "lookahead,vit,batch,64-true,gradients",
    "exact,vit,batch,64-true,tangent",
    "lookahead,resnet,batch,64-true,statistics",
    "lookahead,resnet,batch,64-true,statistics' gradients",
    "exact,resnet,batch,64-true,statistics' tangents",
]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def start(command: list, **kwargs) -> subprocess.Popen:
    return subprocess.Popen(
        [str(part) for part in command],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **kwargs,
    )


def finish(process: subprocess.Popen, limit: float = 400) -> str:
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"still running after {limit} s: {process.communicate()[0][-3000:]}")
    assert process.returncode == 0, output[-5000:]
    return output


def distance(first: dict, second: dict) -> dict[str, float]:
    assert first.keys() == second.keys()
    return {
        name: float(
            (first[name].double() - second[name].double()).norm()
            / first[name].double().norm().clamp_min(1e-12)
        )
        for name in first
    }


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "one.pt"
    finish(start([sys.executable, SCRIPT, out, 1, *FLOAT64, *FLOAT32]))
    return torch.load(out)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    out = tmp_path_factory.mktemp("two") / "two.pt"
    command = [*TORCHRUN, "--nproc-per-node=2", f"--master-port={free_port()}", SCRIPT, out, 1]
    finish(start([*command, *FLOAT64, *FLOAT32, *BROKEN]))
    return torch.load(out)


@pytest.mark.parametrize("case", FLOAT64 + FLOAT32)
def test_two_processes_equal_one(case, one_process, two_processes):
    distances = distance(one_process[case], two_processes[case])
    worst = max(distances, key=distances.__getitem__)
    assert distances[worst] < (1e-9 if "64" in case else 1e-5), (worst, distances[worst])


@pytest.mark.parametrize("case", BROKEN)
def test_without_any_one_reduction_they_differ(case, one_process, two_processes):
    whole = case.rpartition(",")[0]
    assert max(distance(one_process[whole], two_processes[case]).values()) > 1e-6


def test_two_nodes_equal_one_process(one_process, tmp_path):
    case = "exact,resnet,bank,64-true"
    port = free_port()
    agents = [
        start(
            [
                *TORCHRUN,
                "--nnodes=2",
                f"--node-rank={node}",
                "--nproc-per-node=1",
                "--master-addr=127.0.0.1",
                f"--master-port={port}",
                SCRIPT,
                tmp_path / "nodes.pt",
                2,
                case,
            ]
        )
        for node in range(2)
    ]
    for agent in agents:
        finish(agent)
    nodes = torch.load(tmp_path / "nodes.pt")
    assert max(distance(one_process[case], nodes[case]).values()) < 1e-9


def test_higher_refuses_and_names_an_engine_that_works(tmp_path):
    command = [*TORCHRUN, "--nproc-per-node=2", f"--master-port={free_port()}", SCRIPT]
    process = start([*command, tmp_path / "none.pt", 1, "higher,vit,batch,32-true"])
    output, _ = process.communicate(timeout=150)
    assert process.returncode != 0
    assert "engine 'higher' unrolls one process" in output
    assert "use engine 'exact'" in output
