#!/bin/sh
# What Spark asks for the GPUs that an executor sees, as {"name": "gpu", "addresses": ["0", "1"]}.
addresses=$(nvidia-smi --query-gpu=index --format=csv,noheader | sed 's/.*/"&"/' | paste -s -d , -)
echo "{\"name\": \"gpu\", \"addresses\": [$addresses]}"
