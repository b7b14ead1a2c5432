"""Tools of a checkout, which no other part imports: preparing data, and the benchmarks."""
