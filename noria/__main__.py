"""``python -m noria`` is the ``noria`` command."""

from noria.launcher import main

main()
