"""A script or notebook, run and watched: which gradient its loops use, and which they should."""
