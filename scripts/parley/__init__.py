"""What ./run and ./test are made of. Standard library only, Python 3.11."""
