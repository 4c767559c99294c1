"""docker-compose.yml and what belongs to it: nothing secret in it, nothing open, nothing without a health check, and Compose itself likes it."""

import os
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from demo.local_airflow import PROJECT
from deploy import make_env
from include import check_policies
from include.partitioning.config import read_policies
from tests.compose.compose_file import FILE, MissingVariableError, Service, services, variables_of

EXAMPLE = (PROJECT / ".env.example").read_text()
SECRETS = variables_of(EXAMPLE)
MARKED = {name: f"secret{number}x" for number, name in enumerate(SECRETS)}

SERVICES = services(MARKED)
AIRFLOW = [service for service in SERVICES.values() if service.image.startswith("partition-lifecycle-airflow")]
WORKERS = [service for service in AIRFLOW if service.name.startswith("worker-")]
RUN_TO_THEIR_END = {
    name
    for service in SERVICES.values()
    for name, how in service.settings.get("depends_on", {}).items()
    if how["condition"] == "service_completed_successfully"
}


@pytest.fixture(params=SERVICES.values(), ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Service:
    found: Service = request.param
    return found


def test_there_is_everything_that_a_team_needs() -> None:
    airflow = {"init", "api-server", "scheduler", "dag-processor", "triggerer", "worker-1", "worker-2"}
    assert set(SERVICES) == {"metadata-db", "target-db", "redis", "object-store", *airflow}
    assert {service.name for service in AIRFLOW} == airflow


def test_each_service_has_a_health_check_or_runs_to_its_end(service: Service) -> None:
    assert service.check or service.name in RUN_TO_THEIR_END


def test_no_service_runs_as_root_or_may_become_root(service: Service) -> None:
    assert service.settings["user"].split(":")[0] not in {"", "0", "root"}
    assert service.settings["cap_drop"] == ["ALL"]
    assert service.settings["security_opt"] == ["no-new-privileges:true"]


def test_ports_are_open_on_the_loopback_interface_only(service: Service) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service.settings.get("ports", []))


def test_folders_of_the_project_cannot_be_written_to(service: Service) -> None:
    assert all(mount.endswith(":ro") for mount in service.mounts if mount.startswith((".", "/")))


def test_images_are_pinned(service: Service) -> None:
    assert re.search(r":v?\d+\.\d+", service.image)


@pytest.mark.parametrize("name", SECRETS)
def test_without_a_secret_nothing_starts_and_the_message_says_how_to_make_one(name: str) -> None:
    with pytest.raises(MissingVariableError, match=rf"{name}: run python3 deploy/make_env.py"):
        services({**MARKED, name: ""})


def test_no_secret_stands_in_the_file() -> None:
    document = yaml.safe_load(FILE.read_text())
    settings = [item for each in document["services"].values() for item in each.get("environment", {}).items()]
    secret = [value for name, value in settings if re.search("PASSWORD|SECRET|_KEY|AUTH$", name)]
    assert secret
    assert [value for value in secret if not re.fullmatch(r"\$\{\w+(:\?[^}]*)?\}", value)] == []
    passwords = [found for _, value in settings for found in re.findall(r'://[^:@/"]*:([^@"]*)@|"password": "([^"]*)"', str(value))]
    assert passwords
    assert [each for pair in passwords for each in pair if each and not each.startswith("${")] == []


def test_every_secret_of_the_example_is_used() -> None:
    used = " ".join(value for service in SERVICES.values() for value in service.environment.values())
    assert [name for name, value in MARKED.items() if value not in used] == []


def test_all_processes_of_airflow_agree_on_what_they_must_agree_on() -> None:
    for name in (
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__API__SECRET_KEY",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__CORE__EXECUTOR",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
        "AIRFLOW__CELERY__BROKER_URL",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT",
        "PYTHONPATH",
        "PARTITION_POLICIES",
    ):
        assert len({service.environment[name] for service in AIRFLOW}) == 1, name


