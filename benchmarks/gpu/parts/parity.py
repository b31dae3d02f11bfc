"""Is it right on a GPU: against float64 on a CPU, pass by pass, step by step, run by run."""

from ..parity import evaluation, gradients, precision, training

TASKS = {
    task.__name__: task
    for task in (
        gradients.engines,
        gradients.exact_against_higher,
        gradients.replay,
        precision.head,
        precision.precision,
        gradients.layout,
        training.steps,
        training.compiled,
        training.bf16,
        training.waits,
        training.memory,
        training.resume,
        training.deterministic,
        training.own_tests,
        evaluation.views,
        evaluation.probes,
    )
}
