"""All SQL of gpuq: what is kept, and one method a question."""
