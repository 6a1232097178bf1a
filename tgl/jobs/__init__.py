"""Start the jobs of a workflow fast: a server that has imported everything forks a process for each command.

`python -m tgl.jobs ARGUMENTS` does what `python -m tgl ARGUMENTS` does, without importing torch and transformers again.
"""
