"""A method: trains heads from a source. Everything is checked here once; what trains trusts its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from pipeline.errors import ConfigError, MismatchError, PipelineError, TrainingError
from pipeline.learning.concurrency import concurrently, torch_threads
from pipeline.learning.group import FitResult, Group, Outcome, TrainingInputs, UnreadableSplit
from pipeline.learning.options import MethodConfig
from pipeline.learning.task import Train
from pipeline.progress import OnProgress, silent

__all__ = ["FitResult", "Method", "TrainingInputs"]

C = TypeVar("C", bound=MethodConfig)
Groups = Sequence[tuple[TrainingInputs, Sequence[tuple[C, int]]]]


@dataclass(frozen=True)
class Method(Generic[C]):
    """A way to train a head: its options, and the function that trains from checked tasks."""

    config_class: type[C]
    train: Train[C]

    @property
    def name(self) -> str:
        """What params.yaml and the command line call it."""
        return self.config_class.method

    def fit(self, inputs: TrainingInputs, config: C, seed: int, on_progress: OnProgress = silent) -> FitResult:
        """Train one head: see `fit_groups`."""
        return next(self.fit_many(inputs, [(config, seed)], on_progress))[1]

    def fit_many(
        self, inputs: TrainingInputs, runs: Sequence[tuple[C, int]], on_progress: OnProgress = silent
    ) -> Iterator[tuple[int, FitResult]]:
        """Train heads from one source: position in `runs` and FitResult, as heads are finished. See `fit_groups`."""
        for _, i, result in self.fit_groups([(inputs, runs)], on_progress):
            yield i, result

    def fit_groups(
        self,
        groups: Groups[C],
        on_progress: OnProgress = silent,
        n_threads: int | None = None,
    ) -> Iterator[tuple[int, int, FitResult]]:
        """Train heads on the train split, select each on the val split, and read no other split.

        On the CPU heads are trained side by side, with one thread of torch each; large ones (`MethodConfig.is_large`)
        after them, one at a time with all threads. On other devices one head at a time is trained.
        The features of a group are read once, and released with its last head. Where the method `can_ensemble`, runs
        of a group that differ in the seed and in weights of loss terms only are trained as one ensemble, with the
        results of each alone within rounding.

        Parameters
        ----------
        groups : what heads are trained from, and the options and seed (int >= 0) of each head. One seed gives one head
            on one machine, whatever other groups are beside it, and whatever `n_threads` is
        on_progress : called after every epoch
        n_threads : heads (or ensembles) side by side, and the last 2 * n_threads - 1 together, so that no core idles
            before all are trained; by default as many as torch has threads: one for each core, or what
            OMP_NUM_THREADS states. The caller's thread has one torch thread, too, until all are trained

        Returns
        -------
        position in `groups`, position in its runs, and FitResult, as heads are finished

        Raises
        ------
        ConfigError
            At once, if options, classes, text or encoder do not suit the method.
        MismatchError
            If a split holds other labels, the text lacks a class, or the encoder is not the source's: of the encoder
            at once, else after all other heads are yielded.
        TrainingError
            After all others are yielded, if a split has no rows, train has one class only, a feature cannot be used, or
            numbers of some heads stopped being finite: the message has for each of these its seed, the options that set
            it apart, the epoch, and what was not finite.
        """
        for inputs, runs in groups:
            for config, _ in runs:
                self._check(inputs, config)
        unreadable: dict[int, PipelineError] = {}
        failures: dict[tuple[int, int], TrainingError] = {}
        for g, i, outcome in self._outcomes(groups, on_progress, n_threads):
            if isinstance(outcome, FitResult):
                yield g, i, outcome
            elif isinstance(outcome, UnreadableSplit):
                unreadable[g] = outcome.error
            else:
                failures[g, i] = outcome
        if len(unreadable) == 1 and not failures:
            raise next(iter(unreadable.values()))
        if unreadable or failures:
            raise TrainingError(self._failed(groups, unreadable, failures))

    def _outcomes(
        self, groups: Groups[C], on_progress: OnProgress, n_threads: int | None
    ) -> Iterator[tuple[int, int, Outcome]]:
        """What came of every run, light heads first."""
        prepared = [Group(inputs, runs, self.train) for inputs, runs in groups]
        on_cpu = all(inputs.device == "cpu" for inputs, _ in groups)
        for large in (False, True):
            tasks = [
                partial(_numbered, g, task) for g, group in enumerate(prepared) for task in group.tasks(large=large)
            ]
            with torch_threads(None if large else 1) as n_available:
                side_by_side = 1 if large or not on_cpu else n_threads or n_available
                for g, outcomes in concurrently(tasks, on_progress, side_by_side if len(tasks) > 1 else 1):
                    yield from ((g, i, outcome) for i, outcome in outcomes)

    def _failed(
        self,
        groups: Groups[C],
        unreadable: Mapping[int, PipelineError],
        failures: Mapping[tuple[int, int], TrainingError],
    ) -> str:
        """Which heads could not be trained, and why: `feature-mask, lr=1e+30, seed 0: epoch 1, ...`."""
        configs = [config for _, runs in groups for config, _ in runs]
        varied = _varied([config.model_dump() for config in configs])
        parts = {g: f"{inputs.part}, " if inputs.part else "" for g, (inputs, _) in enumerate(groups)}
        lines = [f"{self.name}, {parts[g]}{error}" for g, error in sorted(unreadable.items())]
        for (g, i), error in sorted(failures.items()):
            inputs, runs = groups[g]
            config, seed = runs[i]
            names = [self.name, *([inputs.name] if len(groups) > 1 else [])]
            options = [f"{name}={getattr(config, name)}" for name in varied]
            lines.append(f"{', '.join([*names, *options, f'seed {seed}'])}: {error}")
        n_heads = len(failures) + sum(len(groups[g][1]) for g in unreadable)
        return lines[0] if n_heads == 1 else "\n".join([f"{n_heads} heads could not be trained", *lines])

    def _check(self, inputs: TrainingInputs, config: C) -> None:
        classes = inputs.classes
        if not isinstance(config, self.config_class):
            found = type(config).__name__
            raise ConfigError(f"{self.name}: expected options of {self.config_class.__name__}, found {found}")
        if len(classes) < 2 or len(set(classes)) < len(classes):
            raise ConfigError(
                f"{self.name}: expected two or more different classes, found {', '.join(classes) or 'none'}"
            )
        if config.needs_text and inputs.text is None:
            raise ConfigError(f"{self.name}: expected text features, found none", remedy=[("encode-text", {})])
        if config.needs_encoder:
            self._check_encoder(inputs)

    def _check_encoder(self, inputs: TrainingInputs) -> None:
        if inputs.encoder is None:
            raise ConfigError(f"{self.name}: expected the encoder of the features, found none. Load it and pass it on")
        if (expected := inputs.source.encoder.get("encoder")) != inputs.encoder.identity:
            raise MismatchError(
                f"{self.name}: expected the encoder of the features, {expected}, "
                f"found {dict(inputs.encoder.identity)}. Load that one, or extract the features again"
            )


def _numbered(
    g: int, task: Callable[[OnProgress], Sequence[tuple[int, Outcome]]], on_progress: OnProgress
) -> tuple[int, Sequence[tuple[int, Outcome]]]:
    return g, task(on_progress)


def _varied(options: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of options that differ between runs."""
    return [name for name in options[0] if any(other[name] != options[0][name] for other in options)]
