"""The API: JSON over HTTP on a unix socket."""
