"""The step of a reshaping that builds indexes."""

from typing import ClassVar

from include.postgres.reshaping.reshaper import Reshaper
from partition_operators.lifecycle_operator import Step
from partition_operators.reshape_operator import ReshapeOperator


class CompleteCopyOperator(ReshapeOperator):
    """Build the indexes of what was copied, by `reshape: jobs` connections, and attach each partition to the new table.

    Nobody uses these tables yet, so nobody waits.

    **When it fails** run it again: it goes on with the partitions that are left. A unique index cannot be built if rows were written
    meanwhile that it forbids; the message names it.

    Arguments: see `ReshapeOperator`.
    """

    action: ClassVar[str] = "complete_copy"

    def reshape(self, step: Step, reshaper: Reshaper) -> int:  # noqa: ARG002 - the base passes it to all
        """Return how many tables got their indexes."""
        return reshaper.complete()
