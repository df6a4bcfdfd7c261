"""Frames → the faces in them, and face images cut out of them."""
