"""Station 7: pure maths. Tensors in, tensors out; global over all processes, with gradient."""
