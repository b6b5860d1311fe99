"""Users of the tracking server, and their roles. docs/team.md shows how to call it."""

import argparse
import getpass
import os
import sys

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.server import get_app_client
from mlflow.server.auth.client import AuthServiceClient

WORKSPACE = "default"
RESEARCHER = {("workspace", "*"): "USE", ("experiment", "*"): "EDIT"}
ROLES = {
    "reader": {},
    "researcher": RESEARCHER,
    "promoter": RESEARCHER | {("registered_model", "*"): "EDIT"},
}
"""What each role may write. Everybody who can log in can read: default_permission of users.ini."""
MODELS = ("yt8m", "yt8m.decisions")
"""Registered models that the admin owns from the start, so that no researcher can claim them."""


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init", help="make the roles, the workers' user and the registered model")
    add = commands.add_parser("add", help="add a user; asks for the password")
    add.add_argument("name")
    add.add_argument("role", choices=[*ROLES, "admin"])
    for command in ("password", "remove"):
        commands.add_parser(command).add_argument("name")
    words = parser.parse_args()
    client = get_app_client("basic-auth", os.environ["MLFLOW_TRACKING_URI"])
    try:
        _run(client, words)
    except MlflowException as error:
        sys.exit(f"Error: {error.message}")


def _run(client: AuthServiceClient, words: argparse.Namespace) -> None:
    if words.command == "init":
        _init(client)
    elif words.command == "add":
        _add(client, words.name, words.role, _password())
    elif words.command == "password":
        client.update_user_password(words.name, _password())
    else:
        client.delete_user(words.name)


def _init(client: AuthServiceClient) -> None:
    """Makes what is missing; changes nothing that is there, but the workers' password."""
    there = {role.name: role.id for role in client.list_roles(WORKSPACE)}
    for name, rights in ROLES.items():
        role_id = there[name] if name in there else client.create_role(WORKSPACE, name).id
        has = {(p.resource_type, p.resource_pattern) for p in client.list_role_permissions(role_id)}
        for resource, permission in rights.items():
            if resource not in has:
                client.add_role_permission(role_id, *resource, permission)
    if _is_user(client, "worker"):
        client.update_user_password("worker", os.environ["WORKER_PASSWORD"])
    else:
        _add(client, "worker", "researcher", os.environ["WORKER_PASSWORD"])
    registry = MlflowClient()
    for name in MODELS:
        try:
            registry.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _add(client: AuthServiceClient, name: str, role: str, password: str) -> None:
    client.create_user(name, password)
    if role == "admin":
        client.update_user_admin(name, True)
        return
    role_id = next(found.id for found in client.list_roles(WORKSPACE) if found.name == role)
    client.assign_role(name, role_id)


def _is_user(client: AuthServiceClient, name: str) -> bool:
    try:
        client.get_user(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def _password() -> str:
    """Reads a password from the terminal, or a line of standard input."""
    if sys.stdin.isatty():
        return getpass.getpass("Password, of 12 characters or more: ")
    return sys.stdin.readline().rstrip("\n")


if __name__ == "__main__":
    main()
