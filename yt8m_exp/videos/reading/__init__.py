"""Reads pictures and sound of video files of any kind."""
