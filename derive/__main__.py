"""``python -m derive`` is the command ``handgrad``."""

from derive.cli import main

main()
