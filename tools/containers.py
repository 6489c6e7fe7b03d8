"""
Run the services of docker-compose.yaml as plain processes of this machine, with the environment they would have.

Three things differ, and only they: the addresses of other services, the directories, and what a container has to
itself and processes of one machine have to share out (ports and the host name).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.compose import ComposeService

__all__ = ["OWN_VARIABLES", "Place", "hostname"]

PROJECT: Final = Path(__file__).resolve().parents[1]

# What a container has to itself; compose need not say it.
OWN_VARIABLES: Final = (
    "AIRFLOW__CORE__HOSTNAME_CALLABLE",
    "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT",
    "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT",
    "CONTAINER_HOSTNAME",
    "HOME",
    "LANG",
    "PATH",
)


def hostname() -> str:
    """Return the name a task is reported to have run on: Airflow calls this in the place of the container's own."""
    return os.environ["CONTAINER_HOSTNAME"]


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where the services are on this machine.

    `home` takes logs and staged files, `dags` is the folder with the DAG files. `socket_directory` is the one of
    PostgreSQL. `ports` has a port for `valkey`, `api-server`, and the little log and health servers (see `ports_for`).
    """

    home: Path
    dags: Path
    socket_directory: str
    ports: Mapping[str, int]
    programs: tuple[Path, ...]

    @staticmethod
    def ports_for(services: Mapping[str, ComposeService]) -> list[str]:
        """Return the names under which `ports` is asked for."""
        return ["valkey", "api-server", "scheduler-health", *(f"{name}-log" for name in services)]

    def environment(self, service: ComposeService) -> dict[str, str]:
        """Return the whole environment of a service: what compose gives it, relocated, and its own variables."""
        relocated = {name: self.relocate(value) for name, value in service.environment.items()}
        if "AIRFLOW_HOME" in relocated:
            relocated["AIRFLOW_HOME"] = str(self.home)
        return relocated | self._own(service)

    def command(self, service: ComposeService) -> list[str]:
        """Return the command of a service for this machine."""
        command = [self.relocate(word) for word in service.command or ()]
        return [str(self.ports["api-server"]) if word == "8080" else word for word in command]

    def relocate(self, text: str) -> str:
        """Return a text of compose with the addresses and directories of this machine."""
        text = re.sub(r":[^:@]*@postgres:5432/(\w+)", rf"@/\1?host={self.socket_directory}", text)
        text = text.replace("@valkey:6379", f"@127.0.0.1:{self.ports['valkey']}")
        text = text.replace("//api-server:8080", f"//127.0.0.1:{self.ports['api-server']}")
        text = text.replace("//localhost:8080", f"//localhost:{self.ports['api-server']}")
        text = text.replace("//localhost:8974", f"//localhost:{self.ports['scheduler-health']}")
        text = text.replace("/opt/airflow/dags", str(self.dags))
        for name in ("logs", "staging"):
            text = text.replace(f"/opt/airflow/{name}", str(self.home / name))
        return text.replace("/opt/airflow", str(PROJECT))

    def _own(self, service: ComposeService) -> dict[str, str]:
        log_port = str(self.ports[f"{service.name}-log"])
        own = {
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": log_port,
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": log_port,
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self.ports["scheduler-health"]),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join([*map(str, self.programs), "/usr/local/bin", "/usr/bin", "/bin"]),
        }
        if service.name.startswith("worker"):
            own |= {
                "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{hostname.__module__}.{hostname.__name__}",
                "CONTAINER_HOSTNAME": service.name,
            }
        return own
