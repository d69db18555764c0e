"""What is put into a server that is measured."""
