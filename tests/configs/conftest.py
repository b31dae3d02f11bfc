import pytest
import wandb


@pytest.fixture
def wandb_mode(monkeypatch):
    """Start wandb anew with a mode; it reads its environment once per process."""

    def start(mode: str) -> None:
        end()
        monkeypatch.setenv("WANDB_MODE", mode)

    def end() -> None:
        wandb.finish()
        wandb.teardown()

    yield start
    end()
