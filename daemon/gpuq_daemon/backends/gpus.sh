#!/bin/sh
# Tells Spark which GPUs this container has, by their UUIDs: those that the node's device plugin gave it.
case "${NVIDIA_VISIBLE_DEVICES:-}" in
  GPU-* | MIG-*) found=$(echo "$NVIDIA_VISIBLE_DEVICES" | tr ',' '\n') ;;
  *) found=$(nvidia-smi --query-gpu=uuid --format=csv,noheader) || exit 1 ;;
esac
printf '{"name": "gpu", "addresses": ['
comma=
for gpu in $found; do
  printf '%s"%s"' "$comma" "$gpu"
  comma=', '
done
printf ']}\n'
