"""Screens: they arrange widgets, answer their messages and say what of gpuqd they show."""
