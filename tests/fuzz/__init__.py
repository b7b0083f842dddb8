"""Everything that reads a stranger's file, fed with files that are almost right: success or a YolactDeployError."""
