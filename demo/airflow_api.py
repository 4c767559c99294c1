"""Airflow's REST API, as far as the demo, the pictures and the tests speak it."""

from dataclasses import dataclass
from typing import Any

import httpx

HEALTHY = {"metadatabase", "scheduler", "triggerer", "dag_processor"}


@dataclass(frozen=True, slots=True)
class AirflowApi:
    """A logged-in client. Any answer but success raises `httpx.HTTPStatusError`, whose response says why."""

    http: httpx.Client

    @classmethod
    def log_in(cls, url: str, user: str, password: str) -> "AirflowApi":
        """Ask for a token, which lasts a day."""
        # Not by way of a proxy that the environment names: this is loopback.
        http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        answer = http.post("/auth/token", json={"username": user, "password": password})
        answer.raise_for_status()
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return cls(http)

    def get(self, path: str, **query: Any) -> Any:  # noqa: ANN401 - JSON
        """The answer to GET /api/v2/`path`."""
        return self._answer("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """The answer to POST."""
        return self._answer("POST", path, json=body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """The answer to PATCH."""
        return self._answer("PATCH", path, json=body)

    def _answer(self, method: str, path: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON
        answer = self.http.request(method, f"/api/v2/{path}", **arguments)
        answer.raise_for_status()
        return answer.json()


def unhealthy(url: str) -> set[str]:
    """The parts of Airflow that do not report themselves healthy; `api_server` while nothing answers at all."""
    try:
        answer = httpx.get(f"{url}/api/v2/monitor/health", timeout=10, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError:
        return {"api_server"}
    states = answer.json()
    return {part for part in HEALTHY if (states.get(part) or {}).get("status") != "healthy"}
