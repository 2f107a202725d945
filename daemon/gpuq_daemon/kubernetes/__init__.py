"""What is known of Kubernetes: the way to its API, and what its objects mean. It imports no engine and no store."""
