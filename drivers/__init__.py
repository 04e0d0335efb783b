"""What makes desired state real on a backend: one package a backend, all behind one port."""
