"""The command `metaug sweep`: a sweep on this machine, without a server."""

USAGE = """\
usage: metaug sweep --config SWEEP [--count N] [--parallel N] [--folder FOLDER] [--KEY VALUE ...]

Search settings as a sweep file of Weights & Biases says, on this machine: each trial is a
`metaug fit` of its own. Interrupted or killed, the same command goes on.

  --config SWEEP      a sweep file of your own or the name of a shipped one; further --config, and
                      all other options, are those of `metaug fit`, for every trial
  --count N           trials in all, those of before among them; by default the grid's points, or
                      the file's run_cap. 0 shows the table alone
  --parallel N        trials at once, which share the GPUs, or the cores; 1
  --folder FOLDER     what the sweep leaves, and goes on from; sweeps/<name of the file>
  --sampler_seed N    seed of the proposals; 0

  metaug sweep --config digits_bayes.yaml --count 12 --parallel 2 --trainer.max_epochs 3
  metaug sweep --folder sweeps/digits_bayes --count 0
"""


def run(options: list[str]) -> int:
    """Train the trials, and show what they found.

    Args:
        options: What follows the command.
    """
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "metaug sweep needs Optuna, which is not installed: pip install 'metaug[sweep]'"
        ) from error
    from metaug.sweeps.command import run_sweep

    return run_sweep(options)
