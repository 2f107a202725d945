"""gpuqd: keeps the queue, starts jobs as TFoS clusters on Spark, follows what they write."""
