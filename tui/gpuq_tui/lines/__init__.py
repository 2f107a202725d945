"""What the terminal shows, as values: from `gpuq.models` to lines of toned text. Pure; knows no widget."""
