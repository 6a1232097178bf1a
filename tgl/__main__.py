"""`python -m tgl` is `tgl`."""

import signal

# Ctrl-C while the program is still being loaded: end without a traceback.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from tgl.cli import main

main()
