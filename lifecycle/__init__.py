"""How desired state becomes real: operations, releases and the reconciler that all drivers share."""
