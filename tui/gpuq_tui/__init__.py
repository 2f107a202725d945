"""`gpuq top`: the full-screen terminal."""
