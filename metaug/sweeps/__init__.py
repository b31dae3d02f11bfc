"""Sweeps on this machine: wandb's sweep files, Optuna's search, a process for each trial."""
