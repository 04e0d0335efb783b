"""Mutations: each takes one input and answers with its payload or a typed error."""
