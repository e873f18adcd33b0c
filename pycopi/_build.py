"""Stands in for the file of this name that the build writes: pycopi is imported from its source folder."""

VERSION = "0+source"
NATIVE = False
COMPILER = "none"
