"""AWS's eleven steps, one file each, with AWS's number in the name."""
