"""The whole of docker-compose.yml on this machine, without Docker: PostgreSQL from the wheel, S3 from moto, everything else as the file says."""

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from demo import embedded_postgres
from demo.airflow_api import AirflowApi
from demo.local_airflow import PROJECT, socket_uri
from deploy import make_env
from tests.compose import compose_file
from tests.compose.compose_file import Service
from tests.compose.processes import Machine, Places
from tests.compose.rest import Team
from tests.integration import object_store

NEEDED = ("redis-server", "redis-cli", "curl")
"""Programs that the images have and this machine may lack; Debian has them in `redis-server`, `redis-tools` and `curl`."""

SETTINGS = {"fsync": "off", "full_page_writes": "off"}

IMPATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
    # Not shorter: on a busy machine a task waits in the queue for long, and Airflow fails it when this has passed three times.
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
}
"""A dead worker is noticed within a test's time."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What runs, and how to reach it."""

    machine: Machine
    services: dict[str, Service]
    team: Team
    target: str
    bucket: object_store.Bucket


@contextmanager
def running(policies: Path, workers: int) -> Iterator[Cluster]:
    """Everything healthy, as each service's own health check says.

    :param policies: folder with policy files.
    :param workers: tasks at a time, of each of the two.
    """
    secrets = compose_file.variables_of(make_env.filled_in((PROJECT / ".env.example").read_text()))
    variables = {**secrets, "POLICIES": str(policies), "WORKER_CONCURRENCY": str(workers), "HEARTBEAT_TIMEOUT": "30"}
    services = compose_file.services(variables)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="compose-of-tests-", ignore_cleanup_errors=True)))
        metadata = stack.enter_context(embedded_postgres.running(folder / "metadata-db", SETTINGS))
        target = stack.enter_context(embedded_postgres.running(folder / "target-db", SETTINGS))
        store = stack.enter_context(object_store.serving())
        ports = {name: free_port() for name in ("redis", "api-server", "scheduler")}
        machine = stack.enter_context(Machine(folder, places(folder, ports, store, metadata, target), additions(services, ports)))
        start_all(machine, services)
        team = Team(AirflowApi.log_in(f"http://127.0.0.1:{ports['api-server']}", "admin", secrets["ADMIN_PASSWORD"]))
        socket_folder = str(conninfo_to_dict(target)["host"])
        yield Cluster(machine, services, team, socket_uri(socket_folder, "app"), object_store.Bucket.at(store, "partition-archive"))


def start_all(machine: Machine, services: dict[str, Service]) -> None:
    """In the order in which the file lets them."""
    machine.start(services["redis"])
    machine.wait_until_healthy(services["redis"], 10)
    machine.run(services["init"])
    later = [services[name] for name in ("api-server", "scheduler", "dag-processor", "triggerer", "worker-1", "worker-2")]
    for service in later:
        machine.start(service)
    for service in later:
        machine.wait_until_healthy(service, 300)


def places(folder: Path, ports: dict[str, int], store: int, metadata: str, target: str) -> Places:
    """PostgreSQL from the wheel listens on a socket only; everything else on a port of the loopback interface."""

    def on_socket(uri: str) -> str:
        return rf"@/\1?host={quote(str(conninfo_to_dict(uri)['host']), safe='')}"

    api, redis = f"127.0.0.1:{ports['api-server']}", ports["redis"]
    return Places(
        (
            (r"/opt/airflow", str(folder / "opt-airflow")),
            (r"dir /data", f"dir {folder}"),
            (r"^/data$", str(folder)),
            (r"@metadata-db:5432/(\w+)", on_socket(metadata)),
            (r"@target-db:5432/(\w+)", on_socket(target)),
            (r"bind 0\.0\.0\.0", "bind 127.0.0.1"),
            (r"(port|-p) 6379", rf"\g<1> {redis}"),
            (r"redis:6379", f"127.0.0.1:{redis}"),
            (r"(api-server|localhost):8080", api),
            (r"localhost:8974", f"127.0.0.1:{ports['scheduler']}"),
            (r"^8974$", str(ports["scheduler"])),
            (r"object-store:8333", f"127.0.0.1:{store}"),
        )
    )


def additions(services: dict[str, Service], ports: dict[str, int]) -> dict[str, dict[str, str]]:
    """What containers have by being containers: a hostname, and ports that nobody else takes; and less patience."""
    own_ports = {
        name: {
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        }
        for name in services
    }
    own_ports["api-server"] |= {"AIRFLOW__API__PORT": str(ports["api-server"]), "AIRFLOW__API__HOST": "127.0.0.1"}
    return {"*": {**IMPATIENT, "AIRFLOW__CORE__HOSTNAME_CALLABLE": "tests.compose.host_name.of_this_service"}, **own_ports}


def missing_programs() -> list[str]:
    """What this machine lacks."""
    return [name for name in NEEDED if shutil.which(name) is None]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
