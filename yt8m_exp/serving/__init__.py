"""Models and predictions for users and other programs: packages, exports, files."""
