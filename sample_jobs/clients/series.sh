#!/bin/sh
# Print step and value of every point of a scalar: series.sh JOB TAG. Needs curl and $GPUQ_SOCKET.
set -eu
curl --silent --show-error --fail --get --unix-socket "$GPUQ_SOCKET" "http://gpuq/v1/jobs/$1/points" \
  --data-urlencode "tag=$2" --data format=csv |
  awk -F, 'NR > 1 { print $(NF - 2), $NF }'
