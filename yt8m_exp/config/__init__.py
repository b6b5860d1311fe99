"""What the command line and the files of `conf/` say."""
