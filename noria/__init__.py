"""The one name that Noria installs: a launcher above all layers."""

__version__ = "0.1.0"
