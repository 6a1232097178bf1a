"""`python -m tgl.jobs`, which starts the server without its slow imports."""

from tgl.jobs import __main__ as client

if __name__ == "__main__":
    client.SERVER = "tests.jobs.light_server"
    client._PATIENCE = 2
    client.main()
