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

    def get(self, path: str, **query: str | int | bool) -> dict[str, Any]:
        """The answer to GET /api/v2/`path`; every one of Airflow's is a JSON object."""
        return self._answer("GET", path, query=query)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to POST."""
        return self._answer("POST", path, body=body)

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to PATCH."""
        return self._answer("PATCH", path, body=body)

    def _answer(
        self, method: str, path: str, *, query: dict[str, str | int | bool] | None = None, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        answer = self.http.request(method, f"/api/v2/{path}", params=query, json=body)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def unhealthy(url: str) -> set[str]:
    """The parts of Airflow that do not report themselves healthy; `api_server` while nothing answers at all."""
    try:
        answer = httpx.get(f"{url}/api/v2/monitor/health", timeout=10, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError:
        return {"api_server"}
    states = answer.json()
    return {part for part in HEALTHY if (states.get(part) or {}).get("status") != "healthy"}
