"""The checkpoints and the best model of a run, in a folder."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from yt8m_exp.spec import InputError
from yt8m_exp.training import checkpoints
from yt8m_exp.training.fit import TrainState
from yt8m_exp.training.learner import Learner


@dataclass(frozen=True)
class CheckpointManager:
    """Writes and restores a run's checkpoints and its best model.

    Args:
        folder: where they go.
        learner: what they hold.
        data: the digest of the training data; a run resumes with the same data only.
        written: is called with each file that was written.
        also: digests that the same data had in older checkpoints.
    """

    folder: Path
    learner: Learner
    data: str
    written: Callable[[Path], None] = lambda path: None
    also: Collection[str] = ()

    @property
    def best(self) -> Path:
        """The file of the best model so far."""
        return self.folder / "best.keras"

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a checkpoint to resume from."""
        return bool(checkpoints.find(self.folder))

    def files(self) -> list[Path]:
        """Returns the files that are there: the best model and the checkpoints, oldest first."""
        return [*filter(Path.exists, [self.best]), *checkpoints.find(self.folder)]

    def save(self, state: TrainState, is_best: bool) -> None:
        """Writes a checkpoint, after the model if it is the best so far.

        Raises:
            NotFiniteError: a weight is not finite. Nothing is written of such a state.
            OSError: a file cannot be written, as on a full disk. Older ones are unchanged.
        """
        self.learner.require_finite()
        self.folder.mkdir(parents=True, exist_ok=True)
        if is_best:
            self.save_best()
        facts: Mapping = {
            "state": state.as_dict(),
            "data": self.data,
            "optimizer": self.learner.optimizer_name,
        }
        self.written(checkpoints.save(self.folder, state.examples, self.learner.values(), facts))

    def save_best(self, *, as_it_is: bool = False) -> None:
        """Writes the model as the best so far; see `Learner.save_model`."""
        self.learner.save_model(self.best, as_it_is=as_it_is)
        self.written(self.best)

    def restore(self) -> TrainState:
        """Restores the last checkpoint, or returns a fresh state; removes partial files.

        Raises:
            InputError: the checkpoint is damaged, or belongs to another model or other data.
        """
        checkpoints.remove_partial(self.folder)
        found = checkpoints.find(self.folder)
        if not found:
            return TrainState()
        facts = self.learner.restore(found[-1])
        if facts["data"] not in (self.data, *self.also):
            raise InputError(
                f"A run must go on with the data it began with ({facts['data']}), but the shards "
                f"now have the digest {self.data}. Give the same shards, or start a new run."
            )
        return TrainState(**facts["state"])
