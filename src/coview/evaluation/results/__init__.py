"""Results: one type, one place that writes it, one that makes tables of any number of them."""
