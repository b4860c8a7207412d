"""What every other folder may use: errors, files, the console, formatting, the host's vector instructions.

Stands on nothing of ours.
"""
