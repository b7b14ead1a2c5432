"""Runs and a sweep as earlier versions made them, and what those versions said of them."""
