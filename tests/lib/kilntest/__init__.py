"""What the tests of the real program share: starting servers, speaking HTTP, looking at the host, building requests."""
