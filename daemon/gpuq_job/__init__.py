"""The part of gpuq that runs inside the Spark application: driver entry and rank wrapper."""
