"""What the tests share: deployments, replies, streams, metrics, waiting."""
