"""The files of a run: its directory, its checkpoints, its log of metrics. Orbax is here only."""
