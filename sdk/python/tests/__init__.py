"""Tests against the server of this source tree, which they build and start on a database of its own."""
