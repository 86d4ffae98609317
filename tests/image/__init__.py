"""The image: built by Podman or Docker, and run as the page about deploying says."""
