"""People: command line, web pages and the wiring of every part."""
