"""Optuna's part: what proposes settings, what stops poor trials, and where both remember them."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from metaug.sweeps.parameters import Parameter
from metaug.sweeps.sweep_file import Sweep

JOURNAL = "journal.log"


class Study:
    """The trials of a sweep, in a journal that several processes write.

    Args:
        sweep: What is searched.
        folder: An absolute path, which holds the journal.
        seed: Of the proposals.
    """

    def __init__(self, sweep: Sweep, folder: Path, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.sweep, self.seed = sweep, seed
        journal = folder / JOURNAL
        lock = JournalFileOpenLock(str(journal))
        _mend(journal, lock)
        self._turn = JournalFileOpenLock(str(folder / "turn"))
        self._study = optuna.create_study(
            study_name="sweep",
            storage=JournalStorage(JournalFileBackend(str(journal), lock_obj=lock)),
            direction="maximize" if sweep.maximize else "minimize",
            sampler=sampler(sweep, seed, 0),
            pruner=pruner(sweep),
            load_if_exists=True,
        )

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Take turns with other sweeps on the folder: one of them proposes or claims trials."""
        self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()

    def trials(self) -> list[FrozenTrial]:
        """All trials, by number."""
        return self._study.get_trials(deepcopy=False)

    def best(self) -> FrozenTrial | None:
        """The complete trial of the best score, the earliest of several; None before there is one.

        Trials that were stopped early do not count.
        """
        complete = [trial for trial in self.trials() if trial.state == TrialState.COMPLETE]
        sign = -1 if self.sweep.maximize else 1
        return min(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)

    def propose(self) -> int:
        """Make a new trial; its number."""
        self._study.sampler = sampler(self.sweep, self.seed, len(self.trials()))
        return self._complete(self._study.ask())

    def again(self, number: int) -> dict[str, object]:
        """What a trial samples, completed where its sweep was killed while it proposed.

        Args:
            number: Of a trial that has not ended.
        """
        frozen = self.trials()[number]
        if len(frozen.params) < len(self.sweep.parameters):
            self._study.sampler = sampler(self.sweep, self.seed, number)
            self._complete(self._trial(number))
        return self.trials()[number].params

    def _complete(self, trial: Trial) -> int:
        for parameter in self.sweep.parameters:
            _suggest(trial, parameter)
        return trial.number

    def _trial(self, number: int) -> Trial:
        return Trial(self._study, self.trials()[number]._trial_id)

    def report(self, number: int, values: list[float], *, at_end: bool = False) -> bool:
        """Give a trial's scores so far; whether it is to be stopped.

        Args:
            number: Of the trial.
            values: All of them, in order; those that were given before are passed over.
            at_end: Whether the last one is of the last epoch, after which there is nothing to stop.
        """
        known = len(self.trials()[number].intermediate_values)
        for count in range(known + 1, len(values) + 1):
            trial = self._trial(number)
            trial.report(values[count - 1], count)
            if trial.should_prune() and not at_end:
                trial.set_user_attr("pruned", True)
                return True
        return False

    def end(
        self, number: int, state: TrialState, *, value: float | None = None, **notes: object
    ) -> None:
        """End a trial.

        Args:
            number: Of the trial.
            state: How.
            value: Its score, of a complete one.
            notes: What else to remember.
        """
        trial = self._trial(number)
        for name, note in notes.items():
            trial.set_user_attr(name, note)
        with _not_in_optimize():
            self._study.tell(number, value, state=state, skip_if_finished=True)


def _suggest(trial: Trial, parameter: Parameter) -> None:
    distribution = parameter.distribution
    if isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(parameter.name, distribution.choices)
    elif isinstance(distribution, IntDistribution):
        trial.suggest_int(parameter.name, distribution.low, distribution.high)
    elif isinstance(distribution, FloatDistribution):
        low, high = distribution.low, distribution.high
        trial.suggest_float(parameter.name, low, high, log=distribution.log)


@contextmanager
def _not_in_optimize() -> Iterator[None]:
    """GridSampler asks a loop to stop that is not there, once the trial is stored."""
    try:
        yield
    except RuntimeError as error:
        if "Study.stop" not in str(error):
            raise


def sampler(sweep: Sweep, seed: int, number: int) -> BaseSampler:
    """What proposes a trial; a new one for each, so that a resumed sweep does not repeat itself.

    Args:
        sweep: What is searched.
        seed: Of the sweep.
        number: Of the trial.
    """
    if sweep.method == "grid":
        return GridSampler({p.name: p.grid() for p in sweep.parameters}, seed=seed)
    own_seed = crc32(json.dumps([seed, number]).encode())
    if sweep.method == "random":
        return RandomSampler(seed=own_seed)
    startup = max(4, min(10, len(sweep.parameters)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # constant_liar, before Optuna 5
        return TPESampler(seed=own_seed, n_startup_trials=startup, constant_liar=True)


def pruner(sweep: Sweep) -> BasePruner:
    """What stops poor trials; steps are counted in scores, as wandb does."""
    stop = sweep.early_terminate
    if not stop:
        return NopPruner()
    if stop["type"] == "median":
        return MedianPruner(n_startup_trials=4, n_warmup_steps=int(stop.get("min_iter", 1)))
    eta = int(stop.get("eta", 3))
    first = stop.get("min_iter") or max(1, int(stop["max_iter"]) // eta ** int(stop["s"]))
    return SuccessiveHalvingPruner(min_resource=int(first), reduction_factor=eta)


def _mend(journal: Path, lock: JournalFileOpenLock) -> None:
    """Take off a last line that a full disk or a crash cut off, which would spoil all after it."""
    if not journal.is_file():
        return
    lock.acquire()
    try:
        content = journal.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with journal.open("r+b") as file:
                file.truncate(whole)
    finally:
        lock.release()
