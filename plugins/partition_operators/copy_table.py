"""The step of a reshaping that copies."""

from typing import ClassVar

from include.postgres.reshaping.reshaper import Reshaper
from partition_operators.lifecycle_operator import Step
from partition_operators.reshape_operator import ReshapeOperator


class CopyTableOperator(ReshapeOperator):
    """Build the new table beside the old one, have triggers note every change, and copy the rows in portions.

    Nobody waits but for the moment in which the triggers are made (SHARE ROW EXCLUSIVE: writers, for at most `lock_timeout` at a time). From
    then on each change writes a note as well, and TRUNCATE is refused. Portions are copied by `reshape: jobs` connections, each portion in
    a transaction of its own, no faster than `rows_per_second`, and not while a standby is further behind than `max_replica_lag`.

    **When it fails** run it again: portions that are copied stay copied. To give up, run `partition_cancel_reshape`.

    Arguments: see `ReshapeOperator`.
    """

    action: ClassVar[str] = "copy_table"

    def reshape(self, step: Step, reshaper: Reshaper) -> int:
        """Return how many rows this try copied."""
        return reshaper.copy(step.reference, step.database_now)
