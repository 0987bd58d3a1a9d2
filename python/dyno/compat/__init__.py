"""What `dyno.ManagedProcess` is made of: the shape of Dynamo's own class of that name, over the
bench."""
