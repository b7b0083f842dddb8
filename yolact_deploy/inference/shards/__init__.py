"""Many pictures, shared by any number of workers through a folder: no coordinator, nothing lost when one is killed."""
