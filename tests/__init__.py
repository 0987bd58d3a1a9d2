"""The Dynamo suite: end-to-end tests of a real deployment."""
