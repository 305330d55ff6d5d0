"""One file for each schema version: ``step_NNNN.py``."""
