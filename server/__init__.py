"""The ASGI application, its settings, sign-in and the command line: it builds what the other packages are handed."""