def test_workers_cannot_reach_the_metadata_of_airflow() -> None:
    conn = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    assert [service for service in AIRFLOW if conn not in service.environment] == WORKERS
    for secret in ("METADATA_PASSWORD", "METADATA_ADMIN_PASSWORD", "TARGET_ADMIN_PASSWORD"):
        assert not any(MARKED[secret] in value for worker in WORKERS for value in worker.environment.values())


def test_only_workers_reach_the_storage_and_only_they_and_the_dag_processor_the_target_database() -> None:
    def with_connection(name: str) -> set[str]:
        return {service.name for service in AIRFLOW if f"AIRFLOW_CONN_{name}" in service.environment}

    workers = {worker.name for worker in WORKERS}
    assert with_connection("AWS_DEFAULT") == workers
    assert with_connection("POSTGRES_DEFAULT") == {*workers, "dag-processor"}
    on_data = {name for name, service in SERVICES.items() if "data" in service.settings["networks"]}
    assert on_data == {*workers, "dag-processor", "init", "target-db", "object-store"}


def test_superusers_passwords_are_known_to_the_servers_and_to_init_only() -> None:
    for secret, server in (("METADATA_ADMIN_PASSWORD", "metadata-db"), ("TARGET_ADMIN_PASSWORD", "target-db")):
        knows = {service.name for service in SERVICES.values() if any(MARKED[secret] in value for value in service.environment.values())}
        assert knows == {server, "init"}


def test_a_task_is_over_before_its_message_goes_to_a_second_worker() -> None:
    seconds = int(WORKERS[0].environment["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"])
    longest = max(policy.archive_max_duration for policy in read_policies(PROJECT / "deploy" / "policies").policies)
    assert timedelta(seconds=seconds) >= 2 * longest


def test_the_policies_are_good_and_their_archives_are_reachable_from_every_worker() -> None:
    folder = PROJECT / "deploy" / "policies"
    assert check_policies.main([str(folder)]) == 0
    for policy in read_policies(folder).policies:
        assert policy.archive is not None
        assert policy.archive.path.startswith("s3://partition-archive/")
        assert policy.archive.conn_id == "aws_default"


def test_the_image_has_the_airflow_that_the_tests_ran_with() -> None:
    required = re.search(r"^apache-airflow==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    base = re.search(r"^FROM apache/airflow:slim-(\S+)-python3\.11$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert required
    assert base
    assert required[1] == base[1]
    assert {service.image.split(":")[1] for service in AIRFLOW} == {required[1]}


def test_compose_itself_accepts_the_file_and_refuses_it_without_secrets(tmp_path: Path) -> None:
    compose = compose_command()
    (tmp_path / ".env").write_text(make_env.filled_in(EXAMPLE))
    assert config(compose, tmp_path / ".env").returncode == 0, config(compose, tmp_path / ".env").stderr
    (tmp_path / ".env").write_text(EXAMPLE)
    refused = config(compose, tmp_path / ".env")
    assert refused.returncode != 0
    assert "run python3 deploy/make_env.py" in refused.stderr


def compose_command() -> list[str]:
    """Whichever generation is installed."""
    docker, v1 = shutil.which("docker"), shutil.which("docker-compose")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:  # noqa: S603 - found on this machine's PATH
        return [docker, "compose"]
    if v1 is None:
        if os.environ.get("COMPOSE_MUST_BE_THERE"):
            pytest.fail("neither `docker compose` nor `docker-compose` is there; apt-get install docker-compose")
        pytest.skip("this machine has neither `docker compose` nor `docker-compose`; apt-get install docker-compose")
    return [v1]


def config(compose: list[str], env: Path) -> subprocess.CompletedProcess[str]:
    """`config --quiet`, which checks the file by Compose's own schema."""
    command = [*compose, "--file", str(FILE), "--env-file", str(env), "config", "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]}, cwd=PROJECT)  # noqa: S603 - found on this machine's PATH
