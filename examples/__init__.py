"""Extensions as a user writes them, each a file of its own, of public names alone."""
