"""The good calls of all commands."""

from tests.cli.commands import data_calls, model_calls, project_calls, result_calls
from tgl.cli.app import GROUPS

NAMES = [name for commands in GROUPS.values() for name, _, _ in commands]
CALLS = project_calls.CALLS | model_calls.CALLS | data_calls.CALLS | result_calls.CALLS
