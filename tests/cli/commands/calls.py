"""The good calls of all commands."""

from tests.cli.commands import data_calls, fact_calls, model_calls, project_calls, result_calls

CALLS = project_calls.CALLS | model_calls.CALLS | data_calls.CALLS | result_calls.CALLS | fact_calls.CALLS
