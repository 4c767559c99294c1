"""The step that makes ledger and storage agree on which archives there are."""

from collections.abc import Sequence
from typing import ClassVar

from include.archive.manifest import MANIFEST, Manifest
from include.archive.shelf import archives_of_table
from include.archive.storage import listed, new_file
from include.partitioning.errors import ArchiveMismatchError
from include.postgres.ledger_records import ArchivedPartition
from partition_operators.archive_storage import archive_root, databases_of, opened, origin_of, record_of
from partition_operators.lifecycle_operator import LifecycleOperator, Step


class ReconcileArchivesOperator(LifecycleOperator):
    """Find every archive of a table in the storage and write down what the ledger lacks; put back manifests that the storage lacks.

    Either survives the loss of the other. What was only found is not proven: before a partition is dropped, its archive is compared with the
    table at hand, wherever the ledger's entry came from.

    **When it fails** the message names the manifest or the storage at fault; entries before it have been written.

    Arguments: see `LifecycleOperator`. `policy` is templated too.
    """

    template_fields: Sequence[str] = ("policy", *LifecycleOperator.template_fields)
    action: ClassVar[str] = "reconcile"
    ui_color = "#e0f7fa"

    def perform(self, step: Step) -> dict[str, int]:
        """Return how many archives were found, were new to the ledger, and how many manifests were put back."""
        known = step.ledger.archive_ids()
        put_back = sum(self._put_back(step, each) for each in step.ledger.archives(databases_of(step)))
        found = new = 0
        for stored in archives_of_table(archive_root(step), step.table.name):
            if stored.manifest.source.cluster.identity not in databases_of(step):
                self.log.warning("%s is another database's and left alone", stored.folder)
                continue
            found += 1
            if stored.manifest.archive_id in known:
                continue
            new += 1
            self.log.info(
                "%s is new to the ledger: %s, %s rows", stored.folder, stored.manifest.source.partition, f"{stored.manifest.rows:,}"
            )
            if not step.dry_run:
                step.ledger.record_archive(origin_of(stored.manifest), record_of(stored), stored.text.decode(), verified=False)
        self.log.info("%d archives found, %d of them new to the ledger; %d manifests put back", found, new, put_back)
        return {"found": found, "new": new, "put back": put_back}

    def _put_back(self, step: Step, each: ArchivedPartition) -> bool:
        """Write a manifest that is lost from the ledger's copy, if the files it names are there."""
        folder = opened(step, each.archive.path)
        copy = step.ledger.manifest(each.archive.archive_id)
        if copy is None:
            return False
        names = {file.name for file in listed(folder)}
        manifest = Manifest.from_json(copy.encode(), f"the ledger's copy of {each.archive.path}")
        missing = {file.name for file in manifest.files} - names
        if missing:
            raise ArchiveMismatchError(f'"{folder}" lacks {", ".join(sorted(missing))}; restore the objects from your own backup')
        if MANIFEST in names:
            return False
        self.log.warning("%s has lost its manifest; it is put back from the ledger", folder)
        if not step.dry_run:
            with new_file(folder / MANIFEST) as file:
                file.write(copy.encode())
        return True
