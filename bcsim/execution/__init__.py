"""The program level: integer layers on whole batches, and the float network beside them."""
