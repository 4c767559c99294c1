"""Which scene has which table, policy and Airflow."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.installation import Installation
from tests.e2e.installations import log_in
from tests.e2e.scene_policies import ScenePolicies
from tests.e2e.scenes import Scene


@dataclass(frozen=True)
class Part:
    """A scene before it is played.

    :param policy: the keys of its table's policy.
    :param missing: months that have no partition, counted from this one.
    """

    play: Callable[[Scene], None]
    policy: dict[str, Any]
    missing: tuple[int, ...] = ()

    def played(self, scene: Scene) -> None:
        """Play it; what fails is raised with an account of the scene's runs."""
        try:
            self.play(scene)
        except Exception as error:
            error.add_note(scene.account())
            raise

    @property
    def title(self) -> str:
        return self.play.__name__

    @property
    def table(self) -> str:
        """The initials of the title: names of partitions and of sessions are made of it."""
        return "".join(word[0] for word in self.title.split("_"))


@dataclass
class Casting:
    """All scenes of one Airflow."""

    folder: Path
    parts: list[Part]
    policies: ScenePolicies = field(init=False)

    def __post_init__(self) -> None:
        self.policies = ScenePolicies(Installation(self.folder).policies, self.folder / "archive")

    def write_policies(self) -> None:
        for part in self.parts:
            self.policies.set(part.table, **part.policy)

    def seed(self) -> None:
        for part in self.parts:
            self.scene(part).seed()

    def scene(self, part: Part) -> Scene:
        return Scene(part.table, log_in(self.folder), Installation(self.folder).target, self.policies, self.folder, part.missing)
