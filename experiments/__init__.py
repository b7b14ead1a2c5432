"""Programs: flags in, one call, results out."""
