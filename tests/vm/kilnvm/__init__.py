"""A Debian machine under qemu that runs the project's tests."""
